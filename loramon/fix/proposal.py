"""The proposal: the first remedy that can be written into the run's own settings, and the diff that does it."""

from __future__ import annotations

import contextlib
import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loramon import settings as table
from loramon.check.plan import Plan, found_at, plan_of_command, plans_of_file
from loramon.config_document import parse_document
from loramon.config_settings import settings_of
from loramon.diagnosis import Diagnosis
from loramon.errors import UserError
from loramon.findings import Change, Finding, Remedy
from loramon.fix.command_edits import changed_words
from loramon.fix.document_edits import edits_of
from loramon.fix.edit import CannotChange, applied
from loramon.fix.own_settings import command_of, configs_of
from loramon.fix.script_edits import script_edits
from loramon.redact import redact
from loramon.sources.discover import Source
from loramon.text import sanitise

CONTEXT = 3
_WIDEST = 4000


@dataclass
class Proposal:
    """`diff`: unified, empty where nothing can be changed; `cannot`: message keys with what they are about."""

    finding: str | None = None
    remedy: Remedy | None = None
    changes: list[Change] = field(default_factory=list)
    diff: str = ""
    target: str | None = None
    cannot: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    later: list[Remedy] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For `diagnose --json --fix`."""
        changes = [{"setting": c.setting, "flag": c.flag, "current": _plain(c.current), "suggested": _plain(c.suggested)} for c in self.changes]
        return {"finding": self.finding, "remedy": self.remedy.row if self.remedy else None, "changes": changes, "file": self.target, "diff": self.diff,
                "cannot": [{"why": key.rpartition(".")[2], **{k: str(v) for k, v in about.items()}} for key, about in self.cannot]}  # fmt: skip


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def propose(findings: Sequence[Finding], primary: str | None, plan: Plan | None, trainer: str | None) -> Proposal:
    """The first remedy of the gravest finding that changes a setting and can be written down; the others come later."""
    ordered = sorted(findings, key=lambda f: f.id != primary)
    found = Proposal()
    for finding in ordered:
        if finding.severity == "note" and finding.id != primary:
            continue
        for remedy in finding.remedies:
            if remedy.setting is None:
                continue
            if found.diff:
                if finding.id == found.finding:
                    found.later.append(remedy)
                continue
            _try(found, finding, remedy, plan, trainer)
    return found


def _try(found: Proposal, finding: Finding, remedy: Remedy, plan: Plan | None, trainer: str | None) -> None:
    about: dict[str, object] = {"setting": remedy.flag or remedy.setting}
    if plan is None or trainer is None:
        if not any(key == "fix.no-settings" for key, _ in found.cannot):
            found.cannot.append(("fix.no-settings", {}))
        return
    own = Change(str(remedy.setting), remedy.flag, remedy.current, remedy.suggested)
    try:
        diff, target = _diff(plan, trainer, (own, *remedy.also))
    except CannotChange as why:
        found.cannot.append((str(why), about))
        return
    found.finding, found.remedy, found.changes, found.diff, found.target = finding.id, remedy, [own, *remedy.also], diff, target


def _diff(plan: Plan, trainer: str, changes: Sequence[Change]) -> tuple[str, str]:
    """One diff over all files that change. Raises CannotChange where one of the changes cannot be written."""
    words = list(plan.words)
    texts = {path: document.text for path, document in plan.documents.items()}
    for change in changes:
        target = _target(plan, trainer, change)
        if target is None:
            words = changed_words(words, trainer, change)
        else:
            document = parse_document(texts[target], plan.documents[target].kind, str(target))
            after = applied(texts[target], edits_of(document, trainer, change))
            if after == texts[target]:
                raise CannotChange("fix.not-there")
            _verify(after, target, plan, trainer, change)
            texts[target] = after
    parts, names = [], []
    for path, document in plan.documents.items():
        if texts[path] != document.text:
            parts.append(_unified(document.text.splitlines(), texts[path].splitlines(), str(path)))
            names.append(str(path))
    if words != plan.words:
        shown, name = _command_diff(plan, words)
        parts.append(shown)
        names.append(name)
    return "\n".join(parts), ", ".join(names)


def _command_diff(plan: Plan, words: list[str]) -> tuple[str, str]:
    """In the script that the command stands in, where its own words are changed; else in the command by itself."""
    script = plan.script
    if script is not None:
        with contextlib.suppress(CannotChange):
            after = applied(script.text, script_edits(script.text, script.shell, script.words, words))
            return _unified(script.text.splitlines(), after.splitlines(), str(script.path)), str(script.path)
    return _unified(_lines(plan.words), _lines(words), "command"), "command"


def _target(plan: Plan, trainer: str, change: Change) -> Path | None:
    """The file in which the setting counts, None for the command line: where it is stated last, else where it can be added."""
    stating = [path for path, document in plan.documents.items() if any(g.setting == change.setting for g in settings_of(document, trainer))]
    dataset = {path for path in plan.documents if _is_dataset(plan, path)}
    script = str(plan.script.path) if plan.script is not None else None
    from_words = [s for s in plan.stated if s.setting == change.setting and s.where.file in (None, script)]
    in_dataset = next((p for p in stating if p in dataset), None)
    if in_dataset is not None:
        return in_dataset
    if plan.words and (from_words or not stating) and (change.flag or "").startswith("-"):
        return None
    if stating:
        return stating[-1]
    if plan.words and (change.flag or "").startswith("-"):
        return None
    main = next((p for p in plan.documents if p not in dataset), next(iter(plan.documents), None))
    if main is None:
        raise CannotChange("fix.no-place")
    return main


def _is_dataset(plan: Plan, path: Path) -> bool:
    named = plan.said("--dataset_config") or plan.said("dataset")
    return named is not None and isinstance(named.value, str) and found_at(plan, named.value) == path


def _verify(text: str, path: Path, plan: Plan, trainer: str, change: Change) -> None:
    """The changed text is read again: a diff that would not do what it says is never shown."""
    try:
        document = parse_document(text, plan.documents[path].kind, str(path))
    except UserError:
        raise CannotChange("fix.no-place") from None
    values = [g.value for g in settings_of(document, trainer) if g.setting == change.setting]
    wanted = table.normalise(change.setting, change.suggested)
    if change.suggested is False:
        if any(v is True for v in values):
            raise CannotChange("fix.no-place")
    elif not any(v == wanted or v is True for v in values):
        raise CannotChange("fix.no-place")


def _unified(before: list[str], after: list[str], name: str) -> str:
    shown = difflib.unified_diff([_safe(x) for x in before], [_safe(x) for x in after], name, f"{name} (suggested)", lineterm="", n=CONTEXT)
    return "\n".join(shown)


def _safe(line: str) -> str:
    return redact(sanitise(line, _WIDEST))


def _lines(words: Sequence[str]) -> list[str]:
    """A command as it is written by hand: an option a line."""
    lines: list[str] = []
    for word in words:
        quoted = shlex.quote(word)
        if word.startswith("--") or not lines:
            lines.append(("  " if lines else "") + quoted)
        else:
            lines[-1] += f" {quoted}"
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def proposal_of(diagnosis: Diagnosis, source: Source | None, run_config: Path | None) -> Proposal:
    """The proposal for a run that was diagnosed. `source`: its files; `run_config`: what the user named as its settings."""
    run = diagnosis.run
    files = [run_config] if run_config is not None else []
    if run_config is None and source is not None:
        folder = Path(source.name) if Path(source.name).is_dir() else source.logs[0].parent if source.logs else None
        files = configs_of(run, folder) if folder is not None else []
    command = command_of(run, source) if source is not None and run_config is None else None
    return propose(diagnosis.findings, diagnosis.said.primary, plan_of_run(files, command, run.trainer), run.trainer)


def plan_of_run(files: Sequence[Path], command: Sequence[str] | None, trainer: str | None) -> Plan | None:
    """The run's own settings: its command line where it is known, else the configuration files that lie beside it."""
    folders = list(dict.fromkeys(path.parent for path in files))
    if command:
        try:
            plan = plan_of_command(command, "command")
        except UserError:
            plan = None
        if plan is not None:
            return plan
    found: Plan | None = None
    for path in files:
        try:
            plans = plans_of_file(path, str(path))
        except UserError:
            continue
        plan = plans[-1]
        if trainer not in (None, "tensorboard") and plan.trainer != trainer:
            continue
        if found is None:
            found = plan
            found.folders += folders
        elif len(plan.documents) == 1 and not (set(plan.documents) & set(found.documents)) and not plan.is_whole:
            found.documents.update(plan.documents)  # the data set's own file beside the main one
            found.stated += plan.stated
    return found
