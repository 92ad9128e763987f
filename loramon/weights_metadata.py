"""What a safetensors file says of its own training: the trainer, the settings, how far it was trained.

Sources: kohya-ss/sd-scripts train_network.py (`ss_*`, values by Python's `str()`) and library/sai_model_spec.py
(`modelspec.*`), kohya-ss/musubi-tuner training/trainer_base.py (the same names), ostris/ai-toolkit toolkit/metadata.py
(`software`, `training_info`), Nerogar/OneTrainer modules/modelSaver (`ot_*`), huggingface/diffusers
loaders/lora_base.py (`lora_adapter_metadata`, PEFT's configuration per network).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loramon import settings as table
from loramon.command_settings import derived
from loramon.config_document import parse_document
from loramon.config_settings import settings_of
from loramon.errors import UserError
from loramon.model_families import family_of
from loramon.redact import redact
from loramon.text import sanitise

_MUSUBI_MODULE = re.compile(r"networks\.lora_(?:wan|framepack|flux_2|flux_kontext|qwen_image|zimage|hv_1_5|kandinsky|hidream_o1|krea2|ideogram4)")
_MAX_JSON_CHARS = 4 << 20
_CLASS_CALL = re.compile(r"([\w.]+)\((.*)\)", re.S)
_PEFT_KEYS = {"r": "rank", "lora_alpha": "alpha", "use_dora": "use_dora", "base_model_name_or_path": "base_model"}


@dataclass(slots=True)
class Told:
    """What the metadata tells. `alpha`, `root_scale`: where they do not stand among the tensors (PEFT)."""

    trainer: str | None = None
    settings: dict[str, object] = field(default_factory=dict)
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    total_epochs: float | None = None
    started_s: float | None = None
    ended_s: float | None = None
    alpha: float | None = None
    root_scale: bool = False


def read_metadata(metadata: Mapping[str, str]) -> Told:
    """Never raises on what is in it: values that make no sense are left out."""
    told = Told(_trainer(metadata))
    found: dict[str, object] = {}
    for key, text in metadata.items():
        if key in ("ss_optimizer", "ss_datasets", "ss_dataset_dirs", "ss_tag_frequency", "ss_bucket_info", "ss_network_args", "ss_epoch", "ss_steps"):
            continue
        known = table.read(key, text, told.trainer or "kohya") if key.startswith(("ss_", "modelspec.")) and len(text) < 4096 else None
        if known is not None and known[1] is not None:
            found.setdefault(known[0], known[1])
    _kohya_data(metadata, found)
    _optimizer(metadata.get("ss_optimizer"), found)
    network = {"network_module": metadata.get("ss_network_module", ""), "network_args": _joined(_json(metadata.get("ss_network_args")))}
    found |= derived(found, network)
    if metadata.get("ss_v2") == "True":
        found.setdefault("architecture", "sd2")
    family = next((f for key in ("ss_base_model_version", "modelspec.architecture") if (f := family_of(metadata.get(key, ""))) is not None), None)
    if family is not None:
        found["architecture"] = family
    elif "architecture" in found:
        del found["architecture"]  # a word that is no family known here (`custom`)
    _ai_toolkit(metadata, told)
    _onetrainer(metadata, found)
    _peft(_json(metadata.get("lora_adapter_metadata")), found, told)
    told.step = told.step if told.step is not None else _whole(metadata.get("ss_steps"))
    told.total_steps = _whole(metadata.get("ss_max_train_steps"))
    told.epoch = told.epoch if told.epoch is not None else _whole(metadata.get("ss_epoch"))
    told.total_epochs = _whole(metadata.get("ss_num_epochs"))
    told.started_s, told.ended_s = _time(metadata.get("ss_training_started_at")), _time(metadata.get("ss_training_finished_at"))
    told.settings = {name: redact(sanitise(value, 300)) if isinstance(value, str) else value for name, value in found.items()}
    return told


def _trainer(metadata: Mapping[str, str]) -> str | None:
    if any(key.startswith("ot_") for key in metadata):
        return "onetrainer"
    if "ai-toolkit" in metadata.get("software", "")[:500]:
        return "ai-toolkit"
    if "ss_num_train_items" in metadata or (_MUSUBI_MODULE.match(metadata.get("ss_network_module", "")) and "ss_sd_scripts_commit_hash" not in metadata):
        return "musubi"
    return "kohya" if "ss_network_module" in metadata or "ss_sd_scripts_commit_hash" in metadata else None


# ---------------------------------------------------------------- each writer's own form


def _kohya_data(metadata: Mapping[str, str], found: dict[str, object]) -> None:
    """Size, batch and repeats stand in `ss_datasets` where a data set configuration was given, else on their own."""
    sets = _json(metadata.get("ss_datasets"))
    first = sets[0] if isinstance(sets, list) and sets and isinstance(sets[0], dict) else {}
    for key, name in (("batch_size_per_device", "batch_size"), ("resolution", "resolution"), ("enable_bucket", "bucketing")):
        if first.get(key) is not None and name not in found:
            found[name] = table.normalise(name, first[key])
    folders = _json(metadata.get("ss_dataset_dirs"))
    parts = [*first.get("subsets", ())] if isinstance(first.get("subsets"), list) else [*folders.values()] if isinstance(folders, dict) else []
    repeats = [p.get("num_repeats", p.get("n_repeats")) for p in parts if isinstance(p, dict)]
    if repeats and all(isinstance(n, int) for n in repeats):
        found.setdefault("repeats", table.normalise("repeats", repeats))


def _optimizer(text: str | None, found: dict[str, object]) -> None:
    """`bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)`: the class's own name, and what it was given."""
    if not text or text == "None":
        return
    call = _CLASS_CALL.fullmatch(text[:2000])
    found["optimizer"] = (call[1] if call else text[:200]).rpartition(".")[2]
    if call and call[2].strip():
        found["optimizer_args"] = call[2].strip()


def _ai_toolkit(metadata: Mapping[str, str], told: Told) -> None:
    info = _json(metadata.get("training_info"))
    if isinstance(info, dict):
        told.step, told.epoch = _whole(info.get("step")), _whole(info.get("epoch"))


def _onetrainer(metadata: Mapping[str, str], found: dict[str, object]) -> None:
    """The whole configuration, where the user let it be included."""
    text = metadata.get("ot_config")
    if not text:
        return
    try:
        document = parse_document(text[:_MAX_JSON_CHARS], "json", "ot_config")
        for given in settings_of(document, "onetrainer"):
            if given.value is not None:
                found[given.setting] = given.value
    except UserError:
        return


def _peft(data: Any, found: dict[str, object], told: Told) -> None:
    """PEFT's configuration as diffusers keeps it: keys with the network before them (`transformer.r`)."""
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        last = str(key).rpartition(".")[2]
        name = _PEFT_KEYS.get(last)
        if name is None or isinstance(value, (dict, list)) or value is None:
            told.root_scale = told.root_scale or (last == "use_rslora" and value is True)
        elif name == "use_dora":
            found |= {"network_type": "dora"} if value is True else {}
        else:
            found.setdefault(name, table.normalise(name, value))
    alpha = found.get("alpha")
    told.alpha = float(alpha) if isinstance(alpha, (int, float)) else None


# ---------------------------------------------------------------- values


def _json(text: str | None) -> Any:
    if not text or len(text) > _MAX_JSON_CHARS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _joined(data: Any) -> str:
    return " ".join(f"{k}={v}" for k, v in data.items()) if isinstance(data, dict) else ""


def _whole(value: object) -> int | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and 0 <= number < 1 << 48 else None


def _time(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 1e9 < number < 1e11 else None
