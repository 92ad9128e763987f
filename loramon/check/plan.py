"""A training that has not started: its trainer and every setting, each with the place where it is written.

What is read here is read by the same table as a run's settings (`loramon.settings`, `config_settings`,
`command_settings`); added are the places and what counts before what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loramon import settings as table
from loramon.command_settings import (
    configs_of_command,
    derived,
    family_of_base_model,
    flags_of,
    settings_of_command,
    trainer_of_command,
    trainers_own,
)
from loramon.config_document import Document
from loramon.config_files import document_of, text_of
from loramon.config_settings import is_gui_form, settings_of, trainer_of
from loramon.errors import UserError
from loramon.redact import redact
from loramon.script_commands import Shell, Word, commands_of, shell_of
from loramon.text import sanitise

_EMPTY = ("", None)
_SD_SCRIPTS = ("/train_network.py", "\\train_network.py", "train_db.py", "fine_tune.py")
"""sd-scripts that train Stable Diffusion 1 and, with --v2, 2 (kohya-ss/sd-scripts docs/train_network.md)."""
_WIDEST = 240
UNRESOLVED = re.compile(r"\$\{?\w+(?:\[[@*]\])?\}?|%\w+%|\$\(.*\)")
"""A variable that is set elsewhere: its value is not known, and a list of options may stand in it."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where something is written: `file` as named by the user (None: the command line itself), `line` from 1."""

    file: str | None
    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Stated:
    """One option or key with its value, as written. `setting`: the contract's name for it where it has one."""

    key: str
    value: object
    where: Where
    setting: str | None = None
    meaning: object = None
    dataset: int | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """The script that a plan's command stands in, with the places of its words."""

    path: Path
    text: str
    shell: Shell
    words: list[Word]


@dataclass
class Plan:
    """One training. `stated` is in order of what counts: a later one overrides an earlier one of the same setting.

    `words`: its command line, empty where there is none. `folders`: where relative paths may start from. `unread`: files
    that are named but could not be read, and why. `documents`: the configuration files that were read.
    """

    source: str
    trainer: str | None
    stated: list[Stated] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    unread: dict[str, UserError] = field(default_factory=dict)
    documents: dict[Path, Document] = field(default_factory=dict)
    family_by_script: str | None = None
    script: Script | None = None

    @property
    def settings(self) -> dict[str, object]:
        """The settings under the contract's names. Of several data sets the first one counts."""
        found: dict[str, object] = {}
        from_datasets: set[str] = set()
        for s in self.stated:
            if s.setting is None or s.meaning is None or s.setting in from_datasets:
                continue
            if s.dataset is not None:
                from_datasets.add(s.setting)
            found[s.setting] = s.meaning
        given = {table.plain_key(s.key): str(s.value) for s in self.stated}
        found.update(derived(found, {k: v for k, v in given.items() if k in ("network_module", "network_args")}))
        if self.family_by_script is not None:
            found["architecture"] = self.family_by_script
        elif self.trainer == "kohya" and any(f"/{word}".endswith(_SD_SCRIPTS) for word in self.words):
            found.setdefault("architecture", "sd2" if found.get("sd2_switch") is True else "sd1")
        if found.get("architecture") == "flux" and (kind := self.said("--model_type")) is not None and str(kind.value).lower() == "chroma":
            found["architecture"] = "chroma"  # kohya-ss/sd-scripts flux_train_network.py trains both
        if "architecture" not in found and (family := family_of_base_model(found.get("base_model"))) is not None:
            found["architecture"] = family
        return found

    @property
    def is_whole(self) -> bool:
        """Whether all that is said of the training was read: no file of settings is missing, and it is more than a data set."""
        named = {s.value for s in self.stated if s.setting == "dataset_config"}
        unknown = any("..." in word or UNRESOLVED.fullmatch(word) for word in self.words)
        return not unknown and not set(self.unread) - named and any(s.setting == "base_model" or s.key in ("dit", "model.type") for s in self.stated)

    @property
    def is_lora(self) -> bool:
        """Whether an adapter is trained, not the whole model, as far as it is said."""
        return any(s.setting in ("rank", "network_type") for s in self.stated) or any("lora" in word.lower() for word in self.words if word.endswith(".py"))

    def where(self, *settings: str) -> Where | None:
        """The place that counts for the first of these settings that is written anywhere."""
        for setting in settings:
            for s in reversed(self.stated):
                if s.setting == setting:
                    return s.where
        return None

    def said(self, key: str) -> Stated | None:
        """What is stated under this key of the trainer, whatever its dashes; the one that counts."""
        wanted = table.plain_key(key)
        return next((s for s in reversed(self.stated) if table.plain_key(s.key) == wanted), None)

    def all_said(self, *keys: str) -> Iterator[Stated]:
        """Everything stated under one of these keys, in order."""
        wanted = {table.plain_key(k) for k in keys}
        yield from (s for s in self.stated if table.plain_key(s.key) in wanted)


def plans_of_file(path: Path, source: str) -> list[Plan]:
    """The trainings that a configuration file or a script describes. Raises UserError where it describes none."""
    shell = shell_of(path.name)
    if shell is not None:
        text = text_of(path)
        commands = [words for words in commands_of(text, shell) if trainer_of_command([w.text for w in words]) is not None]
        if not commands:
            raise UserError("no-training", f"{source}: no command in it that starts a training loramon knows")
        plans = [_of_command(words, source, [path.absolute().parent, Path.cwd()], source) for words in commands]
        for plan, words in zip(plans, commands, strict=True):
            plan.script = Script(path, text, shell, words)
        return plans
    document = document_of(path)
    trainer = trainer_of(document)
    if trainer is None:
        raise UserError("no-training", f"{source}: no keys in it by which loramon knows a trainer's configuration")
    plan = Plan(source, trainer, folders=[path.absolute().parent, Path.cwd()])
    _add_document(plan, path, document, source)
    _add_dataset_config(plan)
    return [plan]


def plan_of_command(argv: Sequence[str], source: str) -> Plan:
    """The training that a command line starts. Raises UserError where loramon does not know it as one."""
    words = [Word(word, 1) for word in argv]
    if trainer_of_command(argv) is None:
        script = next((Path(w) for w in argv if shell_of(w) is not None and Path(w).is_file()), None)
        if script is not None:
            return plans_of_file(script, str(script))[-1]
        raise UserError("no-training", "this command starts no training that loramon knows; give the trainer's own command or its settings file")
    return _of_command(words, source, [Path.cwd()], None)


def _of_command(words: list[Word], source: str, folders: list[Path], file: str | None) -> Plan:
    argv = [w.text for w in words]
    trainer = trainer_of_command(argv)
    told = settings_of_command(argv, trainer)
    script_family = told.get("architecture")
    plan = Plan(source, trainer, words=argv, folders=_with_script_folder(argv, folders), family_by_script=str(script_family) if script_family else None)
    flags = list(_flags(words, trainer, file))
    for name in configs_of_command(argv, trainer):
        if any(s.setting == "dataset_config" and s.value == name for s in flags):
            continue
        _add_config_file(plan, name)
    plan.stated += flags
    _add_dataset_config(plan)
    return plan


def _with_script_folder(argv: Sequence[str], folders: list[Path]) -> list[Path]:
    """Trainers are started from their own folder; a full path of the script tells which that is."""
    at = trainers_own(argv)
    script = argv[at - 1] if 0 < at <= len(argv) else ""
    parent = Path(script).parent
    return [*folders, parent] if parent.is_absolute() else folders


def _flags(words: list[Word], trainer: str | None, file: str | None) -> Iterator[Stated]:
    argv = [w.text for w in words]
    start = trainers_own(argv)
    for flag in flags_of(argv[start:]):
        first = words[start + flag.at[0]]
        shown = redact(sanitise(" ".join(argv[start + flag.at[0] : start + flag.at[1]]), _WIDEST))
        where = Where(file, first.line if file is not None else None, shown)
        name = (table.matches(flag.name, trainer) if trainer else None) or flag.name
        known = table.read(name, flag.value, trainer) if trainer else None
        if known is not None and UNRESOLVED.search(flag.value):
            switch = table.read(name, "true", trainer or "")
            known = (known[0], switch[1] if switch is not None and switch[1] is not None and switch[1] != "true" else None)
        yield Stated(name, _plain(flag.value), where, *(known or (None, None)))


def _plain(value: object) -> object:
    return sanitise(value, _WIDEST * 8) if isinstance(value, str) else value


def _add_config_file(plan: Plan, name: str) -> None:
    path = found_at(plan, name)
    if path is None:
        plan.unread[name] = UserError("not-found", f"{name}: no such file")
        return
    try:
        _add_document(plan, path, document_of(path), name)
    except UserError as error:
        plan.unread[name] = error


def _add_dataset_config(plan: Plan) -> None:
    """What the dataset's own file says counts before the command line (sd-scripts config_util.py: subset, dataset, args)."""
    named = next((s for s in reversed(plan.stated) if s.setting == "dataset_config"), None)
    if named is not None and isinstance(named.value, str) and named.value not in _EMPTY:
        _add_config_file(plan, named.value)


def found_at(plan: Plan, name: str) -> Path | None:
    """The file or folder that a name in the settings means, where it is at hand."""
    path = Path(name).expanduser()
    places = [path] if path.is_absolute() else [folder / path for folder in plan.folders]
    return next((p for p in places if _exists(p)), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _add_document(plan: Plan, path: Path, document: Document, name: str) -> None:
    trainer = plan.trainer or trainer_of(document)
    if trainer is None:
        return
    plan.documents[path] = document
    gui = is_gui_form(document)
    lines = document.text.splitlines()
    known = {given.entry.path: given for given in settings_of(document, trainer)}
    for entry in document.entries:
        if gui and (entry.value in _EMPTY or entry.value is False or entry.value in (0, "0", "None", "none")):
            continue
        line = document.line_of(entry)
        text = lines[line - 1].strip() if line is not None and line <= len(lines) else f"{entry.key} = {entry.value}"
        where = Where(name, line, redact(sanitise(text, _WIDEST)))
        given = known.get(entry.path)
        value, dataset = _plain(entry.value), _dataset_of(entry.path)
        if given is None:
            key = table.own_key([part for part in entry.path if isinstance(part, str)], trainer)
            plan.stated.append(Stated(key, value, where, dataset=dataset))
        else:
            plan.stated.append(Stated(given.key, value, where, given.setting, _plain(given.value), dataset))


def _dataset_of(path: tuple[str | int, ...]) -> int | None:
    """Which of several data sets a value belongs to."""
    after = path[path.index("datasets") + 1 :] if "datasets" in path else ()
    return next((part for part in after if isinstance(part, int)), None)
