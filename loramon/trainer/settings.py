"""The settings of a training: a TOML file, checked whole before anything is loaded.

The defaults follow one author's experience (`loramon hints`): rank 16 with alpha at most half of it, AdamW, cosine with
restarts behind a warm-up, two workers, steps by what is to be learned.
"""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

STEPS_BY_GOAL = {"character": 5000, "style": 7500, "composition": 9000}
"""The middle of 3000-7000 and of 5000-10000, and the least for compositions, situations and poses."""
ONE_RATE = ("Prodigy", "DAdaptAdam", "DAdaptLion")
"""Optimizers that find the learning rate themselves: one for all parameters, as a factor of what they find, usually 1."""
AT_LEAST_1 = {"batch_size", "bucket_step", "rank", "steps", "accumulation", "cycles", "keep", "window"}
BELOW_1 = {"caption_dropout", "dropout", "lr_factor"}
"""Bounds of numbers in any section; every other number is 0 or more."""


class SettingsError(Exception):
    """The settings cannot be used; the message is one line that says why and what to do."""


@dataclass
class Model:
    path: str = ""
    config: str = ""  # for a single file: a diffusers folder of the same family; its configurations and tokenizers are read
    architecture: Literal["auto", "sd1", "sd2", "sdxl"] = "auto"
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = "auto"


@dataclass
class Data:
    folder: str = ""
    resolution: int = 0  # 0: that of the family, 512, 768 (SD2 with v-prediction) or 1024
    batch_size: int = 1
    buckets: bool = True
    bucket_step: int = 64
    flip: bool = False
    caption_extension: str = ".txt"
    trigger: str = ""
    shuffle_caption: bool = False
    caption_dropout: float = 0.0
    cache_latents: Literal["memory", "disk", "no"] = "memory"
    cache_text: Literal["auto", "yes", "no"] = "auto"
    workers: int = 2


@dataclass
class Lora:
    rank: int = 16
    alpha: float = 0.0  # 0: half the rank
    dropout: float = 0.0
    targets: Literal["transformer", "attention"] = "transformer"
    text_encoder: bool = False


@dataclass
class Optimizer:
    name: Literal["AdamW", "AdamW8bit", "Lion", "Adafactor", "Prodigy", "DAdaptAdam", "DAdaptLion"] = "AdamW"
    learning_rate: float = 0.0  # 0: 1e-4, 3e-5 for Lion, 1 for those that find it themselves
    text_encoder_lr: float = 0.0  # 0: the same
    weight_decay: float = 0.01
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class Scheduler:
    name: Literal["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"] = "cosine_with_restarts"
    warmup_steps: int = -1  # -1: a twentieth of the training
    cycles: int = 3
    power: float = 1.0


@dataclass
class Train:
    goal: Literal["character", "style", "composition"] = "character"
    steps: int = 0  # 0: by the goal
    accumulation: int = 1
    gradient_checkpointing: bool = False
    mixed_precision: Literal["auto", "bf16", "fp16", "no"] = "auto"
    max_grad_norm: float = 1.0
    min_snr_gamma: float = 0.0  # 0: off
    noise_offset: float = 0.0
    seed: int = 42
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass
class Save:
    folder: str = "output"
    name: str = "lora"
    every: int = 500
    keep: int = 3
    dtype: Literal["fp16", "bf16", "fp32"] = "fp16"
    diffusers: bool = False
    resume: str = ""  # "latest", or a checkpoint's folder


@dataclass
class Sample:
    every: int = 0
    prompts: list[str] = field(default_factory=list)
    negative: str = ""
    steps: int = 20
    guidance: float = 7.0
    seed: int = 1


@dataclass
class Heal:
    on: bool = False
    lr_factor: float = 0.5
    max_times: int = 3
    window: int = 50
    factor: float = 1.5  # diverged: the mean of the last `window` losses is above so many times that of all before, far beyond chance


@dataclass
class Settings:
    model: Model = field(default_factory=Model)
    data: Data = field(default_factory=Data)
    lora: Lora = field(default_factory=Lora)
    optimizer: Optimizer = field(default_factory=Optimizer)
    scheduler: Scheduler = field(default_factory=Scheduler)
    train: Train = field(default_factory=Train)
    save: Save = field(default_factory=Save)
    sample: Sample = field(default_factory=Sample)
    heal: Heal = field(default_factory=Heal)


def read(path: str) -> Settings:
    """The settings of a TOML file; paths in it are relative to the file. Raises SettingsError."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from None
    settings = from_dict(table)
    home = os.path.dirname(os.path.abspath(path))
    for part, key in ((settings.model, "path"), (settings.model, "config"), (settings.data, "folder"), (settings.save, "folder"), (settings.save, "resume")):
        value = getattr(part, key)
        if value and value != "latest":
            setattr(part, key, os.path.join(home, os.path.expanduser(value)))
    return settings


def from_dict(table: Mapping[str, Any]) -> Settings:
    """The settings of nested tables, defaults filled in, everything checked that needs no model. Raises SettingsError."""
    settings = Settings()
    sections = vars(settings)
    for name, values in table.items():
        if name not in sections:
            raise SettingsError(f"unknown section [{name}]{meant(name, sections)}")
        if not isinstance(values, dict):
            raise SettingsError(f"[{name}] must be a section, not {values!r}")
        hints = get_type_hints(type(sections[name]))
        for key, value in values.items():
            if key not in hints:
                home = next((other for other, part in sections.items() if hasattr(part, key)), None)
                raise SettingsError(f"unknown setting {name}.{key}{f'; did you mean {home}.{key}?' if home else meant(key, hints)}")
            setattr(sections[name], key, _value(f"{name}.{key}", value, hints[key]))
    _fill(settings)
    _check(settings)
    return settings


def meant(word: str, known: Iterable[str]) -> str:
    """What is said behind an unknown word: the known one that is like it, else all."""
    close = difflib.get_close_matches(word.lower(), {k.lower(): k for k in known}, 1, 0.5)
    return f"; did you mean {next(k for k in known if k.lower() == close[0])}?" if close else f"; known: {', '.join(known)}"


def _value(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise SettingsError(f"{name} = {value!r} is not known{meant(str(value), get_args(hint))}")
        return value
    kind = get_origin(hint) or hint
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is list and not all(isinstance(v, str) for v in value)):
        what = {int: "a whole number", float: "a number", bool: "true or false", str: "text", list: "a list of texts", dict: "a table"}[kind]
        raise SettingsError(f"{name} = {value!r} must be {what}")
    return value


def _fill(s: Settings) -> None:
    s.lora.alpha = s.lora.alpha or s.lora.rank / 2
    s.train.steps = s.train.steps or STEPS_BY_GOAL[s.train.goal]
    s.optimizer.learning_rate = s.optimizer.learning_rate or (1.0 if s.optimizer.name in ONE_RATE else 3e-5 if s.optimizer.name == "Lion" else 1e-4)
    s.optimizer.text_encoder_lr = s.optimizer.text_encoder_lr or s.optimizer.learning_rate
    if s.scheduler.warmup_steps < 0:
        s.scheduler.warmup_steps = s.train.steps // 20
    if s.data.cache_text == "auto":
        s.data.cache_text = "no" if s.lora.text_encoder or s.data.shuffle_caption else "yes"


def _check(s: Settings) -> None:
    for section, part in vars(s).items():
        for key, number in vars(part).items():
            if type(number) not in (int, float):
                continue
            least = 1 if key in AT_LEAST_1 else 0
            if not least <= number < math.inf:
                raise SettingsError(f"{section}.{key} = {number:g} must be {least} or more")
            if key in BELOW_1 and number >= 1:
                raise SettingsError(f"{section}.{key} = {number:g} must be from 0 to below 1")
    rates, cached = (s.optimizer.text_encoder_lr, s.optimizer.learning_rate), s.data.cache_text == "yes"
    for is_wrong, why in (
        (not s.model.path, "model.path is missing"),
        (not s.data.folder, "data.folder is missing"),
        (s.data.resolution % 8 or s.data.bucket_step % 8, "data.resolution and data.bucket_step must be multiples of 8: a latent pixel is 8 pixels wide"),
        (cached and s.lora.text_encoder, 'data.cache_text = "yes" does not go with lora.text_encoder = true: what the encoder says changes; set it to "no"'),
        (cached and s.data.shuffle_caption,
         'data.cache_text = "yes" does not go with data.shuffle_caption = true: each step has another caption; set it to "no"'),
        (s.optimizer.name in ONE_RATE and s.lora.text_encoder and rates[0] != rates[1],
         f"{s.optimizer.name} allows one learning rate for all parts: optimizer.text_encoder_lr = {rates[0]:g} must be optimizer.learning_rate = {rates[1]:g}"),
        (s.scheduler.warmup_steps >= s.train.steps and s.scheduler.name != "constant",
         f"scheduler.warmup_steps = {s.scheduler.warmup_steps} must be below train.steps = {s.train.steps}"),
        (s.sample.every and not s.sample.prompts, "sample.every is set, but sample.prompts is empty"),
        (not s.save.name or os.path.basename(s.save.name) != s.save.name, f"save.name = {s.save.name!r} must be a plain file name; the folder is save.folder"),
    ):  # fmt: skip
        if is_wrong:
            raise SettingsError(why)
