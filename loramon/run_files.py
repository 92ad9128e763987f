"""Settings from the files that a trainer leaves beside its run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from loramon.events import Setting
from loramon.run import Run
from loramon.settings import read
from loramon.text import sanitise

MAX_CONFIG_BYTES = 1 << 20
_PAIR = re.compile(r"^([A-Za-z_][\w.]*):\s*(.*?)\s*$")


def read_configs(run: Run, files: Sequence[Path]) -> None:
    """Adds what the configs say, where the log did not: a log shows what was in force, a file what was asked for."""
    for path in files:
        try:
            text = path.read_bytes()[:MAX_CONFIG_BYTES].decode("utf-8", "replace")
        except OSError:
            continue
        found: dict[str, object] = {}
        if path.name == "hparams.yml":
            found = _hparams(text, run.trainer)
        elif path.name == "adapter_config.json":
            found = _adapter(text)
        elif path.suffix in (".toml", ".yaml", ".yml", ".json"):
            found = _hparams(re.sub(r"^\s*([\w.]+)\s*=\s*", r"\1: ", text, flags=re.M), run.trainer)
        for name, value in found.items():
            if value is not None:
                run.settings.setdefault(name, Setting(name, sanitise(value) if isinstance(value, str) else value, path.name))


def _hparams(text: str, trainer: str | None) -> dict[str, object]:
    """accelerate 1.6 tracking.py:219 writes all arguments of a script as flat YAML, one a line."""
    found: dict[str, object] = {}
    for line in text.splitlines():
        match = _PAIR.match(line)
        if match is None:
            continue
        value = match[2].strip("'\"")
        known = read(match[1], value, trainer or "diffusers") if value not in ("", "null", "None") else None
        if known is not None:
            found[known[0]] = known[1]
    return found


def _adapter(text: str) -> dict[str, object]:
    """peft 0.21 config.py: `r`, `lora_alpha`, `peft_type`, `base_model_name_or_path`."""
    try:
        config = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(config, dict):
        return {}
    names = {"r": "rank", "lora_alpha": "alpha", "base_model_name_or_path": "base_model"}
    return {ours: config[theirs] for theirs, ours in names.items() if isinstance(config.get(theirs), (int, float, str))}
