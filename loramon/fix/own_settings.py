"""Where a run's own settings are written: its command line, as the job or the log has it, and its configuration files.

A file that lies beside a run may be another run's: it counts only where it says nothing else than the run itself did.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from loramon.command_settings import trainer_of_command
from loramon.config_files import SUFFIXES, read_config
from loramon.parsers.command import words_of
from loramon.run import Run
from loramon.settings_shown import same_setting
from loramon.sources.discover import Source
from loramon.text import sanitise

_MAX_LINE_BYTES = 1 << 16
_MAX_FILES = 200
_DEPTH = 3
_COPIES = ("hparams.yml", "adapter_config.json", "trainer_state.json", "args.json", "training_args.json", "training_args.yaml")
"""What a trainer writes for others to read, and never reads itself."""
_TELLING = ("rank", "alpha", "learning_rate", "unet_lr", "batch_size", "max_steps", "max_epochs", "optimizer", "seed")


def command_of(run: Run, source: Source) -> list[str] | None:
    """The command that started the run, or None: from the job folder that `loramon run` keeps, else from the log."""
    for log in source.logs:
        about = log.parent / "run.json"
        try:
            found = json.loads(about.read_text(encoding="utf-8")) if about.stat().st_size < _MAX_LINE_BYTES else {}
        except (OSError, ValueError):
            continue
        words = found.get("command") if isinstance(found, dict) else None
        if isinstance(words, list) and trainer_of_command([str(w) for w in words]) is not None:
            return [str(w) for w in words]
    places = {s.place for seen in run.settings_seen.values() for s in seen.values() if s.origin == "command" and s.place is not None}
    for place in sorted(places, key=lambda p: p.offset):
        words = words_of(_line_at(source, place.source, place.offset))
        if trainer_of_command(words) is not None:
            return words
    return None


def _line_at(source: Source, name: str, offset: int) -> str:
    path = next((log for log in source.logs if name in (str(log), source.name)), source.logs[0] if source.logs else Path(name))
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return sanitise(file.readline(_MAX_LINE_BYTES), _MAX_LINE_BYTES)
    except OSError:
        return ""


def configs_of(run: Run, folder: Path) -> list[Path]:
    """Configuration files and scripts in the run's folder that may be its own, those that a person wrote first."""
    found = []
    for path in _files(folder):
        config = read_config(path, run.trainer)
        if config.problem is None and config.settings and config.trainer in (run.trainer, None) and _agrees(run, config.settings):
            found.append((config.origin != "config", len(path.parts), -_mtime(path), path))
    return [path for *_, path in sorted(found)]


def _files(folder: Path) -> Iterator[Path]:
    n = 0
    for where, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(d for d in folders if not d.startswith("."))
        if len(Path(where).parts) - len(folder.parts) >= _DEPTH:
            folders.clear()
        for name in sorted(names):
            path = Path(where) / name
            if name.lower().endswith(SUFFIXES) and name not in _COPIES and path.is_file():
                n += 1
                if n > _MAX_FILES:
                    return
                yield path


def _agrees(run: Run, settings: Mapping[str, object]) -> bool:
    for name in _TELLING:
        known, said = run.setting(name), settings.get(name)
        if known is not None and said is not None and not same_setting(name, known, said):
            return False
    return True


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
