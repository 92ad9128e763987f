"""The settings table: the contract's names under each trainer's own flags and keys, both ways, and their values.

The data and their sources are in settings.toml.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from loramon.model_families import family_of, network_of
from loramon.tables import read_table

_TABLE = Path(__file__).with_name("settings.toml")
_NONE = {"", "none", "null", "nil", "~"}
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_PRECISION = {
    "no": "no", "fp32": "no", "float32": "no", "float_32": "no", "float": "no",
    "fp16": "fp16", "float16": "fp16", "float_16": "fp16", "half": "fp16",
    "bf16": "bf16", "bfloat16": "bf16", "bfloat_16": "bf16",
}  # fmt: skip


_NOT_QUANTISED = {"no_change", "no", "float_32", "float_16", "bfloat_16", "float32", "float16", "bfloat16", "fp32", "fp16", "bf16"}
"""Words for a base model that keeps its numbers (SimpleTuner OPTIONS.md; OneTrainer DataType.py)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One way to write a setting in a trainer.

    `means`: the value that turning this switch on stands for, None for a key that takes a value of its own.
    """

    name: str
    means: object = None


@cache
def _rows() -> dict[str, Any]:
    table = read_table(_TABLE)
    del table["sources"]
    return table


@cache
def trainers() -> tuple[str, ...]:
    """Trainers that have a column in the table."""
    return tuple(read_table(_TABLE)["sources"])


def names() -> tuple[str, ...]:
    """Every setting of the table, under the contract's name."""
    return tuple(_rows())


@cache
def keys(setting: str, trainer: str) -> tuple[Key, ...]:
    """What a user of `trainer` may write for `setting`, preferred first; empty where there is no such key."""
    found = []
    for cell in _rows().get(setting, {}).get(trainer, ()):
        name, is_switch, means = cell.partition("=")
        found.append(Key(name, normalise(setting, means) if is_switch else None))
    return tuple(found)


def flag(setting: str, trainer: str, value: object = None) -> str | None:
    """The setting as a user of this trainer writes it (`--network_dim`, `train.lr`), or None where it has no such key.

    With `value`: the key that can express it, which matters where a setting is spread over switches
    (`flag("attention", "kohya", "xformers")` is `--xformers`); None where no key of that trainer can.
    """
    cells = keys(setting, trainer)
    if value is None:
        return next((k.name for k in sorted(cells, key=lambda k: k.means is False)), None)
    wanted = normalise(setting, value)
    exact = next((k.name for k in cells if k.means is not None and k.means == wanted), None)
    return exact or next((k.name for k in cells if k.means is None), None)


@cache
def _reverse(trainer: str) -> dict[str, tuple[str, object]]:
    found: dict[str, tuple[str, object]] = {}
    for setting in _rows():
        for key in keys(setting, trainer):
            found.setdefault(plain_key(key.name), (setting, key.means))
            found.setdefault(plain_key(key.name.rpartition(".")[2]), (setting, key.means))
    return found


def plain_key(name: str) -> str:
    """A flag or key without what may differ in writing: leading dashes, `-` for `_`, upper case."""
    return name.strip().lstrip("-").replace("-", "_").lower()


def _lookup(key: str, trainer: str) -> tuple[str, object] | None:
    bare = plain_key(key)
    table = _reverse(trainer)
    for form in (bare, bare.removeprefix("ss_"), bare.rpartition(".")[2]):
        if form in table:
            return table[form]
    return None


def setting_of(key: str, trainer: str) -> str | None:
    """The contract's name for a trainer's flag or key; leading dashes, `-` for `_` and kohya's `ss_` do not matter.

    None for a switch that turns its setting off (`--network_train_unet_only`), whose value would be read the wrong way
    round: `read` knows those, and what other switches mean (`--xformers`, `--full_fp16`, `bf16`).
    """
    found = _lookup(key, trainer)
    return found[0] if found and found[1] is not False else None


def read(key: str, value: object, trainer: str) -> tuple[str, object] | None:
    """(setting, value) that `key` set to `value` means; a bare switch has the value True. None for an unknown key, and
    for a switch that is off and so tells nothing about the setting (`--xformers` off leaves the attention unknown)."""
    found = _lookup(key, trainer)
    if found is None:
        return None
    setting, means = found
    if means is None:
        return setting, normalise(setting, value)
    on = normalise("bucketing", value)
    if on is True:
        return setting, means
    return (setting, True) if means is False and on is False else None


def matches(flag: str, trainer: str) -> str | None:
    """The flag of this trainer that a shortened one stands for (argparse `allow_abbrev`); None where it is a flag itself,
    or stands for several or none."""
    if not flag.startswith("--") or len(flag) < 6 or plain_key(flag) in _reverse(trainer):
        return None
    found = {key.name for setting in _rows() for key in keys(setting, trainer) if key.name.startswith(flag)}
    return found.pop() if len(found) == 1 else None


_WRAPPERS = {"ai-toolkit": "config.process."}
FLATTENED = ("kohya", "musubi")
"""Trainers that ignore the names of sections (sd-scripts library/train_util.py read_config_from_file)."""


def own_key(path: Sequence[str], trainer: str) -> str:
    """The key of a structured file as the trainer's users call it: without what stands around it. `path`: the keys from
    the top, positions in lists left out."""
    if trainer in FLATTENED:
        return path[-1] if path else ""
    return ".".join(path).removeprefix(_WRAPPERS.get(trainer, ""))


def read_exact(key: str, value: object, trainer: str) -> tuple[str, object] | None:
    """`read` for a key of a structured file: it means what its whole path says (`train.lr`, never `sample.seed`)."""
    return read(key, value, trainer) if plain_key(key) in _exact(trainer) else None


@cache
def _exact(trainer: str) -> frozenset[str]:
    return frozenset(plain_key(key.name) for setting in _rows() for key in keys(setting, trainer))


def normalise(setting: str, value: object) -> object:
    """The value in one form: numbers as numbers, switches as bool, 'None' as None; what cannot be read stays text.

    Precisions become `no`, `fp16`, `bf16`; model families and kinds of adapters the contract's words, where known; a size
    of two equal sides one number; several learning rates a list, or one number where they are all the same.
    """
    if isinstance(value, str):
        value = value.strip().strip("'\"")
        if value.lower() in _NONE:
            return None
    if value is None:
        return None
    kind = _rows().get(setting, {}).get("kind", "text")
    if isinstance(value, (list, tuple)):
        return _several(setting, list(value))
    if kind == "bool":
        return _boolean(value)
    if kind == "family":
        return family_of(value) or value
    if kind == "quantization":
        return "no" if value is False or str(value).lower() in _NOT_QUANTISED else value
    if kind == "network":
        return network_of(value) or value
    if kind == "precision":
        if value is False:  # `mixed_precision: no` is a switch to YAML
            return "no"
        return _PRECISION.get(str(value).lower().rpartition(".")[2], value)
    if kind in ("int", "float", "number"):
        return _number(setting, kind, value)
    if kind == "size":
        parts = re.findall(r"\d+", str(value))
        if len(parts) > 1 and re.fullmatch(r"[\[(]?\s*\d+(\s*[,x×]\s*\d+)+\s*[\])]?", str(value)):
            return _several(setting, [int(p) for p in parts])
        return _number(setting, "int", value)
    return value


def _several(setting: str, values: list[object]) -> object:
    made = [normalise(setting, v) for v in values]
    if not made:
        return None
    return made[0] if all(v == made[0] for v in made) else made


def _boolean(value: object) -> object:
    word = str(value).lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else value  # "offload", "unsloth": on, and how


def _number(setting: str, kind: str, value: object) -> object:
    if isinstance(value, bool):
        return value
    text = str(value).replace("_", "")
    if isinstance(value, str) and re.fullmatch(r"\[.*\]", text):
        return _several(setting, [p for p in text[1:-1].split(",") if p.strip()])
    if isinstance(value, str) and re.fullmatch(r"[\d.eE+-]+(?: +[\d.eE+-]+)+", text):
        return _several(setting, list(text.split()))
    try:
        number = float(text)
    except ValueError:
        return value
    if not math.isfinite(number):
        return number
    if kind == "int" or (kind == "number" and number.is_integer()):
        return int(number) if number.is_integer() else number
    return number
