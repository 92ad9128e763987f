"""The diagnosis of a recording: its bytes, readings and process events through the engine, as they came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loramon.i18n import Language
from loramon.parsers.taught import Taught

if TYPE_CHECKING:
    from loramon.diagnosis import Diagnosis


def is_recording(path: Path) -> bool:
    """A recording of ours, a portable one, or the folder of one, or of a job that has ended."""
    try:
        if path.is_dir():
            return (path / "recording.db").is_file() or all((path / name).is_file() for name in ("run.json", "status.json", "output.log"))
        if not path.is_file():
            return False
        if path.suffix == ".lmrec":
            return True
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                return False
    except OSError:
        return False
    from loramon.recording.reader import open_meta

    return open_meta(path) is not None


def diagnose_recording(path: Path, name: str, lang: Language, formats: tuple[Taught, ...], now_s: float) -> Diagnosis:
    """Raises UserError where it cannot be read."""
    from loramon.recording.footage import footage_of
    from loramon.recording.log_then import PastExcerpts
    from loramon.recording.past_reader import PastReader
    from loramon.run_files import name_the_family
    from loramon.speed import FRESH_S
    from loramon.weighing import weigh

    footage = footage_of(path, name)
    try:
        reader = PastReader(footage, formats)
        while reader.step():
            pass
        past = reader.past
        assert past is not None
        name_the_family(reader.engine.run)
        fresh = past.ending_known is None and past.is_timed and now_s - ((past.started_s or 0.0) + past.end) < FRESH_S
        is_log = any(growth.folder is None for growth in past.growth.values())
        return weigh(reader.engine, name, lang, PastExcerpts(past), fresh, is_log)
    finally:
        footage.close()
