"""Live sessions on what the user named: paths, standard input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loramon.clock import Clock
from loramon.feeds import Feed, StdinFeed
from loramon.i18n import Language
from loramon.live import LiveSession
from loramon.parsers.taught import Taught
from loramon.path_feed import PathFeed
from loramon.sources.run_processes import writers_of
from loramon.telemetry import TelemetryFeed, live_telemetry


def watch_session(paths: Sequence[str], clock: Clock, lang: Language = "en", formats: tuple[Taught, ...] = (), telemetry: bool = False) -> LiveSession:
    """A session on files, event folders and run folders of one training, and `-` for standard input.

    What is not there yet is waited for. Logs come before folders, since a log says where runs begin. `telemetry`: with
    what this machine's GPUs and the host tell beside it. Raises OSError where standard input cannot be kept in a file.
    """
    feeds: list[Feed] = []
    for path in sorted(dict.fromkeys(paths), key=lambda path: path != "-" and Path(path).is_dir()):
        if path == "-":
            from loramon.sources.stdin import StdinSpool

            feeds.append(StdinFeed(StdinSpool(clock=clock), clock))
        else:
            feeds.append(PathFeed(path, clock))
    name = paths[0] if len(paths) == 1 else f"{paths[0]} +{len(paths) - 1}"
    if telemetry:
        feeds.append(telemetry_beside(feeds, clock))
    return LiveSession(feeds, clock, name, lang, formats=formats)


def telemetry_beside(feeds: Sequence[Feed], clock: Clock) -> TelemetryFeed:
    """What this machine tells of the run whose files these feeds follow. Its processes are those that write to what is
    watched: its files, or the pipe that we read."""
    watched = list(feeds)

    def files() -> list[Path]:
        return [path for feed in watched for path in (feed.files() if isinstance(feed, PathFeed) else [Path("/proc/self/fd/0")])]

    first = next((feed.name for feed in watched if isinstance(feed, PathFeed)), None)
    folder = Path.cwd() if first is None else Path(first) if Path(first).is_dir() else Path(first).absolute().parent
    return live_telemetry(clock, lambda: writers_of(files()), folder)
