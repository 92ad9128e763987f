"""System memory that a card works in, on Windows and from within WSL: the performance counters, through `typeperf`.

NVML does not tell it there. The counters are `\\GPU Adapter Memory(luid_…)\\Dedicated Usage` and `Shared Usage` (bytes).
`typeperf` takes their English names on any Windows whose counters can be read in English; one process serves all the time.
"""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass

COUNTERS = ("\\GPU Adapter Memory(*)\\Dedicated Usage", "\\GPU Adapter Memory(*)\\Shared Usage")
EVERY_S = 2
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
KEPT_LINES = 1 << 16
_HEADER = re.compile(r"\\GPU Adapter Memory\((?P<adapter>[^)]*)\)\\(?P<kind>Dedicated|Shared) Usage$", re.IGNORECASE)


@dataclass(slots=True)
class Adapter:
    """The newest figures of one adapter, bytes."""

    dedicated_bytes: float | None = None
    shared_bytes: float | None = None


class AdapterMemory:
    """Follows the counters of all adapters in a thread. `why`: what it lacks, empty while it works."""

    def __init__(self, command: list[str] | None = None) -> None:
        """`command`: how typeperf is called; None: as it is found."""
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._adapters: dict[str, Adapter] = {}
        self._lock = threading.Lock()
        self.why = ""

    def start(self) -> None:
        command = self._command or typeperf()
        if command is None:
            self.why = "telemetry.no-typeperf"
            return
        threading.Thread(target=self._run, args=(command,), name="sampler typeperf", daemon=True).start()

    def stop(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    def shared_bytes(self, used_bytes: int | None, n_cards: int) -> int | None:
        """Of the card that uses so much of its own memory: an adapter is known by that, as no number is common to both.

        The only card of a driver is the adapter with the most dedicated memory in use; the graphics of the processor have
        next to none.
        """
        with self._lock:
            known = [a for a in self._adapters.values() if a.dedicated_bytes is not None and a.shared_bytes is not None]
        if not known:
            return None
        if n_cards == 1:
            hit = max(known, key=lambda a: a.dedicated_bytes or 0.0)
        elif used_bytes is not None:
            hit = min(known, key=lambda a: abs((a.dedicated_bytes or 0.0) - used_bytes))
        else:
            return None
        return None if hit.shared_bytes is None else int(hit.shared_bytes)

    def _run(self, command: list[str]) -> None:
        try:
            self._process = subprocess.Popen([*command, "-si", str(EVERY_S), *COUNTERS], stdin=subprocess.DEVNULL,
                                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, creationflags=NO_WINDOW)  # fmt: skip
        except OSError:
            self.why = "telemetry.no-typeperf"
            return
        columns: list[tuple[str, str] | None] = []
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in iter(lambda: lines.readline(KEPT_LINES), b""):
                row = next(csv.reader([raw.decode("utf-8", "replace").strip()]), [])
                if row and row[0].startswith("(PDH-CSV"):
                    columns = [_column(cell) for cell in row]
                elif columns and len(row) == len(columns):
                    self._take(columns, row)
        self.why = "telemetry.no-typeperf" if not columns else "telemetry.typeperf-ended"
        with self._lock:
            self._adapters.clear()  # figures that nobody renews are none

    def _take(self, columns: list[tuple[str, str] | None], row: list[str]) -> None:
        with self._lock:
            for column, cell in zip(columns, row, strict=True):
                if column is None:
                    continue
                adapter = self._adapters.setdefault(column[0], Adapter())
                try:
                    value: float | None = float(cell)
                except ValueError:
                    value = None
                if column[1] == "dedicated":
                    adapter.dedicated_bytes = value
                else:
                    adapter.shared_bytes = value


def _column(cell: str) -> tuple[str, str] | None:
    found = _HEADER.search(cell)
    return None if found is None else (found["adapter"], found["kind"].lower())


def typeperf() -> list[str] | None:
    """How it is called here, also from within WSL; None where it is not there."""
    path = shutil.which("typeperf") or shutil.which("typeperf.exe") or shutil.which("/mnt/c/Windows/System32/typeperf.exe")
    return None if path is None else [path]
