"""`diagnose`: one path in, one diagnosis out, through the same engine that watches live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loramon.clock import Clock, SystemClock
from loramon.diagnosis import Diagnosis
from loramon.engine import Engine
from loramon.errors import UserError
from loramon.events import Chunk
from loramon.excerpt import Excerpts
from loramon.i18n import Language
from loramon.parsers.taught import Taught
from loramon.recording.diagnosed import diagnose_recording, is_recording
from loramon.run import Run
from loramon.run_files import read_configs
from loramon.run_histories import job_of_folder, take_histories
from loramon.run_saves import Saves
from loramon.samples import GpuSample
from loramon.sources.aitk import job_above
from loramon.sources.discover import Source, discover
from loramon.speed import fresh_for_s, seconds_per_step
from loramon.weighing import weigh
from loramon.weights import PEFT_CONFIG, look_into_newest, read_saved_settings, read_weights

CHUNK_BYTES = 1 << 19
WRITTEN_WITHIN_S = 60.0
HALF_A_SECOND_S = 0.5  # a bar tells whole seconds, rounded down


def diagnose(path: str | Path, telemetry: str | Path | None = None, lang: Language = "en", name: str | None = None,
             clock: Clock | None = None, run_config: str | Path | None = None, formats: tuple[Taught, ...] = ()) -> Diagnosis:  # fmt: skip
    """Reads a log, event file, event folder, run folder or recording at once and says what went wrong and what to do.

    `telemetry`: a telemetry log of the same time. `name`: what the diagnosis calls the source. `formats`: what the user taught. Raises UserError
    for what cannot be read.
    """
    if telemetry is None and run_config is None and is_recording(Path(path)):
        return diagnose_recording(Path(path), str(path) if name is None else name, lang, formats, (clock or SystemClock()).now_s())
    source = _found(Path(path), str(path) if name is None else name)
    engine = Engine(formats=formats)
    if telemetry is not None:
        from loramon.sources.telemetry_log import read_telemetry

        log = read_telemetry(Path(telemetry))
        engine.feed_gpu(log.samples, log.has_clock, log.platform)
        written = last_write(source, formats, log.samples) if log.has_clock and log.samples else None
        if written is not None:
            engine.was_written(*written)
    weights = read_weights(engine.run, source.weights, source.name) if source.weights is not None else None
    read(engine, source)
    job = take_histories(engine, source.histories, source.name, not source.logs and not source.events and source.root is None)
    if source.root is not None and engine.run.trainer in (None, "ai-toolkit"):
        job = job_of_folder(engine, source.root) or job
    _refuse_empty_events(engine, source)
    if source.weights is not None and (beside := source.weights.with_name(PEFT_CONFIG)).is_file():
        source.configs.append(beside)
    if run_config is not None:
        source.configs.append(Path(run_config))
    read_configs(engine.run, source.configs)
    now = (clock or SystemClock()).now_s()
    diagnosis = conclude(engine, source, lang, now)
    diagnosis.job = job
    if weights is not None:
        diagnosis.weights, diagnosis.cannot_tell = weights, []
    return diagnosis


def _found(path: Path, name: str) -> Source:
    """The source at the path; the folder of a job that has not begun, where a queue knows it. Raises UserError."""
    try:
        return discover(path, name)
    except UserError as error:
        if error.code not in ("no-log", "not-found") or job_above(path) is None:
            raise
        return Source(name, root=path)


def read(engine: Engine, source: Source) -> None:
    """Feeds all files of a source: the log first, since it says where runs begin, then the events of the newest run."""
    for log in source.logs:
        for chunk in chunks(log, source.name if len(source.logs) == 1 else str(log), source.name):
            engine.feed(chunk)
        if len(source.logs) == 1:
            engine.finish(source.name)
        else:
            engine.finish(str(log))
    for file in source.events:
        folder = str(source.events_folder or file.parent)
        for chunk in chunks(file, str(file), source.name):
            engine.feed(chunk, events_of=folder)
    engine.finish()


def last_write(source: Source, formats: tuple[Taught, ...], samples: Sequence[GpuSample]) -> tuple[int, float] | None:
    """(number of launches, what the last one's times are added to for Unix time), by when the log was last written to.

    None where a clock in the log tells it better, and where that moment lies outside the telemetry: a copied file's does.
    """
    if len(source.logs) != 1:
        return None
    scout = Engine(formats=formats)
    read(scout, source)
    run = scout.run
    modified_s = source.logs[0].stat().st_mtime
    if not run.tick_t_s.n or not samples[0].t_s - WRITTEN_WITHIN_S <= modified_s <= samples[-1].t_s + WRITTEN_WITHIN_S:
        return None
    return len(scout.session.runs), modified_s - float(run.tick_t_s.view[-1]) - HALF_A_SECOND_S


def _refuse_empty_events(engine: Engine, source: Source) -> None:
    """Event files in which nothing could be read are unreadable, not healthy."""
    files = [f for lane in engine.events.values() for f in lane.files.values()]
    if not source.events or source.logs or any(lane.tags for lane in engine.events.values()) or any(f.offset and not f.n_corrupt for f in files):
        return
    if any(f.n_corrupt for f in files):
        raise UserError("corrupt", f"{source.name}: a damaged event file; nothing in it could be read")
    raise UserError("empty", f"{source.name}: no event yet; has the training written its first step?")


def chunks(path: Path, name: str, shown: str) -> Iterator[Chunk]:
    """The bytes of a file from its beginning. Raises UserError where it cannot be read."""
    try:
        with path.open("rb", buffering=0) as file:
            offset = 0
            while data := file.read(CHUNK_BYTES):
                yield Chunk(name, offset, data)
                offset += len(data)
    except PermissionError:
        raise UserError("unreadable", f"{shown}: permission denied; check the rights of the file") from None
    except OSError as error:
        raise UserError("unreadable", f"{shown}: {error.strerror or error}") from None


def conclude(engine: Engine, source: Source, lang: Language, now_s: float | None) -> Diagnosis:
    """Today's opinion on what was read at once."""
    files = {source.name if len(source.logs) == 1 else str(p): p for p in source.logs}
    fresh = now_s is not None and is_fresh(engine.run, source, now_s)
    saves = Saves(source.saves, source.root, looks_into=True)
    if source.weights is None and (newest := saves.newest_weights()) is not None:
        read_saved_settings(engine.run, newest)
        look_into_newest(engine.run, newest)
    diagnosis = weigh(engine, source.name, lang, Excerpts(files), fresh, bool(source.logs), saves)
    diagnosis.files = source
    return diagnosis


def is_fresh(run: Run, source: Source, now_s: float) -> bool:
    """Written to within ten of its own steps (at least 30 s), so that it may still be running."""
    if run.is_blank:
        return False
    newest = max((p.stat().st_mtime for p in (*source.logs, *source.events) if p.exists()), default=0.0)
    pace, _ = seconds_per_step(run.tick_step.view, run.tick_t_s.view)
    return now_s - newest < fresh_for_s(pace)
