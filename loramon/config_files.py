"""The files that tell a run's settings: whose each is, what it says, and whether the trainer wrote it or was given it.

Whose file it is follows from its own keys, so a file that merely lies beside a run tells nothing. Sources: the trainers'
own schemas as named in settings.toml; accelerate 1.6 tracking.py:219 (`hparams.yml`), wandb 0.22 sdk/wandb_config.py
(`config.yaml`, each value below `value`), peft 0.21 config.py (`adapter_config.json`), transformers 5.23
trainer_callback.py TrainerState (`trainer_state.json`), SimpleTuner helpers/configuration/env_file.py (`config.env`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loramon.command_settings import derived, settings_of_command, trainer_of_command, words_of_script
from loramon.config_document import MAX_BYTES, Document, Entry, parse_document, read_document, scalar
from loramon.config_settings import settings_of, trainer_of
from loramon.errors import UserError
from loramon.events import Origin
from loramon.redact import redact
from loramon.script_commands import SHELLS, Shell, shell_of
from loramon.text import sanitise

SUFFIXES = (".toml", ".yaml", ".yml", ".json", ".env", *SHELLS)
_WRITTEN = re.compile(
    r"hparams\.yml|adapter_config\.json|trainer_state\.json|simpletuner_config\.json|training_args\.(?:yaml|json)|args\.json"
    r"|\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.json"
)
_OF_HF_TRAINER = ("adapter_config.json", "trainer_state.json")
_ENV_NAMES = {"max_num_steps": "max_train_steps", "num_epochs": "num_train_epochs", "checkpointing_steps": "checkpoint_step_interval",
              "model_name": "pretrained_model_name_or_path"}  # fmt: skip
"""SimpleTuner's variables are its flags in capitals, but for these (configuration/env_file.py, cmd_args.py:983)."""
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What one file says. `trainer`: whose file it is, by its keys. `origin`: written by the trainer, or given to it.

    `problem`: why nothing could be read of it, None where it was read.
    """

    path: Path
    settings: Mapping[str, object]
    trainer: str | None = None
    origin: Origin = "config"
    problem: str | None = None


def read_config(path: Path, trainer: str | None = None) -> ConfigFile:
    """Reads one file. `trainer`: who is known to have run, for files whose keys do not tell. Never raises on what is in it."""
    try:
        if (shell := shell_of(path.name)) is not None:
            return _script(path, _text(path), shell)
        document = document_of(path)
    except UserError as error:
        return ConfigFile(path, {}, problem=sanitise(error.message.removeprefix(f"{path}: "), 160))
    own = "hf-trainer" if path.name in _OF_HF_TRAINER else trainer_of(document)
    if own is None:
        return ConfigFile(path, {})
    is_dataset = own in ("kohya", "musubi") and any(e.path[0] == "datasets" for e in document.entries)
    mine = trainer if is_dataset and trainer in ("kohya", "musubi") else own
    return ConfigFile(path, _settings(document, mine), None if is_dataset else own, _origin(path, own))


def document_of(path: Path) -> Document:
    """The values of a configuration file of any kind but scripts. Raises UserError as `read_document` does."""
    return _unwrapped(_env(_text(path)) if path.suffix == ".env" or path.name == ".env" else read_document(path))


def text_of(path: Path) -> str:
    """The text of a script. Raises UserError `not-found`, `unreadable`."""
    if not path.exists():
        raise UserError("not-found", f"{path}: no such file")
    return _text(path)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError as error:
        raise UserError("unreadable", f"{path}: {error.strerror or error}") from None


def _settings(document: Document, trainer: str) -> dict[str, object]:
    """Of several data sets, and of several keys for one setting within them, the first counts; else the last."""
    found: dict[str, object] = {}
    for given in settings_of(document, trainer):
        if given.value is None or (given.setting in found and "datasets" in given.entry.path):
            continue
        found[given.setting] = redact(sanitise(given.value)) if isinstance(given.value, str) else given.value
    network = {str(e.path[-1]): str(e.value) for e in document.entries if e.path and e.path[-1] in ("network_module", "network_args")}
    return {**found, **derived(found, network)}


def _origin(path: Path, trainer: str) -> Origin:
    """Whether the trainer wrote the file, or copied it at its start beside what it saves (ai-toolkit, diffusion-pipe, wandb)."""
    if _WRITTEN.fullmatch(path.name) or path.parent.name == "files":
        return "written"
    if trainer == "ai-toolkit" and path.name == "config.yaml" and next(path.parent.glob("*.safetensors"), None) is not None:
        return "written"
    return "written" if trainer == "diffusion-pipe" and next(path.parent.glob("events.out.tfevents.*"), None) is not None else "config"


def _unwrapped(document: Document) -> Document:
    """wandb keeps each value below `value`, beside a description."""
    if not any(e.path and e.path[0] in ("_wandb", "wandb_version") for e in document.entries):
        return document
    kept = tuple(replace(e, path=e.path[:-1]) for e in document.entries if len(e.path) == 2 and e.path[1] == "value" and e.path[0] != "_wandb")
    return replace(document, entries=kept)


def _env(text: str) -> Document:
    found = []
    for line in text.splitlines():
        match = _ENV_LINE.match(line)
        if match is not None:
            name = match[1].lower()
            found.append(Entry((_ENV_NAMES.get(name, name),), scalar(match[2].strip().strip("\"'")), None))
    return replace(parse_document("", "yaml", ""), entries=tuple(found))


def _script(path: Path, text: str, shell: Shell) -> ConfigFile:
    commands = words_of_script(text, shell)
    if not commands:
        return ConfigFile(path, {})
    trainer = trainer_of_command(commands[-1])
    return ConfigFile(path, settings_of_command(commands[-1], trainer), trainer)
