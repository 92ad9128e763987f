"""Why a recording stops itself, as an event that goes the way of all others: into the recording, the engine and the replay."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from loramon.events import SourceEvent
from loramon.recording.store import MIN_FREE_BYTES, Store

RECORDING = "recording"
"""What is called the source of such an event."""


def stopped_event(store: Store, outputs: Iterable[Path], saves: Path | None) -> SourceEvent:
    """The recording's last event. `detail`: why, and what of the training lies on the same disk: `output`, `saves`.

    `n_bytes`: what is left on that disk, None where a write failed though there is room by its figures (a quota).
    """
    words: list[str] = [store.wish or store.stopped]
    if any(_same_disk(path, store.path.parent) for path in outputs):
        words.append("output")
    if saves is not None and _same_disk(saves, store.path.parent):
        words.append("saves")
    free = store.free_bytes
    return SourceEvent(RECORDING, "stopped", " ".join(words), free if free is not None and free < MIN_FREE_BYTES else None)


def _same_disk(path: Path, folder: Path) -> bool:
    """A folder that is still to be made lies where the nearest one above it does; of what cannot be looked at nothing is said."""
    try:
        there = next((p for p in (path, *path.parents) if p.exists()), path)
        return os.stat(there).st_dev == os.stat(folder).st_dev
    except OSError:
        return False
