"""Which trainer a config file is for, and the settings that it gives, under the contract's names.

Unlike a flag on a command line, a key of a config means what its whole path says: `save.dtype` is not the precision of
the training. Sources of the paths: settings.toml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loramon import settings as table
from loramon.config_document import Document, Entry
from loramon.model_families import network_of

_GUI_NAMES = {"optimizer": "optimizer_type", "max_resolution": "resolution", "epoch": "max_train_epochs"}
"""bmaltais/kohya_ss saves its form as JSON; keys that differ from sd-scripts' (kohya_gui/lora_gui.py save_configuration)."""
_GUI_FAMILIES = {"sdxl": "sdxl", "flux1_checkbox": "flux", "sd3_checkbox": "sd3", "lumina_checkbox": "lumina", "v2": "sd2"}
_GUI_KINDS = {"kohya locon": "locon", "kohya dylora": "dylora", "diag oft": "oft", "native fine tuning": "full"}
"""Its words for kinds of adapters (kohya_gui/lora_gui.py LoRA_type) that are not those of `network_of`, after `LyCORIS/`."""
_GUI_EMPTY = ("", 0, 0.0, "0", "None", "none")


@dataclass(frozen=True, slots=True)
class Given:
    """A setting as a config gives it: `entry` is where, `key` the trainer's own name for it."""

    setting: str
    value: object
    key: str
    entry: Entry


def trainer_of(document: Document) -> str | None:
    """The trainer whose config this is, None where its keys do not tell."""
    top = {str(e.path[0]).lstrip("-") for e in document.entries if e.path}
    keys = {e.key.lstrip("-") for e in document.entries}
    last = {k.rpartition(".")[2] for k in keys}
    if "config" in top and any(k.startswith("config.process.") for k in keys):
        return "ai-toolkit"
    if "base_model_name" in top and top & {"training_method", "__version", "model_type"}:
        return "onetrainer"
    if "model_family" in top or "data_backend_config" in top:
        return "simpletuner"
    if document.kind == "toml" and {"model.path", "data.folder"} <= keys:
        return "loramon"
    if document.kind == "toml" and "model.type" in keys and top & {"adapter", "optimizer", "dataset"}:
        return "diffusion-pipe"
    if "base_model" in top and top & {"adapter", "micro_batch_size", "sequence_len", "datasets", "load_in_4bit"}:
        return "axolotl"
    if top & {"finetuning_type", "lora_target", "template", "stage"} and "model_name_or_path" in top:
        return "llamafactory"
    if top & {"lora_r", "use_peft", "lora_target_modules", "dataset_name"} and "model_name_or_path" in top:
        return "trl"
    if "dit" in last or any(m.endswith(f".lora_{f}") for m in _modules(document) for f in _MUSUBI_MODULES):
        return "musubi"
    if "pretrained_model_name_or_path" in top and top & {"instance_data_dir", "validation_epochs", "checkpointing_steps"} and "network_module" not in top:
        return "diffusers"
    if "pretrained_model_name_or_path" in last and last & {"network_module", "network_dim", "LoRA_type", "train_data_dir", "dataset_config"}:
        return "kohya"
    if "network_module" in last or (document.kind == "json" and "LoRA_type" in top) or any(k.endswith("subsets.image_dir") for k in keys):
        return "kohya"
    if any(k in ("datasets.image_directory", "datasets.video_directory", "datasets.image_jsonl_file", "datasets.video_jsonl_file") for k in keys):
        return "musubi"
    return "hf-trainer" if "per_device_train_batch_size" in top else None


_MUSUBI_MODULES = ("wan", "framepack", "flux_2", "qwen_image", "zimage", "hv_1_5", "kandinsky", "hidream_o1", "krea2", "ideogram4")


def _modules(document: Document) -> list[str]:
    return [str(e.value) for e in document.entries if e.path and e.path[-1] == "network_module"]


def is_gui_form(document: Document) -> bool:
    """Whether this is the form of kohya_ss, saved as JSON: all fields are there, and empty ones mean nothing."""
    return document.kind == "json" and document.find("LoRA_type") is not None


def settings_of(document: Document, trainer: str) -> Iterator[Given]:
    """Every setting that the config gives, in the file's order; a setting may come several times (one a dataset)."""
    gui = is_gui_form(document)
    for entry in document.entries:
        key = table.own_key([part for part in entry.path if isinstance(part, str)], trainer)
        if trainer == "onetrainer" and _is_off(document, entry):
            continue
        if gui:
            if entry.value in _GUI_EMPTY or entry.value is False:
                continue
            if key in _GUI_FAMILIES and entry.value is True:
                yield Given("architecture", _GUI_FAMILIES[key], key, entry)
            elif key == "LoRA_type" and (kind := _gui_kind(entry.value)) is not None:
                yield Given("network_type", kind, key, entry)
            key = _GUI_NAMES.get(key, key)
        known = table.read_exact(key, entry.value, trainer)
        if known is not None:
            yield Given(known[0], known[1], key, entry)
        elif gui and isinstance(entry.value, str) and (setting := table.setting_of(key, trainer)) is not None:
            yield Given(setting, table.normalise(setting, entry.value), key, entry)  # a menu where sd-scripts has a switch


def _gui_kind(value: object) -> str | None:
    name = str(value).lower().rpartition("/")[2].replace("-", " ")
    return _GUI_KINDS.get(name) or network_of(name)


def _is_off(document: Document, entry: Entry) -> bool:
    """OneTrainer keeps the figure of a thing that its unit switches off (modules/util/enum/TimeUnit.py NEVER)."""
    unit = document.find(f"{entry.path[0]}_unit") if len(entry.path) == 1 else None
    return unit is not None and unit.value == "NEVER"
