"""Goes back to the source for the words of a record: columns remember only where it stood."""

from __future__ import annotations

from pathlib import Path

from loramon.events import Place
from loramon.findings import Evidence
from loramon.redact import redact
from loramon.text import detect_encoding, sanitise

MAX_EXCERPT = 240
READ_BYTES = 1 << 20


class Excerpts:
    """Reads lines of the files of one source again, by offset. A file that changed or went away gives no words."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files
        self._utf16: dict[str, bytes | None] = {}

    def evidence(self, source: str, offset: int, step: int | None) -> Evidence | None:
        """The record at this byte as evidence: its line counted by newlines, its text cut to what fits a screen."""
        path = self._files.get(source)
        if path is None:
            return None
        try:
            line, raw = self._read(source, path, offset)
        except OSError:
            return None
        text = shorten(redact(sanitise(raw).strip()))
        return Evidence(line, offset, step, text) if text else None

    def _read(self, source: str, path: Path, offset: int) -> tuple[int, bytes]:
        whole = self._transcoded(source, path)
        if whole is not None:
            return whole.count(b"\n", 0, offset) + 1, _record(whole[offset : offset + 4096])
        line, left = 1, offset
        with path.open("rb") as file:
            while left:
                data = file.read(min(READ_BYTES, left))
                if not data:
                    break
                line += data.count(b"\n")
                left -= len(data)
            return line, _record(file.read(4096))

    def _transcoded(self, source: str, path: Path) -> bytes | None:
        if source not in self._utf16:
            with path.open("rb") as file:
                encoding = detect_encoding(file.read(65536))
            self._utf16[source] = path.read_bytes().decode(encoding, "replace").lstrip("\ufeff").encode() if encoding.startswith("utf-16") else None
        return self._utf16[source]


def _record(data: bytes) -> bytes:
    ends = [at for at in (data.find(b"\r"), data.find(b"\n")) if at > 0]
    return data[: min(ends)] if ends else data


def shorten(text: str) -> str:
    """A text that fits a report; what is left out is shown as `…`."""
    if len(text) <= MAX_EXCERPT:
        return text
    # the end of a command's error message is what tells
    return f"{text[: MAX_EXCERPT * 2 // 3].rstrip()}…{text[-MAX_EXCERPT // 3 :].lstrip()}"


def evidence_of(place: Place, text: str, step: int | None) -> Evidence:
    """A line that was read just now, as evidence."""
    return Evidence(place.line, place.offset, step, shorten(redact(text.strip())))
