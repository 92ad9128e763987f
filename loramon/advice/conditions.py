"""The closed vocabulary of `when` and `unless`: what a remedy or a conflict may ask about a run.

A condition on a value is one of `absent`, `present`, `on`, `off`, a comparison (`>1`, `<=0.5`), `~a|b` (the text
contains one of these, upper and lower case alike), or a plain value; a list of conditions holds where one of them does.
An unknown value is absent and meets no other condition.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from loramon import settings as table

KEYS: tuple[str, ...] = ("setting", "trainer", "not_trainer", "family", "not_family", "fact", "platform", "variant")
PLATFORMS = ("windows", "wsl", "linux", "macos")
GROUPS: dict[str, tuple[str, ...]] = {
    "@unet": ("sd1", "sd2", "sdxl"),
    "@dit": (
        "sd3", "flux", "flux2", "flux-kontext", "chroma", "qwen-image", "qwen-image-edit", "wan", "hunyuan-video",
        "hunyuan-image", "framepack", "z-image", "lumina", "anima", "hidream", "ltx-video", "cosmos", "krea",
    ),
    "@llm": ("llm",),
}  # fmt: skip
"""Model families whose remedies come in the same order. `@unet`: small convolutional U-Nets, activations fill the card.
`@dit`: large transformers for images and video, the weights do. `@llm`: language models."""
_GROUP_BY_TRAINER = {
    "musubi": "@dit", "diffusion-pipe": "@dit",
    "hf-trainer": "@llm", "trl": "@llm", "llamafactory": "@llm", "axolotl": "@llm", "unsloth": "@llm",
}  # fmt: skip
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of the run that is advised. `settings` are normalised; what is unknown is absent."""

    settings: Mapping[str, object]
    trainer: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    variant: str = ""

    @property
    def family(self) -> str | None:
        name = self.settings.get("architecture")
        return str(name).lower() if name is not None else None

    @property
    def group(self) -> str | None:
        """The group of the model family; where the family is unknown, that of a trainer which trains only one group."""
        if self.family is not None:
            return next((g for g, members in GROUPS.items() if self.family in members), None)
        return _GROUP_BY_TRAINER.get(self.trainer or "")

    @property
    def platform(self) -> str | None:
        """One of PLATFORMS, read off `platform` (sys.platform's or platform.platform()'s words) and `driver_model`."""
        said = str(self.facts.get("platform") or "").lower()
        if "wsl" in said or "microsoft" in said:
            return "wsl"
        for name, words in (("macos", ("darwin", "macos")), ("windows", ("win",)), ("linux", ("linux",))):
            if any(word in said for word in words):
                return name
        return "windows" if str(self.facts.get("driver_model") or "").lower() == "wddm" else None


def is_on(value: object) -> bool:
    """A switch or amount that does something: not None, False, 0, `no`, `none`, `off`, `false`, `disabled`."""
    if value is None or value is False:
        return False
    if isinstance(value, (int, float)):
        return value != 0
    return str(value).strip().lower() not in ("", "no", "none", "off", "false", "0", "disabled")


def meets(condition: object, value: object) -> bool:
    """Whether `value` (None: unknown) meets one condition or one of a list."""
    if isinstance(condition, list):
        return any(meets(c, value) for c in condition)
    if condition == "absent":
        return value is None
    if value is None:
        return False
    if condition == "present":
        return True
    if condition in ("on", "off"):
        return is_on(value) is (condition == "on")
    if isinstance(condition, str):
        if condition.startswith("~"):
            return any(word in str(value).lower() for word in condition[1:].lower().split("|"))
        found = re.match(r"(>=|<=|!=|>|<)\s*(\S+)$", condition)
        if found:
            return _compares(value, found[1], float(found[2]))
    return same(condition, value)


def _compares(value: object, how: str, limit: float) -> bool:
    values = value if isinstance(value, list) else [value]
    try:
        return any(_COMPARE[how](float(str(v)), limit) for v in values)
    except (TypeError, ValueError):
        return False


def same(a: object, b: object) -> bool:
    """Equal as settings are: numbers by value, words regardless of case, True like every way of being on."""
    if isinstance(a, bool) or isinstance(b, bool):
        return is_on(a) is is_on(b)
    try:
        return math.isclose(float(str(a)), float(str(b)), rel_tol=1e-9)
    except (TypeError, ValueError):
        return str(a).strip().lower() == str(b).strip().lower()


def holds(when: Mapping[str, object], situation: Situation) -> bool:
    """Whether all conditions of a `when` table hold."""
    return all(_holds(key, wanted, situation) for key, wanted in when.items())


def any_holds(unless: Mapping[str, object], situation: Situation) -> bool:
    """Whether one of the conditions of an `unless` table holds; each setting and fact in it counts by itself."""
    for key, wanted in unless.items():
        if key in ("setting", "fact"):
            assert isinstance(wanted, Mapping)
            if any(_holds(key, {name: condition}, situation) for name, condition in wanted.items()):
                return True
        elif _holds(key, wanted, situation):
            return True
    return False


def _holds(key: str, wanted: object, s: Situation) -> bool:
    if key in ("setting", "fact"):
        assert isinstance(wanted, Mapping)
        known = s.settings if key == "setting" else s.facts
        return all(meets(condition, known.get(name)) for name, condition in wanted.items())
    names = wanted if isinstance(wanted, list) else [wanted]
    if key in ("family", "not_family"):
        member = any(n in (s.family, s.group) for n in names)
        return member is (key == "family")
    if key == "not_trainer":
        return s.trainer not in names
    return {"trainer": s.trainer, "platform": s.platform, "variant": s.variant}[key] in names


def mistakes(conditions: Mapping[str, object], facts: Sequence[str]) -> list[str]:
    """What in a `when` or `unless` table is outside the vocabulary; `facts`: names that may be asked for."""
    found = [f"unknown key {k!r}" for k in conditions if k not in KEYS]
    for key, allowed in (("setting", table.names()), ("fact", tuple(facts))):
        asked = conditions.get(key, {})
        found += [f"unknown {key} {n!r}" for n in (asked if isinstance(asked, Mapping) else ()) if n not in allowed]
    families = {f for members in GROUPS.values() for f in members} | set(GROUPS)
    for key, words in (("family", families), ("not_family", families), ("platform", set(PLATFORMS)),
                       ("trainer", set(table.trainers())), ("not_trainer", set(table.trainers()))):  # fmt: skip
        names = conditions.get(key, [])
        found += [f"unknown {key} {n!r}" for n in (names if isinstance(names, list) else [names]) if n not in words]
    return found
