"""A remedy in words: what to do, why, what it brings and what it costs, with the flag and the figures where known."""

from __future__ import annotations

from loramon import settings as table
from loramon.advice.remedies import row_named
from loramon.findings import Change, Remedy
from loramon.i18n import message


def remedy_text(remedy: Remedy, lang: str) -> dict[str, str]:
    """`action`, `why`, `effect` and `cost` for people. Raises KeyError for a remedy that is in no table."""
    words = row_named(remedy.row).texts[lang]
    action = words["action"] + _figures(remedy, lang)
    if remedy.current is None and remedy.suggested is not None and _is_switch(remedy):
        action = message("remedy.if-not-yet", lang, action=_lower_first(action) if lang == "en" else action)
    if remedy.also:
        changes = ", ".join(_linked(c) for c in remedy.also)
        action = message("remedy.together", lang, action=action, changes=changes)
    return {
        "action": action,
        "why": words["why"],
        "effect": message(f"effect.{remedy.effect}", lang),
        "cost": message(f"cost.{remedy.cost}", lang),
    }


def change_words(setting: str, trainer: str | None, flag: str, current: object, suggested: object, lang: str) -> str:
    """A change of one setting in a few words, in the trainer's own: `--network_dim: 64 → 16`, `add --sdpa`."""
    means = next((k.means for k in table.keys(setting, trainer or "") if k.name == flag), None)
    if means is not None or isinstance(suggested, bool):
        on = bool(suggested) if isinstance(suggested, bool) and means is None else means == suggested
        if not flag.startswith("-"):
            return f"{flag}: {'true' if on else 'false'}"
        return message("change.add" if on else "change.remove", lang, flag=flag)
    if current is not None:
        return f"{flag}: {_value(current)} → {_value(suggested)}"
    return message("change.set", lang, flag=flag, value=_value(suggested))


def _means(remedy: Remedy) -> object:
    """What turning this flag on stands for, or None where it takes a value."""
    if remedy.setting is None or remedy.flag is None:
        return None
    keys = (k for trainer in table.trainers() for k in table.keys(remedy.setting, trainer) if k.name == remedy.flag)
    return next((k.means for k in keys), None)


def _is_switch(remedy: Remedy) -> bool:
    return isinstance(remedy.suggested, bool) or _means(remedy) is not None


def _figures(remedy: Remedy, lang: str) -> str:
    """` (--train_batch_size: 8 → 4)`, ` (--gradient_checkpointing)`, ` (train.lr: 2e-05)` or nothing."""
    flag, current, suggested = remedy.flag, remedy.current, remedy.suggested
    if flag is None:
        known = not isinstance(suggested, bool) and current is not None and suggested is not None
        return f" ({_value(current)} → {_value(suggested)})" if known else ""
    if suggested is None:
        return f" ({flag})"
    option = flag.startswith("-")
    means = _means(remedy)
    if means is not None:
        on = means == suggested
    elif isinstance(suggested, bool):
        on = suggested
    else:
        if current is not None:
            return f" ({flag}: {_value(current)} → {_value(suggested)})"
        return f" ({flag} {_value(suggested)})" if option else f" ({flag}: {_value(suggested)})"
    if option:
        return f" ({flag})" if on else f" ({message('remedy.remove-flag', lang, flag=flag)})"
    return f" ({flag}: {'true' if on else 'false'})"


def _linked(change: Change) -> str:
    name = change.flag or change.setting
    if isinstance(change.suggested, bool):
        return name if name.startswith("-") else f"{name}: {str(change.suggested).lower()}"
    if change.current is not None:
        return f"{name}: {_value(change.current)} → {_value(change.suggested)}"
    return f"{name} {_value(change.suggested)}" if name.startswith("-") else f"{name}: {_value(change.suggested)}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
