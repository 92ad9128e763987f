"""A stand-in for NVIDIA's driver library, compiled from `tests/telemetry/nvml_stub.c`, for the real binding to load.

Nothing of it is in the product: a test scripts what the driver answers, and asserts what loramon makes of it.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "telemetry" / "nvml_stub.c"
LIBRARY = "libnvidia-ml.so.1"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST, VERSION_MISMATCH, TIMEOUT, UNKNOWN = 3, 4, 9, 15, 18, 10, 999
GIB = 1 << 30

RTX_4090: dict[str, object] = {
    "name": "NVIDIA GeForce RTX 4090", "uuid": "GPU-11111111-2222-3333-4444-555555555555",
    "memory_total": 24 * GIB, "memory_used": 20 * GIB, "memory_reserved": 400 << 20,
    "utilization_gpu": 98, "utilization_memory": 55, "power": 402_000, "power_limit": 450_000, "power_limit_default": 450_000,
    "sm_clock": 2610, "sm_clock_max": 3120, "memory_clock": 10501, "memory_clock_max": 10501, "temperature": 67, "temperature_limit": 93,
    "fan": 48, "pstate": 2, "reasons": 0, "pcie_generation": 4, "pcie_generation_max": 4, "pcie_lanes": 16, "pcie_lanes_max": 16,
    "pcie_rx": 1200, "pcie_tx": 300, "energy": 123_456_000, "violation_power": 5_000_000_000, "violation_thermal": 0,
    "fields": 0, "field_185": 401_000, "field_186": 411_000, "field_82": 84, "compute": 0, "graphics": 0,
}  # fmt: skip
"""A GeForce on native Linux, as its driver answers."""


def build(folder: Path, *flags: str) -> Path:
    """The library, compiled into this folder."""
    assert COMPILER is not None
    out = folder / LIBRARY
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", *flags, f"-Wl,-soname,{LIBRARY}", "-o", str(out), str(SOURCE)], check=True)
    return out


def lines(*cards: dict[str, object]) -> str:
    """The same script as a file, for a driver in another process (`LORAMON_TEST_NVML`)."""
    out = [f"-1 count {len(cards)}", '16 driver_version "580.00"', '16 nvml_version "13.580"']
    for number, card in enumerate(cards):
        out += [f'{number} {name} "{value}"' if isinstance(value, str) else f"{number} {name} {value}" for name, value in card.items()]
    return "\n".join(out) + "\n"


class StubDriver:
    """The library in this process. Loaded once under the name that the binding asks for, so that it gets this one."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        self._library.stub_set.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_longlong, ctypes.c_int]
        self._library.stub_text.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p]
        self._library.stub_calls.argtypes = [ctypes.c_char_p]
        self._library.stub_calls.restype = ctypes.c_longlong

    def clear(self) -> None:
        """No card, no driver."""
        self._library.stub_clear()

    def cards(self, *cards: dict[str, object]) -> None:
        """These cards and no others."""
        self.clear()
        self.say(-1, count=len(cards))
        for number, card in enumerate(cards):
            self.say(number, **card)
        self.say(16, driver_version="580.00", nvml_version="13.580")

    def say(self, card: int, **answers: Any) -> None:
        """What a card (-1: the driver itself) answers from now on."""
        for name, value in answers.items():
            if isinstance(value, (str, bytes)):
                self._library.stub_text(card, name.encode(), value if isinstance(value, bytes) else value.encode())
            else:
                self._library.stub_set(card, name.encode(), int(value), 0)

    def fail(self, card: int, code: int, *names: str) -> None:
        """Questions that are answered with an error."""
        for name in names:
            self._library.stub_set(card, name.encode(), 0, code)

    def hang(self, hangs: bool = True) -> None:
        """Every question waits until it hangs no more."""
        self._library.stub_set(-1, b"hang", int(hangs), 0)

    def n_asked(self, name: str = "") -> int:
        """How often a question came; all, for no name."""
        return int(self._library.stub_calls(name.encode()))
