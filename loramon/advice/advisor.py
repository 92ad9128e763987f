"""From a finding and what is known of the run to the remedies worth offering, best first, in the trainer's own words.

Never offered: what is in force already, what the trainer has no key for, what conflicts with another setting of the
run or with a remedy offered before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loramon import settings as table
from loramon.advice.conditions import Situation, any_holds, holds, is_on, same
from loramon.advice.conflicts import conflict_of
from loramon.advice.remedies import KEEPS_BATCH, SHARES, Row, rows_for
from loramon.advice.words import remedy_text
from loramon.findings import Change, Finding, Remedy
from loramon.i18n import variant_of

__all__ = ["advise", "remedy_text"]

_SIZE_STEP = 64
"""Resolutions are multiples of 64 pixels, the buckets' step (kohya-ss/sd-scripts --bucket_reso_steps)."""


def advise(
    finding: Finding, settings: Mapping[str, object], trainer: str | None, facts: Mapping[str, object]
) -> list[Remedy]:
    """Remedies against `finding`, best first; at most one for each setting.

    `settings`: what the run has, under the contract's names; unknown is absent or None. `trainer`: the contract's name;
    where it is None or has no column in the settings table, remedies name no flag. `facts`: numbers read off messages
    and what is known of the machine (`gpu_name`, `platform`); the finding's own numbers come before them.
    """
    known = {name: value for name, raw in settings.items() if (value := table.normalise(name, raw)) is not None}
    told = {k: v for k, v in {**facts, **finding.numbers}.items() if v is not None}
    situation = Situation(known, trainer, told, variant_of(finding.id, finding.variant, finding.numbers))
    fitting = [r for r in rows_for(finding.id) if holds(r.when, situation) and not any_holds(r.unless, situation)]
    offered: dict[str, Remedy] = {}
    changed = dict(known)  # the run's settings if all that is offered so far were done
    for row in sorted(fitting, key=lambda r: r.order_in(situation)):
        remedy = _remedy(row, situation, replace(situation, settings=changed))
        if remedy is None or (remedy.setting or remedy.row) in offered:
            continue
        offered[remedy.setting or remedy.row] = remedy
        if remedy.setting is not None:
            changed[remedy.setting] = _aim(row, remedy.suggested)
        for linked in remedy.also:
            offered.setdefault(linked.setting, remedy)
            changed[linked.setting] = linked.suggested
    return list({id(remedy): remedy for remedy in offered.values()}.values())


def _linked(row: Row, suggested: object, situation: Situation, changed: Situation) -> tuple[Change, ...]:
    """What changes with the row's own setting: only what the run has, the trainer knows and nothing forbids."""
    found = []
    wanted: object
    for setting, suggest in row.also:
        if suggest == KEEPS_BATCH:
            current, wanted = situation.settings.get(setting, 1), _kept_batch(row, suggested, situation)
        else:
            current = situation.settings.get(setting)
            wanted = _suggested(replace(row, setting=setting, suggest=suggest), current) if is_on(current) or isinstance(suggest, bool) else None
        if wanted is None or (current is not None and _in_force(current, wanted)) or (current is None and not isinstance(wanted, bool)):
            continue
        if any(conflict_of(setting, wanted, s) is not None for s in (situation, changed)):
            continue
        flag = _flag(setting, wanted, situation) if situation.trainer in table.trainers() else None
        if flag is not None or situation.trainer not in table.trainers():
            found.append(Change(setting, flag, situation.settings.get(setting), wanted))
    return tuple(found)


def _kept_batch(row: Row, suggested: object, situation: Situation) -> int | None:
    """Accumulation × batch size as before, where that comes out even."""
    before, steps = situation.settings.get(row.setting or ""), situation.settings.get("gradient_accumulation_steps", 1)
    if not isinstance(before, int) or not isinstance(suggested, int) or not isinstance(steps, int) or suggested < 1:
        return None
    return before * steps // suggested if before * steps % suggested == 0 else None


def _remedy(row: Row, situation: Situation, changed: Situation) -> Remedy | None:
    """The row in this run's words, or None where it must not be offered."""
    current: object = None
    suggested: object = None
    flag: str | None = None
    if row.setting is not None:
        current = situation.settings.get(row.setting)
        suggested = _suggested(row, current)
        if suggested is not None and current is not None and _in_force(current, suggested):
            return None
        if any(conflict_of(row.setting, _aim(row, suggested), s) is not None for s in (situation, changed)):
            return None
        if situation.trainer is not None and situation.trainer in table.trainers():
            flag = row.flag or _flag(row.setting, current if row.suggest == "off" else suggested, situation)
            if flag is None:
                return None
    return Remedy(
        row=row.name, setting=row.setting, flag=flag, current=current, suggested=suggested,
        effect=row.effect, cost=row.cost, basis=row.basis, source=row.source, also=_linked(row, suggested, situation, changed),
    )  # fmt: skip


def _flag(setting: str, value: object, situation: Situation) -> str | None:
    """The trainer's own name. OneTrainer has one for each part of a model: a U-Net, or a transformer in its place."""
    flag = table.flag(setting, situation.trainer or "", value)
    if flag is not None and flag.startswith("unet.") and situation.group == "@dit":
        other = "transformer." + flag.removeprefix("unet.")
        return other if other in {k.name for k in table.keys(setting, situation.trainer or "")} else flag
    return flag


def _aim(row: Row, suggested: object) -> object:
    """What conflicts are looked for: the suggested value; where only the direction is known, that it is on."""
    return True if suggested is None and row.suggest is None else suggested


def _in_force(current: object, suggested: object) -> bool:
    if isinstance(suggested, bool):
        return is_on(current) is suggested
    values = current if isinstance(current, list) else [current]
    return all(same(v, suggested) for v in values)


def _suggested(row: Row, current: object) -> object:
    """The value to set: a share of the current one (None where that is unknown or no number), or the row's own."""
    if row.suggest == "off":
        return False
    if row.suggest == "one":
        return 1 if row.setting == "dataloader_workers" else 1.0
    if not isinstance(row.suggest, str) or row.suggest not in SHARES:
        return row.suggest
    if isinstance(current, bool) or not isinstance(current, (int, float)):
        return None
    wanted = current * SHARES[row.suggest]
    if row.setting == "resolution":
        return max(_SIZE_STEP, round(wanted / _SIZE_STEP) * _SIZE_STEP)
    return max(1, int(wanted)) if isinstance(current, int) else float(f"{wanted:.2g}")
