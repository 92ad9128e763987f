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


def watch_session(paths: Sequence[str], clock: Clock, lang: Language = "en", formats: tuple[Taught, ...] = ()) -> LiveSession:
    """A session on files, event folders and run folders of one training, and `-` for standard input.

    What is not there yet is waited for. Logs come before folders, since a log says where runs begin. Raises OSError
    where standard input cannot be kept in a file.
    """
    feeds: list[Feed] = []
    for path in sorted(dict.fromkeys(paths), key=lambda path: path != "-" and Path(path).is_dir()):
        if path == "-":
            from loramon.sources.stdin import StdinSpool

            feeds.append(StdinFeed(StdinSpool(clock=clock), clock))
        else:
            feeds.append(PathFeed(path, clock))
    name = paths[0] if len(paths) == 1 else f"{paths[0]} +{len(paths) - 1}"
    return LiveSession(feeds, clock, name, lang, formats=formats)
