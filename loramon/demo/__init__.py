"""The bundled recording of a real training that goes wrong, as a live session that plays it."""

from __future__ import annotations

import json
from pathlib import Path

from loramon.clock import Clock
from loramon.feeds import RecordingFeed
from loramon.i18n import Language, message
from loramon.live import LiveSession
from loramon.recording.player import arrivals, play

HOME = Path(__file__).parent
NAME = "demo"
LOG_NAME = "stdout.log"


def demo_session(clock: Clock, lang: Language, speed: float) -> LiveSession:
    """Plays the recording at `speed` times its own pace, from the first `pump` on. Raises ValueError where speed is not positive."""
    if not speed > 0:
        raise ValueError("a recording plays forward: its speed is above 0")
    session = LiveSession([demo_feed(clock, speed)], clock, NAME, lang, is_recording=True)
    session.recording_note = message("demo.note", lang)
    return session


def demo_feed(clock: Clock, speed: float) -> RecordingFeed:
    """The recording as a feed. Sources are named as within the recording, whatever folder it lies in."""
    about = json.loads((HOME / "recording.json").read_text(encoding="utf-8"))
    log, artifacts = HOME / LOG_NAME, HOME / "artifacts"
    names = {log: LOG_NAME} | {file: file.relative_to(artifacts).as_posix() for file in artifacts.rglob("events.out.tfevents.*")}
    moments = (
        (chunk, None if folder is None else Path(folder).relative_to(artifacts).as_posix())
        for chunk, folder in play(arrivals(HOME / "timing.jsonl", log, artifacts), names)
    )
    return RecordingFeed(NAME, moments, clock, speed, {LOG_NAME: log}, float(about["started_s"]))
