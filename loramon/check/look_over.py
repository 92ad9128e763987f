"""A plan looked over: findings with the place and the source of each, the family's card, and the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loramon import __version__
from loramon import settings as table
from loramon.advice.cards import Card, Value, card_of
from loramon.advice.conditions import Situation, holds
from loramon.advice.conflicts import Conflict, conflict_of
from loramon.advice.hints import FAMILIES, Hint, for_finding, hints_for_plan
from loramon.advice.words import change_words
from loramon.check.dataset import Folder, folders_of
from loramon.check.dataset_rules import amounts_of, dataset_findings
from loramon.check.facts import facts_of
from loramon.check.notice import Notice
from loramon.check.options import option_notices
from loramon.check.paths import is_this_machine, path_notices
from loramon.check.plan import Plan, found_at
from loramon.check.rule import Rule, rules
from loramon.check.savings import disk_notice
from loramon.check.weights import Weights, read_weights
from loramon.events import SEVERITIES, Severity
from loramon.i18n import Language, fill, finding_text, has_message, message
from loramon.plain import plain, plain_tree
from loramon.run_figures import SETTINGS

SCHEMA = "loramon.check/1"
_CARD_IDS = {
    "rank": "setting-rank", "learning_rate": "setting-learning-rate", "effective_lr": "setting-learning-rate",
    "timestep_sampling": "setting-timesteps", "flow_shift": "setting-timesteps", "resolution": "setting-resolution",
    "mixed_precision": "setting-precision", "lr_scheduler": "setting-scheduler",
}  # fmt: skip


@dataclass
class Check:
    """What is to be said of one plan. `to_dict` gives the object of `check --json`."""

    plan: Plan
    settings: dict[str, object]
    facts: dict[str, object]
    card: Card | None
    notices: list[Notice]
    folders: list[Folder] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    lang: Language = "en"
    pace_s: float | None = None

    @property
    def verdict(self) -> str:
        """`healthy`, `warning` or `critical`: the gravest of the findings, in the contract's words."""
        worst = max((SEVERITIES.index(n.severity) for n in self.notices), default=0)
        return ("healthy", "warning", "critical")[worst]

    def to_dict(self) -> dict[str, Any]:
        """One object a training, with findings in the shape of `diagnose --json`."""
        return {
            "schema": SCHEMA,
            "loramon_version": __version__,
            "source": self.plan.source,
            "trainer": self.plan.trainer,
            "verdict": self.verdict,
            "primary": self.notices[0].id if self.notices and self.notices[0].severity != "note" else None,
            "settings": {name: plain_tree(self.settings[name]) for name in SETTINGS if self.settings.get(name) is not None},
            "facts": {name: plain_tree(value) for name, value in self.facts.items()},
            "arithmetic": self.arithmetic(),
            "dataset": [folder.to_dict() for folder in self.folders],
            "card": self._card(),
            "findings": [self._finding(n) for n in self.notices],
            "hints": [{"id": h.id, "title": h.titles[self.lang]} for h in self.hints],
            "coverage": {"cannot_tell": self.cannot_tell()},
        }

    def arithmetic(self) -> dict[str, Any]:
        """Images × repeats ÷ batch × epochs = steps; the time at the pace that was given. Unknown figures are None."""
        steps = self.facts.get("steps")
        time_s = float(steps) * self.pace_s if isinstance(steps, int) and self.pace_s else None
        names = ("images", "images_with_repeats", "steps_per_epoch", "epochs", "steps", "images_seen", "saves", "save_bytes")
        return {**{name: plain(self.facts.get(name)) for name in names}, "batch_size": plain_tree(self.settings.get("batch_size")), "time_s": time_s}

    def cannot_tell(self) -> list[dict[str, str]]:
        """What could not be looked at, and why."""
        found = [{"id": "setting-*", "why": message("check.unread", self.lang, file=name, why=str(error.message))} for name, error in self.plan.unread.items()]
        if self.card is None:
            family = self.settings.get("architecture")
            why = message("check.no-card", self.lang, family=family) if family else message("check.no-family", self.lang)
            found.append({"id": "setting-*", "why": why})
        if not is_this_machine(self.plan):
            found.append({"id": "missing-file", "why": message("check.other-machine", self.lang)})
        return found

    def _card(self) -> dict[str, Any] | None:
        if self.card is None:
            return None
        rows = [{"setting": v.setting, "documented": [plain(d) for d in v.documented], "yours": plain_tree(self.known(v.setting)),
                 "basis": "documented", "source": v.source} for v in self.values()]  # fmt: skip
        return {"id": self.card.id, "name": self.card.names[self.lang], "notes": list(self.card.notes[self.lang]), "values": rows}

    def values(self) -> list[Value]:
        """The values of the card that are for this plan's trainer."""
        return card_values(self.card, Situation(self.settings, self.plan.trainer, self.facts)) if self.card else []

    def known(self, name: str) -> object:
        """A setting or fact of the plan."""
        return self.settings.get(name, self.facts.get(name))

    def _finding(self, notice: Notice) -> dict[str, Any]:
        numbers = {**self.settings, **self.facts, **notice.numbers}
        text = finding_text(notice.id, notice.variant, numbers, self.lang)
        said = fill(notice.says[self.lang], numbers) if notice.says else None
        glue = "" if self.lang == "ja" else " "
        return {
            "id": notice.id, "severity": notice.severity, "title": text.title,
            "explanation": glue.join(part for part in (said or "", text.explanation if not said else "") if part),
            "confidence": notice.confidence, "level": "certain" if notice.confidence >= 0.9 else "likely" if notice.confidence >= 0.65 else "possible",
            "first_step": None, "last_step": None, "alarm_step": None, "eta_step": notice.eta_step,
            "evidence": [{"line": w.line, "offset": None, "step": None, "text": w.text, "file": w.file} for w in notice.places],
            "excluded": [], "remedies": self._remedies(notice),
            "basis": notice.basis, "source": notice.source, "hint": self._hint(notice), "rule": notice.rule,
        }  # fmt: skip

    def _hint(self, notice: Notice) -> str | None:
        """The seed's hint about it; one about SD1.5 and SDXL is not pointed at from other families."""
        if notice.hint is not None or self.settings.get("architecture") not in FAMILIES:
            return notice.hint
        return next((h.id for h in for_finding(notice.id)), None)

    def _remedies(self, notice: Notice) -> list[dict[str, object]]:
        if notice.change is None:
            return []
        setting, suggested = notice.change
        trainer = self.plan.trainer
        flag = table.flag(setting, trainer, suggested) if trainer in table.trainers() else None
        current = self.settings.get(setting)
        if flag is None:
            return []
        action = change_words(setting, trainer, flag, current, suggested, self.lang)
        return [{"action": action, "why": "", "setting": setting, "flag": flag, "current": plain_tree(current), "suggested": plain(suggested),
                 "effect": "", "cost": "", "basis": notice.basis, "source": notice.source}]  # fmt: skip


def card_values(card: Card, situation: Situation) -> list[Value]:
    """The values of a card that are for this trainer."""
    return [v for v in card.values if holds(v.when, situation)]


def look_over(plan: Plan, lang: Language = "en", pace_s: float | None = None) -> Check:
    """Everything that is to be said of a plan. Reads headers of files that the plan names, never what is in them."""
    settings = plan.settings
    weights = _weights_of(plan, settings)
    if "architecture" not in settings and weights is not None and weights.family is not None and weights.problem is None:
        settings["architecture"] = weights.family
    folders = folders_of(plan)
    facts = facts_of(plan, settings, weights, amounts_of(plan, settings, folders))
    situation = Situation(settings, plan.trainer, facts)
    card = card_of(situation)
    notices = [
        *path_notices(plan, settings, weights),
        *option_notices(plan),
        *_rule_notices(plan, situation),
        *_conflict_notices(plan, situation),
        *dataset_findings(plan, settings, folders),
        *disk_notice(plan, settings, facts),
        *(_card_notices(plan, card, situation) if card else []),
    ]
    notices = sorted(_without_twins(notices), key=lambda n: -SEVERITIES.index(n.severity))
    return Check(plan, settings, facts, card, notices, folders, hints_for_plan(situation), lang, pace_s)


def _weights_of(plan: Plan, settings: Mapping[str, object]) -> Weights | None:
    name = settings.get("base_model")
    path = found_at(plan, name) if isinstance(name, str) else None
    return read_weights(Path(path)) if path is not None else None


def _rule_notices(plan: Plan, situation: Situation) -> list[Notice]:
    keys: dict[str, object] = {}
    for stated in plan.stated:
        keys[table.plain_key(stated.key)] = stated.value
    asked = [rule for rule in rules() if (plan.is_whole or not rule.asks_for_absence) and (plan.is_lora or rule.basis != "experience")]
    return [_of_rule(plan, rule) for rule in asked if rule.fits(situation, keys)]


def _of_rule(plan: Plan, rule: Rule) -> Notice:
    places = [w for w in (plan.where(s) for s in rule.settings) if w is not None]
    change = (rule.settings[0], rule.suggest) if rule.suggest is not None and rule.settings else None
    return Notice(rule.id, rule.severity, rule.says, places, rule.basis, rule.source, rule=rule.name, change=change, hint=rule.hint)


def _conflict_notices(plan: Plan, situation: Situation) -> list[Notice]:
    found: dict[str, Conflict] = {}
    for setting, value in situation.settings.items():
        conflict = conflict_of(setting, value, situation)
        if conflict is not None and (conflict.check != "no" or plan.trainer in conflict.refused_by):
            found.setdefault(conflict.name, conflict)
    notices = []
    for conflict in found.values():
        places = [w for w in (plan.where(conflict.setting), plan.where(conflict.other) if conflict.other else None) if w is not None]
        severity: Severity = "warning" if plan.trainer in conflict.refused_by else "note"
        notices.append(Notice("setting-conflict", severity, conflict.why, places, "documented", conflict.source, rule=conflict.name))
    return notices


def _card_notices(plan: Plan, card: Card, situation: Situation) -> list[Notice]:
    notices = []
    for value in card_values(card, situation):
        yours = situation.settings.get(value.setting, situation.facts.get(value.setting))
        if value.setting == "rank" and not situation.facts.get("rank_is_lora"):
            continue
        mine = min(yours) if isinstance(yours, list) and all(isinstance(y, (int, float)) for y in yours) else yours
        if not value.is_far(mine):
            continue
        shown = ", ".join(f"{d:g}" if isinstance(d, float) else str(d) for d in dict.fromkeys(value.documented))
        key = f"fact.{value.setting}"
        names = {lang: message(key, lang) if has_message(key, lang) else value.setting for lang in ("en", "ja")}
        numbers = {"value": f"{mine:g}" if isinstance(mine, float) else mine, "documented": shown, "family": card.names["en"]}
        says = value.reason or {lang: message("check.far", lang, name=names[lang], **numbers) for lang in ("en", "ja")}
        where = [w for w in (plan.where(value.setting), plan.where("learning_rate") if value.setting == "effective_lr" else None) if w is not None]
        id = _CARD_IDS.get(value.setting, "setting-base-model")
        notices.append(Notice(id, "note", says, where, "documented", value.source, rule=f"card-{card.id}", numbers=numbers, confidence=0.6))
    return notices


def _without_twins(notices: list[Notice]) -> list[Notice]:
    """A finding that shows the same place under the same id is said once; the graver one stays."""
    kept: list[Notice] = []
    for notice in sorted(notices, key=lambda n: (-SEVERITIES.index(n.severity), n.basis == "experience")):
        if not any(k.id == notice.id and k.basis == notice.basis and k.rule == notice.rule and k.numbers == notice.numbers for k in kept):
            kept.append(notice)
    return kept
