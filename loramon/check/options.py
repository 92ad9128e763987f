"""Options and keys that the trainer does not know: a slip of the pen stops it, or worse, is silently left out.

A flag that argparse does not know ends the training before it begins. A key in a settings file is not looked at by
sd-scripts (library/train_util.py read_config_from_file hands all keys to a Namespace) and ai-toolkit
(toolkit/config_modules.py asks for the keys that it knows): the default counts, without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from loramon import settings as table
from loramon.check.notice import Notice
from loramon.check.plan import Plan, Stated
from loramon.redact import redact
from loramon.tables import read_table
from loramon.text import sanitise

ALIKE = 0.84
"""Share of letters in common (difflib) from which on a name counts as meant for another. `netwok_dim` has 0.95."""
_KEPT = 6
_SHORTEST = 7
_WHOLE_LISTS = ("kohya", "musubi", "ai-toolkit")
_FREE = ("optimizer_params", "lr_scheduler_params", "network_kwargs", "meta", "sample", "samples", "network_args", "model_kwargs", "logging", "process_kwargs")
"""Below these ai-toolkit passes any key on, or they are about pictures."""


def option_notices(plan: Plan) -> Iterator[Notice]:
    """Names that no version known here has; a near name is suggested. kohya_ss saves its form, with names of its own, as JSON."""
    if plan.trainer == "kohya" and any(document.kind == "json" for document in plan.documents.values()):
        return
    if plan.trainer not in _WHOLE_LISTS:
        yield from _slips(plan)
        return
    stated_keys = {table.plain_key(s.key) for s in plan.stated}
    told = 0
    for stated in plan.stated:
        name = table.plain_key(stated.key).rpartition(".")[2]
        known = _known(plan, stated)
        if not name or name in known or name in names("accelerate") or table.setting_of(stated.key, plan.trainer) is not None:
            continue
        is_flag = stated.key.startswith("--")
        if is_flag and any(k.startswith(name) for k in known):
            continue  # argparse takes a shortened option
        near = [n for n in difflib.get_close_matches(name, known, n=1, cutoff=ALIKE) if is_flag or n not in stated_keys]
        if not near and not is_flag:
            continue  # a fork's or a newer version's own key
        told += 1
        if told > _KEPT:
            return
        yield _notice(plan, stated, near[0] if near else None, is_flag)


def _slips(plan: Plan) -> Iterator[Notice]:
    """Of trainers whose names are known in part only: names that are one slip away from a known one."""
    if plan.trainer is None:
        return
    known = {table.plain_key(k.name) for setting in table.names() for k in table.keys(setting, plan.trainer)}
    stated_keys = {table.plain_key(s.key) for s in plan.stated}
    for stated in plan.stated:
        name = table.plain_key(stated.key)
        if len(name) < _SHORTEST or name in known or "." in name or table.setting_of(stated.key, plan.trainer) is not None:
            continue
        near = next((k for k in sorted(known - stated_keys) if one_slip(name, k)), None)
        if near is not None:
            is_flag = stated.key.startswith("--")
            numbers = {"key": redact(sanitise(stated.key, 80)), "near": f"--{near}" if is_flag else near}
            source = "loramon's table of settings, from the trainers' own argument parsers (loramon/settings.toml)"
            yield Notice("bad-argument", "warning", _SLIP, [stated.where], "documented", source, rule="one-slip", numbers=numbers, confidence=0.7)


def one_slip(a: str, b: str) -> bool:
    """Whether one letter too many, too few, wrong or two exchanged make the one out of the other (Damerau 1964).

    The first letter is seldom the slip, and names differ in it for a reason (`float16`, `bfloat16`).
    """
    if a == b or abs(len(a) - len(b)) > 1 or a[:1] != b[:1]:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) != len(b):
        longer, shorter = (a, b) if len(a) > len(b) else (b, a)
        return longer[at + 1 :] == shorter[at:]
    return a[at + 1 :] == b[at + 1 :] or (a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :])


def _notice(plan: Plan, stated: Stated, near: str | None, is_flag: bool) -> Notice:
    source = str(_table()[plan.trainer or ""]["source"])
    numbers = {"key": redact(sanitise(stated.key, 80)), "near": f"--{near}" if is_flag and near else near}
    if not is_flag:
        return Notice("bad-argument", "warning", _IGNORED, [stated.where], "documented", source, rule="key-unknown", numbers=numbers, confidence=0.8)
    says = _REFUSED_NEAR if near else _REFUSED
    severity = "warning" if near else "note"
    return Notice("bad-argument", severity, says, [stated.where], "documented", source, rule="flag-unknown", numbers=numbers,  # type: ignore[arg-type]
                  confidence=0.8 if near else 0.5)  # fmt: skip


def _known(plan: Plan, stated: Stated) -> frozenset[str]:
    trainer = plan.trainer or ""
    if trainer == "ai-toolkit":
        free = bool(set(stated.key.split(".")) & set(_FREE)) or stated.where.file is None
        return frozenset({table.plain_key(stated.key).rpartition(".")[2]}) if free else names(trainer)
    return names(trainer) | names(f"{trainer}-dataset")


@cache
def names(group: str) -> frozenset[str]:
    """The names of a trainer, or of its data set's file (`kohya-dataset`)."""
    found = _table().get(group, {})
    return frozenset(table.plain_key(name) for name in str(found.get("names", "")).split())


@cache
def _table() -> dict[str, dict[str, str]]:
    return read_table(Path(__file__).with_name("options.toml"))


_REFUSED_NEAR = {
    "en": "{key} is no option of this trainer, which stops at it. Is {near} meant?",
    "ja": "{key}はこの学習ツールにないオプションで、ここで止まります。{near}のことですか？",
}
_REFUSED = {
    "en": "{key} is not among the options of the version that loramon knows; an older or another one may have it.",
    "ja": "{key}は、loramonが知るバージョンのオプションにありません。別のバージョンにはあるかもしれません。",
}
_SLIP = {
    "en": "{key} looks like a slip of the pen for {near}: the trainer stops at it or leaves it out.",
    "ja": "{key}は{near}の打ち間違いのようです。学習ツールは止まるか、無視します。",
}
_IGNORED = {
    "en": "{key} is no key that this trainer looks at: it is left out without a word. Is {near} meant?",
    "ja": "{key}はこの学習ツールが読む項目ではなく、何も言わずに無視されます。{near}のことですか？",
}
