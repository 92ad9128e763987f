"""The folders of images that a plan trains on, as each trainer describes them, and what lies in them.

Sources: sd-scripts library/config_util.py (`N_name` folders, subsets), library/train_util.py (glob_images, read_caption);
musubi-tuner docs/dataset_config.md; ai-toolkit toolkit/data_loader.py (os.walk, hidden folders left out); diffusers
examples (instance_data_dir flat, train_data_dir an image folder with metadata.jsonl); diffusion-pipe
examples/dataset.toml; OneTrainer concepts; SimpleTuner documentation/DATALOADER.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loramon.check.images import OTHER_SUFFIXES, SUFFIXES, VIDEO_SUFFIXES, Header, read_header
from loramon.check.plan import Plan, Where, found_at
from loramon.config_files import document_of
from loramon.errors import UserError
from loramon.redact import redact
from loramon.text import sanitise

MAX_FILES = 100_000
MAX_HEADERS = 4_000
"""So many headers are read; of a larger data set the first ones speak for the rest."""


@dataclass
class Folder:
    """One folder of images. `caption_suffix`: what the trainer looks for, None where captions come from elsewhere.

    `found`: whether it is there. `nested`: images that lie deeper than this trainer looks. `other_captions`: suffix under
    which captions lie that the trainer does not look for.
    """

    name: str
    where: Where | None = None
    path: Path | None = None
    repeats: int = 1
    is_regularisation: bool = False
    caption_suffix: str | None = None
    batch_size: int | None = None
    resolution: tuple[int, int] | None = None
    n_images: int = 0
    n_videos: int = 0
    n_without_caption: int = 0
    n_nested: int = 0
    other_captions: str | None = None
    headers: list[tuple[str, Header]] = field(default_factory=list)
    parent: str | None = None

    @property
    def found(self) -> bool:
        """Whether the folder is at hand."""
        return self.path is not None

    def broken(self) -> list[tuple[str, str]]:
        """Files that are no whole images, with what is the matter."""
        return [(name, header.problem) for name, header in self.headers if header.problem is not None]

    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each image whose header was read."""
        return [(h.width, h.height) for _, h in self.headers if h.problem is None and h.width and h.height]

    def to_dict(self) -> dict[str, Any]:
        """For `check --json`."""
        return {
            "folder": redact(sanitise(self.name)), "found": self.found, "images": self.n_images, "videos": self.n_videos, "repeats": self.repeats,
            "regularisation": self.is_regularisation, "without_caption": self.n_without_caption, "broken": len(self.broken()),
        }  # fmt: skip


def folders_of(plan: Plan) -> list[Folder]:
    """The folders of a plan that are at hand, looked into; an empty list where none is named or none is at hand."""
    described = list(_described(plan))
    for folder in described:
        folder.path = found_at(plan, folder.name)
        if folder.path is not None and folder.path.is_dir():
            _look_into(folder, recursive=plan.trainer in ("ai-toolkit", "simpletuner") or (plan.trainer == "diffusers" and folder.parent == "imagefolder"))
        elif folder.path is not None:
            folder.path = None
    return described if any(f.found for f in described) else []


def _described(plan: Plan) -> Iterator[Folder]:
    trainer = plan.trainer
    if trainer == "kohya":
        yield from _kohya(plan)
    elif trainer == "musubi":
        yield from _by_dataset(plan, ("datasets.image_directory", "image_directory"))
    elif trainer == "ai-toolkit":
        yield from _by_dataset(plan, ("datasets.folder_path", "datasets.dataset_path"))
    elif trainer == "diffusers":
        for key in ("--instance_data_dir", "--train_data_dir"):
            if (said := plan.said(key)) is not None:
                yield Folder(str(said.value), said.where, parent="imagefolder" if key == "--train_data_dir" else None)
    elif trainer == "diffusion-pipe":
        yield from _listed(plan, "dataset", "path", ".txt")
    elif trainer == "onetrainer":
        yield from _listed(plan, "concept_file_name", "path", ".txt")
    elif trainer == "simpletuner":
        yield from _listed(plan, "data_backend_config", "instance_data_dir", None)


# ---------------------------------------------------------------- how trainers describe them


def _kohya(plan: Plan) -> Iterator[Folder]:
    subsets = list(plan.all_said("image_dir"))
    settings = plan.settings
    suffix = _dotted(str(settings.get("caption_extension") or ".caption"))
    batch = settings.get("batch_size", 1)
    size = _size(settings.get("resolution"))
    if subsets:
        yield from _by_subset(plan, suffix)
        return
    metadata = plan.said("--in_json")
    for key, is_reg in (("--train_data_dir", False), ("--reg_data_dir", True)):
        said = plan.said(key)
        if said is None or not isinstance(said.value, str) or not said.value:
            continue
        if metadata is not None and metadata.value not in (None, "") and not is_reg:
            yield Folder(said.value, said.where, batch_size=_int(batch), resolution=size)
            continue
        parent = found_at(plan, said.value)
        repeated = sorted(_repeat_folders(parent)) if parent is not None and parent.is_dir() else []
        if not repeated:
            yield Folder(said.value, said.where, is_regularisation=is_reg, caption_suffix=suffix, parent="parent")
        for repeats, path in repeated:
            yield Folder(str(path), said.where, repeats=repeats, is_regularisation=is_reg, caption_suffix=suffix, batch_size=_int(batch),
                         resolution=size)  # fmt: skip


def _repeat_folders(parent: Path) -> Iterator[tuple[int, Path]]:
    """`10_sks cat`: the number is the repeats (config_util.py extract_dreambooth_params)."""
    try:
        for entry in parent.iterdir():
            match = re.match(r"(\d+)(?:_|$)", entry.name)
            if match is not None and entry.is_dir() and int(match[1]) > 0:
                yield int(match[1]), entry
    except OSError:
        return


def _by_subset(plan: Plan, suffix: str) -> Iterator[Folder]:
    """Subsets of a dataset_config: what the subset says, else its dataset, else [general], else the command line."""
    for path, document in plan.documents.items():
        for entry in document.entries:
            if entry.path[-1:] != ("image_dir",) or not isinstance(entry.value, str):
                continue
            above = [entry.path[:-1], entry.path[:-3], ("general",)]

            def told(key: str, above: list[Any] = above, document: Any = document) -> object:
                for place in above:
                    found = document.find(*place, key)
                    if found is not None:
                        return found.value
                said = plan.said(f"--{key}")
                return said.value if said is not None else None

            batch = told("batch_size") or plan.settings.get("batch_size")
            line = document.line_of(entry)
            where = Where(path.name, line, redact(sanitise(f"image_dir = {entry.value}", 240)))
            yield Folder(
                entry.value, where, repeats=_int(told("num_repeats")) or 1, is_regularisation=told("is_reg") in (True, "true"),
                caption_suffix=None if told("metadata_file") else _dotted(str(told("caption_extension") or suffix)),
                batch_size=_int(batch), resolution=_size(told("resolution")),
            )  # fmt: skip


def _by_dataset(plan: Plan, keys: tuple[str, ...]) -> Iterator[Folder]:
    for said in plan.all_said(*keys):
        if not isinstance(said.value, str):
            continue

        def told(key: str, dataset: int | None = said.dataset) -> object:
            return next((s.value for s in plan.stated if s.dataset in (dataset, None) and s.key.rpartition(".")[2] == key and s.value is not None), None)

        suffix = told("caption_ext") or told("caption_extension")
        yield Folder(
            said.value, said.where, repeats=_int(told("num_repeats")) or 1, caption_suffix=_dotted(str(suffix or ".txt")),
            batch_size=_int(told("batch_size")), resolution=_size(told("resolution")),
        )  # fmt: skip


def _listed(plan: Plan, key: str, path_key: str, suffix: str | None) -> Iterator[Folder]:
    """Folders in a list that lies in a file of its own."""
    said = plan.said(key)
    path = found_at(plan, said.value) if said is not None and isinstance(said.value, str) else None
    if path is None:
        return
    try:
        document = document_of(path)
    except UserError:
        return
    for entry in document.entries:
        if entry.path[-1:] == (path_key,) and isinstance(entry.value, str) and entry.value:
            repeats = document.find(*entry.path[:-1], "num_repeats") or document.find(*entry.path[:-1], "repeats")
            where = Where(path.name, document.line_of(entry), redact(sanitise(f"{path_key}: {entry.value}", 240)))
            yield Folder(entry.value, where, repeats=_int(repeats.value if repeats else None) or 1, caption_suffix=suffix)


def _dotted(suffix: str) -> str:
    return suffix if suffix.startswith(".") else f".{suffix}"


def _int(value: object) -> int | None:
    try:
        return int(float(str(value)))
    except (TypeError, ValueError, OverflowError):
        return None


def _size(value: object) -> tuple[int, int] | None:
    if isinstance(value, (list, tuple)):
        numbers = [n for v in value if (n := _int(v)) is not None]
        if len(numbers) == 2 and len(value) == 2:
            return numbers[0], numbers[1]
        return (max(numbers), max(numbers)) if numbers else None
    parts = re.findall(r"\d+", str(value or ""))
    if not parts:
        return None
    return int(parts[0]), int(parts[1] if len(parts) > 1 else parts[0])


# ---------------------------------------------------------------- what lies in them


def _look_into(folder: Folder, recursive: bool) -> None:
    assert folder.path is not None
    names: list[Path] = []
    captions: set[str] = set()
    others: dict[str, set[str]] = {}
    for i, (path, deep) in enumerate(_files(folder.path)):
        if i >= MAX_FILES:
            break
        suffix = path.suffix.lower()
        is_image = suffix in SUFFIXES or suffix in OTHER_SUFFIXES
        if deep and not recursive:
            folder.n_nested += is_image
            continue
        if is_image:
            names.append(path)
        elif suffix in VIDEO_SUFFIXES:
            folder.n_videos += 1
        elif folder.caption_suffix is not None and path.name.endswith(folder.caption_suffix):
            captions.add(str(path)[: -len(folder.caption_suffix)])
        elif suffix in (".txt", ".caption", ".cap"):
            others.setdefault(suffix, set()).add(str(path.with_suffix("")))
    folder.n_images = len(names)
    folder.headers = [(path.name, read_header(path)) for path in sorted(names)[:MAX_HEADERS]]
    if folder.caption_suffix is not None and not (folder.path / "metadata.jsonl").exists():
        bare = [str(path.with_suffix("")) for path in names]
        missing = [b for b in bare if b not in captions]
        folder.n_without_caption = len(missing)
        folder.other_captions = next((suffix for suffix, have in others.items() if missing and sum(m in have for m in missing) * 2 > len(missing)), None)


def _files(root: Path) -> Iterator[tuple[Path, bool]]:
    """Files below a folder, and whether they lie deeper; hidden folders and the trainers' caches are left out."""
    for where, folders, files in os.walk(root):
        folders[:] = sorted(d for d in folders if not d.startswith((".", "_")))
        deep = Path(where) != root
        for name in files:
            if not name.startswith("."):
                yield Path(where) / name, deep
