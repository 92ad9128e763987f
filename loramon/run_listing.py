"""What belongs together to one run, as `diagnose --json` and the reports show it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from loramon.run_saves import Saves
from loramon.sources.discover import Source
from loramon.text import sanitise

MAX_LISTED = 50


def listing(source: Source | None, saves: Saves) -> dict[str, Any]:
    """Files of the run with paths below its folder, its saves, its samples, and the runs beside it."""
    logs, events, configs, samples = (source.logs, source.events, source.configs, source.samples) if source is not None else ([], [], [], [])
    root = source.root if source is not None else None

    def short(path: Path) -> str:
        return sanitise(str(path.relative_to(root) if root is not None and path.is_relative_to(root) else path), 300)

    newest = samples[-1] if samples else None
    others = source.others if source is not None else []
    return {
        "folder": sanitise(str(root), 300) if root is not None else None,
        "logs": [short(p) for p in logs], "events": [short(p) for p in events[:MAX_LISTED]], "configs": [short(p) for p in configs[:MAX_LISTED]],
        "histories": [short(p) for p in source.histories] if source is not None else [],
        "saves": saves.to_dicts()[-MAX_LISTED:], "n_saves": len(saves.placed),
        "last_good_save": None if saves.last_good is None else {**saves.to_dict(saves.last_good), "sound": saves.is_checked or None},
        "n_samples": len(samples), "newest_sample": short(newest) if newest is not None else None,
        "other_runs": [{"path": _below(o.path, root), "written": _iso(o.newest_s)} for o in others[:MAX_LISTED]], "n_other_runs": len(others),
    }  # fmt: skip


def _below(path: Path, root: Path | None) -> str:
    """A run beside the one that is read, by its own name where both lie in one folder."""
    return sanitise(path.name if root is not None and path.parent == root.parent else str(path), 300)


def _iso(wall_s: float) -> str | None:
    return datetime.fromtimestamp(wall_s).astimezone().isoformat(timespec="seconds") if wall_s else None
