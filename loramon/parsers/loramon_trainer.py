"""The bundled trainer (loramon/trainer/signals.py): a line for each step, and `trainer KIND: key=value … words` for all else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Fact, Payload, Phase, PhaseSeen, Place, Progress, SampleImage, Setting
from loramon.parsers.base import Make, Profile, Tag, launch, number, rule, whole
from loramon.parsers.points import Point

_NUMBER = r"([-+]?(?:[\d.]+(?:e[-+]?\d+)?|nan|inf))"
_STEP = re.compile(
    rf"step (\d+)/(\d+) loss {_NUMBER} average {_NUMBER} lr {_NUMBER} grad_norm {_NUMBER} [\d.]+ s "
    r"\(data .*\) epoch (\d+)/(\d+) elapsed (\d+):(\d\d):(\d\d\.\d+) left "
)
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')
_NUMBERS = {"rank", "alpha", "learning_rate", "warmup_steps", "batch_size", "accumulation", "seed", "resolution", "images", "max_grad_norm"}
_NAMES = {"model": "base_model", "name": "optimizer", "scheduler": "lr_scheduler", "warmup_steps": "lr_warmup_steps", "images": "num_images",
          "accumulation": "gradient_accumulation_steps", "text_encoder": "train_text_encoder", "folder": "data_folder"}  # fmt: skip
_SETTINGS = {
    "loading": ("model",),
    "start": ("architecture", "prediction_type"),
    "lora": ("rank", "alpha", "text_encoder"),
    "data": ("folder", "images", "resolution"),
    "optimizer": ("name", "learning_rate", "scheduler", "warmup_steps", "mixed_precision", "max_grad_norm", "gradient_checkpointing"),
    "steps": ("batch_size", "accumulation", "seed"),
}  # fmt: skip


def trainer_point(message: str) -> Point | None:
    """The figures of a step's line; None for any other line."""
    match = _STEP.match(message) if message.startswith("step ") else None
    if match is None:
        return None
    values = {tag: number(text) for tag, text in zip(("loss", "loss_mean", "lr", "grad_norm"), match.groups()[2:6], strict=True)}
    return Point(
        int(match[1]), {tag: value for tag, value in values.items() if value is not None}, total=int(match[2]),
        epoch=float(match[7]), total_epochs=float(match[8]), elapsed_s=int(match[9]) * 3600 + int(match[10]) * 60 + float(match[11]),
    )  # fmt: skip


def _fields(text: str) -> dict[str, str]:
    """`key=value` of a line; values with blanks are written as JSON."""
    return {m[1]: str(json.loads(m[2])) if m[2].startswith('"') else m[2] for m in _FIELD.finditer(text)}


def _settings(kind: str, *more: Payload) -> Make:
    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        fields = _fields(match[1])
        for key in _SETTINGS[kind]:
            raw = fields.get(key)
            if raw is None:
                continue
            value: object = {"True": True, "False": False}.get(raw, raw)
            if key in _NUMBERS and (figure := number(raw)) is not None:
                value = int(figure) if figure == figure and figure.is_integer() and key != "learning_rate" else figure
            yield Setting(_NAMES.get(key, key), value, "log", place)
        if kind == "loading":
            yield from launch(match, place)
            yield PhaseSeen("load", place)
        elif kind == "start":
            yield Setting("network_type", "lora", "log", place)
            yield Fact("device", fields.get("device"), place)
        elif kind == "steps":
            yield Progress(total_steps=whole(fields.get("total", "")), phase="train")

    return make


def _phase(phase: Phase) -> Make:
    return lambda match, place: (PhaseSeen(phase, place),)


def _saved(match: re.Match[str], place: Place) -> Iterable[Payload]:
    fields = _fields(match[1])
    return (Checkpoint(fields.get("path", ""), place, whole(fields.get("step", ""))), PhaseSeen("save", place))


def _sample(match: re.Match[str], place: Place) -> Iterable[Payload]:
    fields = _fields(match[1])
    return (SampleImage(place, whole(fields.get("step", "")), fields.get("path")), PhaseSeen("sample", place))


def _ended(match: re.Match[str], place: Place) -> Iterable[Payload]:
    if match[1] == "done":
        return (End("completed", place, match.string),)
    if match[1] == "interrupted":
        return (End("interrupted", place, match.string),)
    return (Fact("exit_code", 1, place), End("exited", place, match.string, 1))


W = "loramon/trainer"
LORAMON = Profile(
    name="loramon",
    rules=(
        rule("trainer loading: ", r"trainer loading: (.*)", _settings("loading"), f"{W}/job.py Job", "loramon"),
        rule("trainer caching: ", r"trainer caching: ", _phase("cache"), f"{W}/job.py Job", "loramon"),
        rule("trainer start: ", r"trainer start: (.*)", _settings("start"), f"{W}/__main__.py train", "loramon"),
        rule("trainer lora: ", r"trainer lora: (.*)", _settings("lora"), f"{W}/__main__.py train"),
        rule("trainer data: ", r"trainer data: (.*)", _settings("data"), f"{W}/__main__.py train"),
        rule("trainer optimizer: ", r"trainer optimizer: (.*)", _settings("optimizer"), f"{W}/__main__.py train"),
        rule("trainer steps: ", r"trainer steps: (.*)", _settings("steps"), f"{W}/__main__.py train"),
        rule("trainer resumed: ", r"trainer resumed: step=\d+", None, f"{W}/__main__.py train", "loramon"),
        rule("trainer saved: ", r"trainer saved: (.*)", _saved, f"{W}/job.py write_lora", "loramon"),
        rule("trainer sample: ", r"trainer sample: (.*)", _sample, f"{W}/loop.py draw", "loramon"),
        rule("trainer heal: ", r"trainer heal: step=\d+ ", None, f"{W}/job.py heal, halve", "loramon"),
        rule("trainer ", r"trainer (done|interrupted|failed): ", _ended, f"{W}/loop.py fit", "loramon"),
        rule("loramon trainer: ", r"loramon trainer: ", None, f"{W}/__main__.py main", "loramon"),
        rule("grad_norm", r"step \d+/\d+ loss \S+ average \S+ lr \S+ grad_norm \S+ [\d.]+ s \(data ", None, f"{W}/signals.py step", "loramon"),
    ),
    event_tags={"loss/current": Tag("loss"), "loss/average": Tag("loss_mean", "running"), "lr/unet": Tag("lr"), "grad_norm": Tag("grad_norm")},
)
