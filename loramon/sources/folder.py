"""What lies in a folder: its logs, event files, configurations, saves and samples, and which of its sub-folders are runs.

A run's own folders (`logs`, `samples`, `checkpoint-500`, caches) are parts of it. Where several sub-folders hold a log or
events of their own they are several runs, of which the newest counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from loramon.sources.saves import Save, is_cache, is_weights, save_folder, save_of_file, save_of_folder

MAX_DEPTH = 8
MAX_FILES = 20_000
MAX_SAVES = 500
MAX_LOGS = 200
"""So many files are looked into for what a training prints."""
EVENTS = re.compile(r"events\.out\.tfevents\.(\d+)")
_HPARAMS_FOLDER = re.compile(r"\d{9,}\.\d+")
_TIME_FOLDER = re.compile(r"[\d._:TZ-]{8,}|[A-Z][a-z]{2}\d\d_[\d-]+_.+")
"""A launch's own event folder (sd-scripts, TensorBoard's default): launches of one run lie beside each other."""
_LOG_NAME = re.compile(r"(?:.*\.(?:log|out|err|txt)|nohup\.out|.*\.[oe]\d*|output\.log|slurm-.*)$", re.I)
_NO_LOG = re.compile(r"(?:LISTING|README|requirements.*|caption.*|prompt.*|LICENSE.*|.*metadata.*|merges|vocab.*|special_tokens.*)\.(?:txt|md)$", re.I)
_CONFIG = re.compile(
    r"hparams\.yml|adapter_config\.json|trainer_state\.json|simpletuner_config\.json|training_args\.(?:yaml|json)|config\.ya?ml|config_lora-\d+-\d+\.toml"
    r"|\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.json"
)
"""Files that a trainer, its front end or its logger writes beside a run; what they say is weighed by their own keys."""
_CONFIG_NEAR = re.compile(r"[\w.-]+\.(?:ya?ml|toml)|[\w-]*config[\w-]*\.json", re.I)
NEAR_DEPTH = 1
"""A configuration under a name of the user's own counts at the top of the run's folder, or one below."""
_HISTORY = re.compile(r"loss_log\.db|run-[\w-]+\.wandb|wandb-summary\.json")
_WANDB = re.compile(r"wandb|(?:offline-)?run-\d{8}_\d{6}-\w+")
_IMAGE = re.compile(r".+\.(?:png|jpe?g|webp|gif|mp4)", re.I)
_SAMPLES = re.compile(r"samples?|validation(?:_\w+)?|sample_images|images", re.I)
_FIRST = ("stdout", "nohup", "train", "output", "console", "slurm", "run", "log")
_PARTS = re.compile(
    r"(?:\w+[-_])?(?:logs?|logging)|tensorboard|tb|wandb|runs?|events?|debug|outputs?|out|configs?|workspace|models?|save|backup|samples?|artifacts|checkpoints?"
    r"|network_train|lightning_logs|files|\.\w+", re.I)  # fmt: skip
"""Names of folders that are parts of a run. A folder of another name with a log or events of its own is a run."""


@dataclass(slots=True)
class Found:
    """What is below a folder. `logs`: by how likely they are the training's, best first; the rest oldest first."""

    root: Path
    logs: list[Path] = field(default_factory=list)
    events: dict[Path, list[Path]] = field(default_factory=dict)
    configs: list[Path] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    samples: list[Path] = field(default_factory=list)
    histories: list[Path] = field(default_factory=list)

    def within(self, root: Path) -> Found:
        """Only what lies below `root`."""
        def below(path: Path) -> bool:
            return path.is_relative_to(root)

        return Found(
            root, [p for p in self.logs if below(p)], {f: e for f, e in self.events.items() if below(f)},
            [p for p in self.configs if below(p)], [s for s in self.saves if below(s.path)], [p for p in self.samples if below(p)],
            [p for p in self.histories if below(p)],
        )  # fmt: skip


def walk(path: Path) -> Found:
    """All that is of use below `path`; links to folders are not followed. Raises OSError for `path` itself only."""
    found = Found(path)
    logs: list[tuple[int, int, float, Path]] = []
    saved: dict[Path, list[Path]] = {}
    n_files = 0
    depth_of_root = len(path.parts)
    for folder, folders, files in os.walk(path, onerror=_raise_for(path), followlinks=False):
        here = Path(folder)
        depth = len(here.parts) - depth_of_root
        if depth >= MAX_DEPTH:
            folders.clear()
        folders.sort()
        save = _save_above(here, path)
        for file in sorted(files):
            n_files += 1
            if n_files > MAX_FILES:
                break
            full = here / file
            if not full.is_file():
                continue  # opening a FIFO would wait for ever
            if save is not None:
                saved.setdefault(save, []).append(full)
            if EVENTS.search(file):
                if not _HPARAMS_FOLDER.fullmatch(here.name):
                    found.events.setdefault(here, []).append(full)
            elif _CONFIG.fullmatch(file):
                found.configs.append(full)
            elif _HISTORY.fullmatch(file):
                found.histories.append(full)
            elif depth <= NEAR_DEPTH and save is None and _CONFIG_NEAR.fullmatch(file):
                found.configs.append(full)
            elif file != "output.log" and any(_WANDB.fullmatch(part) for part in here.parts):
                continue  # what wandb keeps of itself
            elif save is not None or is_cache(here.name):
                continue
            elif is_weights(file):
                if len(found.saves) < MAX_SAVES and (one := save_of_file(full)) is not None:
                    found.saves.append(one)
            elif _IMAGE.fullmatch(file):
                if any(_SAMPLES.fullmatch(part) for part in here.parts[depth_of_root:]):
                    found.samples.append(full)
            elif _LOG_NAME.match(file) and not _NO_LOG.match(file) and not full.is_symlink():
                rank = next((i for i, word in enumerate(_FIRST) if file.lower().startswith(word)), len(_FIRST))
                logs.append((depth, rank, -mtime(full), full))
    found.logs = [log for *_, log in sorted(logs)]
    found.saves += [s for folder, inside in saved.items() if (s := save_of_folder(folder, inside)) is not None][:MAX_SAVES]
    found.samples.sort(key=lambda p: (mtime(p), str(p)))
    found.saves.sort(key=lambda s: (s.saved_s, s.step or 0, str(s.path)))
    found.configs = _in_force(found, saved)
    found.histories.sort(key=lambda p: (-mtime(p), str(p)))
    found.histories += [c for c in found.configs if c.name == "trainer_state.json"][-1:]
    return found


def _save_above(folder: Path, root: Path) -> Path | None:
    """The save that this folder is, or lies in."""
    while folder != root:
        if save_folder(folder.name) is not None:
            return folder
        folder = folder.parent
    return None


def _in_force(found: Found, saved: dict[Path, list[Path]]) -> list[Path]:
    """The configurations, oldest first; of those that every save repeats only the newest save's."""
    inside = {file: save for save, files in saved.items() for file in files}
    newest = next((s.path for s in reversed(found.saves) if s.path in saved), None)
    kept = [c for c in found.configs if c not in inside or inside[c] == newest]
    return sorted(kept, key=lambda c: (c not in inside, mtime(c), str(c)))


def _raise_for(root: Path) -> Callable[[OSError], None]:
    """Raises what happens at the named folder itself; one below it that cannot be read is passed over."""

    def told(error: OSError) -> None:
        if error.filename is not None and os.fspath(error.filename) == os.fspath(root):
            raise error

    return told


# ---------------------------------------------------------------- several runs


@dataclass(frozen=True, slots=True)
class RunHere:
    """A sub-folder that is a run of its own. `newest_s`: Unix time at which it was last written to."""

    path: Path
    newest_s: float


def runs_of(found: Found, is_log: Callable[[Path], bool]) -> list[RunHere]:
    """The runs in a folder, newest first; empty where it is one run itself. `is_log`: looks like a training's output."""
    root, known = found.root, cache(is_log)
    while True:
        if root in found.events or any(log.parent == root and known(log) for log in found.logs):
            return []
        logs = [log for log in found.logs[:MAX_LOGS] if known(log)]
        children: dict[Path, float] = {}
        for path, newest_s in _dated(logs, found.events, root):
            child = root / path.relative_to(root).parts[0]
            children[child] = max(newest_s, children.get(child, newest_s))
        own = [child for child in children if not _PARTS.fullmatch(child.name) and not _TIME_FOLDER.fullmatch(child.name)]
        if len(own) > 1:
            return sorted((RunHere(child, children[child]) for child in own), key=lambda run: (run.newest_s, str(run.path)), reverse=True)
        if len(children) != 1:
            return []
        root = next(iter(children))  # all of it lies one folder deeper


def _dated(logs: list[Path], events: dict[Path, list[Path]], root: Path) -> list[tuple[Path, float]]:
    """Logs and event folders below `root` with their age: when they were last written to, or where there are only
    events, when they were begun, which their names tell also of copies."""
    below = [(log, mtime(log)) for log in logs if log.is_relative_to(root)]
    age = mtime if below else stamp
    return below + [(folder, float(max(age(f) for f in files))) for folder, files in events.items() if folder.is_relative_to(root)]


def mtime(path: Path) -> float:
    """Unix time of the last change, 0 where it cannot be told."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def stamp(path: Path) -> int:
    """Unix time in an event file's name, at which it was begun."""
    match = EVENTS.search(path.name)
    return int(match[1]) if match else 0
