"""GPU telemetry that users log beside a training: which format it is, and its readings as `GpuSample`s.

`nvidia-smi --query-gpu=… --format=csv`, `nvidia-smi dmon`, GPU-Z, MSI Afterburner, `typeperf`, DCGM's metrics.
`TelemetryParser` takes bytes as they come, so that a log can be followed while it grows; `read_telemetry` reads a finished
file. Times are local where no zone is printed and stay in the order of the file; where the clock was set, the parser gives
them as they are and `read_telemetry` lets them go on evenly (`telemetry_time.steady`).
"""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from loramon.errors import UserError
from loramon.samples import GpuSample
from loramon.sources.telemetry_dcgm import DcgmReader, is_dcgm
from loramon.sources.telemetry_dmon import DmonReader, dmon_columns, is_units_line
from loramon.sources.telemetry_gpuz import GpuzReader, gpuz_columns
from loramon.sources.telemetry_hml import HmlReader, hml_row
from loramon.sources.telemetry_shape import guess_columns
from loramon.sources.telemetry_smi import SmiReader, header_columns, header_units
from loramon.sources.telemetry_time import steady
from loramon.sources.telemetry_typeperf import TypeperfReader, is_typeperf
from loramon.text import detect_encoding

READ_TODAY = "read: nvidia-smi --query-gpu=... --format=csv, nvidia-smi dmon, GPU-Z, Afterburner .hml, typeperf, DCGM metrics"
_LOOK_LINES = 64  # so many lines may stand before a header
_LOOK_CHARS = 65536
_HEAD_BYTES = 4096  # enough to tell the encoding
_MAX_LINE = 65536
_CHUNK_BYTES = 1 << 20
_DAY_S = 86400.0

Reader = SmiReader | DmonReader | GpuzReader | HmlReader | TypeperfReader | DcgmReader


@dataclass(slots=True)
class TelemetryLog:
    """A finished telemetry log. `samples` in the order of the file; `t_s` is Unix seconds where `has_clock`, else
    seconds from an unknown moment. `n_bad_rows`: lines that were neither reading, header nor blank. `platform`: `windows`
    or `linux` where the format or its line ends tell."""

    samples: list[GpuSample] = field(default_factory=list)
    format: str = ""
    n_bad_rows: int = 0
    has_clock: bool = False
    platform: str | None = None


class TelemetryParser:
    """Bytes in, samples out, the same however the bytes are cut. A row without its newline is still being written and
    is never read. Raises `UserError` (`telemetry-format`, `telemetry-columns`) from `feed` or `finish`."""

    def __init__(self) -> None:
        self.format = ""
        self.n_bad_rows = 0
        self._head = b""
        self._decoder: IncrementalDecoder | None = None
        self._text = ""
        self._skipping = self._is_crlf = False
        self.platform: str | None = None
        self._reader: Reader | None = None
        self._unread: list[str] = []  # lines before the format is known
        self._n_unread_chars = 0

    @property
    def has_clock(self) -> bool:
        """Do the rows carry date and time?"""
        return self._reader is not None and self._reader.has_clock

    @property
    def time_of_day_only(self) -> bool:
        """`t_s` counts from the midnight before the first row; the day is not in the log."""
        return isinstance(self._reader, DmonReader) and self._reader.time_of_day_only

    def feed(self, data: bytes) -> list[GpuSample]:
        """The samples that these bytes complete."""
        if self._decoder is None:
            self._head += data
            if len(self._head) < _HEAD_BYTES and b"\n" not in self._head:
                return []
            data, self._head = self._head, b""
            self._decoder = _decoder(data)
        return self._lines(self._decoder.decode(data))

    def finish(self) -> list[GpuSample]:
        """The source has ended: what waited for more rows to be understood."""
        out: list[GpuSample] = []
        if self._decoder is None and self._head:
            self._decoder = _decoder(self._head)
            out += self._lines(self._decoder.decode(self._head))
        self._head = b""
        if self._reader is None:
            out += self._without_header()
        if self._reader is not None:
            out += self._reader.finish()
        return out

    def _lines(self, text: str) -> list[GpuSample]:
        *lines, self._text = (self._text + text).split("\n")
        if len(self._text) > _MAX_LINE:  # no reading is that long; memory stays bounded
            self._text, self._skipping = "", True
        out: list[GpuSample] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
                self.n_bad_rows += 1
                continue
            self._is_crlf = line.endswith("\r")
            line = line.strip("\r\ufeff\0 ")
            if line:
                out += self._line(line)
        return out

    def _line(self, line: str) -> list[GpuSample]:
        if self._reader is not None:
            samples = self._reader.row(line)
            if samples is not None:
                return samples
            if line.startswith("#") and is_units_line(line):
                return []
        reader = self._header(line)
        if reader is not None:
            waiting = self._reader.finish() if self._reader is not None and self._reader is not reader else []
            self.n_bad_rows += len(self._unread)
            self._unread.clear()
            self._reader, self.format = reader, reader.format
            self.platform = self.platform or self._platform_of(reader)
            # where each line says what it is, the one that told the format is a row of it already
            return waiting + ((reader.row(line) or []) if isinstance(reader, (DcgmReader, HmlReader)) else [])
        if self._reader is not None:
            self.n_bad_rows += 1
            return []
        self._unread.append(line)
        self._n_unread_chars += len(line)
        if len(self._unread) >= _LOOK_LINES or self._n_unread_chars >= _LOOK_CHARS:
            return self._without_header()
        return []

    def _platform_of(self, reader: Reader) -> str | None:
        """Windows' nvidia-smi ends its lines with CR LF; a sheet that was saved anew says nothing of its origin."""
        if isinstance(reader, SmiReader):
            return "windows" if self._is_crlf and reader.is_original else None
        return None if isinstance(reader, DmonReader) else reader.platform

    def _header(self, line: str) -> Reader | None:
        columns = dmon_columns(line)
        if columns is not None:
            return DmonReader(columns, self._reader if isinstance(self._reader, DmonReader) else None)
        if (titles := gpuz_columns(line)) is not None:
            return GpuzReader(titles)
        if is_typeperf(line):
            return TypeperfReader(line)
        if is_dcgm(line):
            return DcgmReader()
        if hml_row(line) is not None:
            return HmlReader()
        table = header_columns(line)
        if table is None:
            return None
        separator, names = table
        if isinstance(self._reader, SmiReader) and self._reader.same(separator, names):
            return self._reader
        return SmiReader(separator, names, header_units(line, separator))

    def _without_header(self) -> list[GpuSample]:
        """No header came: the shape of the values may tell what they are (`--format=csv,noheader`)."""
        guess = guess_columns(self._unread)
        lines, self._unread = self._unread, []
        if guess is None:
            raise UserError("telemetry-format", f"no telemetry found in this file; {READ_TODAY}")
        if not guess.enough:
            raise UserError(
                "telemetry-columns",
                "this log has no header (noheader), and its values do not tell what they are; "
                "log it with --format=csv, or at least without nounits",
            )
        self._reader = SmiReader(guess.separator, guess.columns)
        self.format = self._reader.format
        return [s for line in lines for s in self._line(line)]


def read_telemetry(path: Path) -> TelemetryLog:
    """Reads a finished log. Raises `UserError`: `not-found`, `unreadable`, `telemetry-format`, `telemetry-columns`."""
    parser = TelemetryParser()
    log = TelemetryLog()
    try:
        with path.open("rb") as f:
            for data in iter(partial(f.read, _CHUNK_BYTES), b""):
                log.samples += parser.feed(data)
        log.samples += parser.finish()
        modified_s = path.stat().st_mtime
    except FileNotFoundError:
        raise UserError("not-found", f"no such telemetry log: {path.name}") from None
    except OSError as error:
        raise UserError("unreadable", f"cannot read {path.name}: {error.strerror}") from None
    except UserError as error:
        raise UserError(error.code, f"{path.name}: {error.message}") from None
    log.format, log.n_bad_rows, log.has_clock = parser.format, parser.n_bad_rows, parser.has_clock
    log.platform = parser.platform
    log.samples = steady(log.samples)
    if parser.time_of_day_only and log.samples:
        shift_s = _last_day_shift(log.samples[-1].t_s, modified_s)
        log.samples = [replace(s, t_s=s.t_s + shift_s) for s in log.samples]
        log.has_clock = True
    return log


def _last_day_shift(last_s: float, modified_s: float) -> float:
    """What brings times of day onto the calendar: the last row lies at or before the file's last write."""
    midnight = datetime.fromtimestamp(modified_s).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    shift_s = midnight - _DAY_S * (last_s // _DAY_S)
    return shift_s if last_s + shift_s <= modified_s + 2.0 else shift_s - _DAY_S


def _decoder(data: bytes) -> IncrementalDecoder:
    """Chosen by the first line alone, so that it does not matter how much came at once."""
    head = data[:_HEAD_BYTES].partition(b"\n")[0]
    return getincrementaldecoder(detect_encoding(head))(errors="replace")
