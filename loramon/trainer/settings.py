"""The settings of a training: a TOML file, checked whole before anything is loaded. Defaults follow experience (`loramon hints`)."""

import math
import os
import tomllib
from types import SimpleNamespace
from typing import Any

STEPS_BY_GOAL = {"character": 5000, "style": 7500, "composition": 9000}
"""The middle of 3000-7000 and of 5000-10000, and the least for compositions, situations and poses."""
ONE_RATE = ("Prodigy", "DAdaptAdam", "DAdaptLion")
"""Optimizers that find the learning rate themselves: one for all parameters, as a factor of what they find, usually 1."""
DEFAULTS: dict[str, dict[str, Any]] = {
    "model": {"path": "", "config": "", "architecture": ("auto", "sd1", "sd2", "sdxl"),
              "prediction_type": ("auto", "epsilon", "v_prediction")},
    "data": {"folder": "", "caption_extension": ".txt", "batch_size": 1, "workers": 2, "resolution": 0, "buckets": True, "bucket_step": 64,
             "flip": False, "trigger": "", "shuffle_caption": False, "caption_dropout": 0.0,
             "cache_latents": ("memory", "disk", "no"), "cache_text": True},
    "lora": {"rank": 16, "alpha": 0.0, "dropout": 0.0, "targets": ("transformer", "attention"), "text_encoder": False},
    "optimizer": {"name": ("AdamW", "AdamW8bit", "Lion", "Adafactor", "Prodigy", "DAdaptAdam", "DAdaptLion"),
                  "learning_rate": 0.0, "text_encoder_lr": 0.0, "weight_decay": 0.01},
    "scheduler": {"name": ("cosine_with_restarts", "constant", "constant_with_warmup", "linear", "cosine", "polynomial"),
                  "warmup_steps": -1, "cycles": 3, "power": 1.0},
    "train": {"goal": tuple(STEPS_BY_GOAL), "steps": 0, "accumulation": 1, "gradient_checkpointing": False, "max_grad_norm": 1.0,
              "min_snr_gamma": 0.0, "noise_offset": 0.0, "mixed_precision": ("auto", "bf16", "fp16", "no"),
              "device": ("auto", "cpu", "cuda"), "seed": 42},
    "save": {"folder": "output", "name": "lora", "every": 500, "keep": 3, "dtype": ("fp16", "bf16", "fp32"), "resume": ""},
    "sample": {"every": 0, "prompts": [], "negative": "", "steps": 20, "guidance": 7.0, "seed": 1},
    "heal": {"on": False, "lr_factor": 0.5, "max_times": 3, "window": 50, "factor": 1.5},
}  # fmt: skip
"""Every setting by section; docs/trainer.md tells what each means. A default is of the setting's type; of a tuple, which names all
choices, the first is the default. What is 0, "" or -1 is off or follows from others (`_complete`)."""
AT_LEAST_1 = {"batch_size", "bucket_step", "rank", "steps", "accumulation", "cycles", "keep", "window"}
BELOW_1 = {"caption_dropout", "dropout", "lr_factor"}
"""Bounds of numbers in any section; every other number is 0 or more."""
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", list: "a list of texts"}
Settings = SimpleNamespace  # sections, and of each its settings: `settings.lora.rank`


class SettingsError(Exception):
    """The settings cannot be used; the message is one line that says why and what to do."""


def read(path: str) -> Settings:
    """The settings of a TOML file; paths in it are relative to the file. Raises SettingsError."""
    try:
        with open(path, "rb") as file:
            settings = from_dict(tomllib.load(file))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from None
    home, model, save = os.path.dirname(os.path.abspath(path)), settings.model, settings.save
    for section, key in ((model, "path"), (model, "config"), (settings.data, "folder"), (save, "folder"), (save, "resume")):
        value = getattr(section, key)
        if value and value != "latest":
            setattr(section, key, os.path.join(home, os.path.expanduser(value)))
    return settings


def from_dict(table: dict[str, Any]) -> Settings:
    """The settings of nested tables, defaults filled in, everything checked that needs no model. Raises SettingsError."""
    firsts = {s: {k: d[0] if isinstance(d, tuple) else d for k, d in known.items()} for s, known in DEFAULTS.items()}
    settings = Settings(**{section: Settings(**values) for section, values in firsts.items()})
    for section, values in table.items():
        if section not in DEFAULTS:
            raise SettingsError(f"unknown section [{section}]; known: {', '.join(DEFAULTS)}")
        if not isinstance(values, dict):
            raise SettingsError(f"[{section}] must be a section, not {values!r}")
        for key, value in values.items():
            if key not in DEFAULTS[section]:
                raise SettingsError(f"unknown setting {section}.{key}; known: {', '.join(DEFAULTS[section])}")
            setattr(getattr(settings, section), key, _value(f"{section}.{key}", value, DEFAULTS[section][key]))
    _complete(settings)
    return settings


def _value(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if value not in default:
            raise SettingsError(f"{name} = {value!r} is not known; known: {', '.join(default)}")
        return value
    kind = type(default)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is list and not all(isinstance(item, str) for item in value)):
        raise SettingsError(f"{name} = {value!r} must be {KINDS[kind]}")
    return value


def _complete(s: Settings) -> None:
    """Fills in what follows from other settings, and looks whether they go together. Raises SettingsError."""
    s.lora.alpha = s.lora.alpha or s.lora.rank / 2
    s.train.steps = s.train.steps or STEPS_BY_GOAL[s.train.goal]
    usual_rate = 1.0 if s.optimizer.name in ONE_RATE else 3e-5 if s.optimizer.name == "Lion" else 1e-4
    s.optimizer.learning_rate = s.optimizer.learning_rate or usual_rate
    s.optimizer.text_encoder_lr = s.optimizer.text_encoder_lr or s.optimizer.learning_rate
    if s.scheduler.warmup_steps < 0:
        s.scheduler.warmup_steps = s.train.steps // 20
    s.data.cache_text = s.data.cache_text and not (s.lora.text_encoder or s.data.shuffle_caption)
    for section, values in vars(s).items():
        for key, number in vars(values).items():
            least, below = 1 if key in AT_LEAST_1 else 0, 1 if key in BELOW_1 else math.inf
            if type(number) in (int, float) and not least <= number < below:
                bounds = "from 0 to below 1" if key in BELOW_1 else f"{least} or more"
                raise SettingsError(f"{section}.{key} = {number:g} must be {bounds}")
    rate, text_rate, name, warmup = s.optimizer.learning_rate, s.optimizer.text_encoder_lr, s.optimizer.name, s.scheduler.warmup_steps
    for is_wrong, why in (
        (not s.model.path, "model.path is missing"),
        (not s.data.folder, "data.folder is missing"),
        (s.data.resolution % 8 or s.data.bucket_step % 8,
         "data.resolution and data.bucket_step must be multiples of 8: a latent pixel is 8 pixels wide"),
        (name in ONE_RATE and s.lora.text_encoder and text_rate != rate,
         f"{name} allows one learning rate for all parts: "
         f"optimizer.text_encoder_lr = {text_rate:g} must be optimizer.learning_rate = {rate:g}"),
        (warmup >= s.train.steps and s.scheduler.name != "constant",
         f"scheduler.warmup_steps = {warmup} must be below train.steps = {s.train.steps}"),
        (s.sample.every and not s.sample.prompts, "sample.every is set, but sample.prompts is empty"),
        (os.path.basename(s.save.name or "/") != s.save.name,
         f"save.name = {s.save.name!r} must be a plain file name; the folder is save.folder"),
    ):  # fmt: skip
        if is_wrong:
            raise SettingsError(why)
