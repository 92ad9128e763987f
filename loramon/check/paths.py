"""Files that a plan names: whether they are there, and whether this is the machine that they are meant for.

A configuration is often looked over on another machine than the one that trains. A path counts as missing only where
something of the plan is at hand here: another of its paths, or the folder above the missing one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from loramon.check.notice import Notice
from loramon.check.plan import Plan, Stated, found_at
from loramon.check.weights import Weights
from loramon.redact import redact
from loramon.text import sanitise

_FILES = (
    "pretrained_model_name_or_path", "dit", "dit_high_noise", "vae", "ae", "clip_l", "clip_g", "t5xxl", "t5", "clip", "text_encoder", "text_encoder1",
    "text_encoder2", "qwen3", "network_weights", "base_weights", "resume", "in_json", "metadata_file", "image_jsonl_file", "video_jsonl_file",
    "base_model_name", "model.name_or_path", "model.assistant_lora_path", "model.transformer_path", "model.vae_path", "model.diffusion_model",
    "sample_prompts", "concept_file_name", "data_backend_config",
)  # fmt: skip
_FOLDERS = (
    "train_data_dir", "reg_data_dir", "instance_data_dir", "image_dir", "datasets.image_directory", "datasets.video_directory", "image_directory",
    "video_directory", "datasets.folder_path", "instance_prompt_dir",
)  # fmt: skip
_WRITTEN = ("output_dir", "logging_dir", "training_folder", "workspace_dir", "log_dir", "cache_directory", "datasets.cache_directory")
_WEIGHTS_SUFFIX = re.compile(r"\.(?:safetensors|sft|ckpt|pt|pth|bin|gguf|toml|json|jsonl|yaml|txt)$", re.I)
_SOURCE = "Python docs: built-in exceptions, FileNotFoundError"


def path_notices(plan: Plan, settings: Mapping[str, object], weights: Weights | None) -> Iterator[Notice]:
    """Files and folders that are missing here, and a base model that is no whole weights file."""
    if weights is not None and weights.problem is not None:
        where = plan.where("base_model")
        numbers = {"path": redact(sanitise(str(settings.get("base_model"))))}
        source = "huggingface/safetensors README, format; safetensors/src/tensor.rs (header errors)"
        says = _CUT if weights.problem == "cut-off" else _NO_WEIGHTS
        yield Notice("corrupt-weights", "critical", says, [where] if where else [], "measured", source, rule=weights.problem, numbers=numbers)
    if not is_this_machine(plan):
        return
    said_once: set[str] = set()
    for stated in plan.all_said(*_FILES, *_FOLDERS):
        name = stated.value
        if not isinstance(name, str) or name in said_once or not _is_local(name, stated) or found_at(plan, name) is not None:
            continue
        said_once.add(name)
        yield Notice("missing-file", "critical", _MISSING, [stated.where], "measured", _SOURCE, rule="missing-file", numbers={"path": redact(sanitise(name))})
    for name, error in plan.unread.items():
        if error.code == "not-found" and (Path(name).is_absolute() or _script_is_here(plan)):
            yield Notice("missing-file", "critical", _MISSING, [], "measured", _SOURCE, rule="missing-file", numbers={"path": redact(sanitise(name))})
        elif error.code == "bad-config":
            yield Notice("bad-config", "critical", _BAD, [], "measured", "the file itself", rule="bad-config", numbers={"message": sanitise(error.message)})


def _is_local(name: str, stated: Stated) -> bool:
    """A path and no name on a hub (`owner/model`), no address, no variable of a shell."""
    if not name or "://" in name or "$" in name or "%" in name:
        return False
    return Path(name).expanduser().is_absolute() or bool(re.match(r"[A-Za-z]:[\\/]|\.{1,2}[\\/]", name)) or bool(_WEIGHTS_SUFFIX.search(name)) or (
        stated.key.lstrip("-") in _FOLDERS
    )


def is_this_machine(plan: Plan) -> bool:
    """Whether something of the plan is at hand here; a plan that names no path at all is at home anywhere."""
    names = [s.value for s in plan.all_said(*_FILES, *_FOLDERS, *_WRITTEN) if isinstance(s.value, str) and _is_local(s.value, s)]
    names += list(plan.unread)
    return not names or any(_at_hand(plan, name) for name in names)


def _at_hand(plan: Plan, name: str) -> bool:
    path = Path(name).expanduser()
    if not path.is_absolute():
        return found_at(plan, name) is not None or _script_is_here(plan)
    if found_at(plan, name) is not None:
        return True
    try:
        above = next((p for p in path.parents if p.exists()), None)
    except OSError:
        return False
    return above is not None and len(above.parts) > 3  # deeper than /home/user or /opt/code: a folder of theirs


def _script_is_here(plan: Plan) -> bool:
    """Whether the command is given from the folder that its script lies in."""
    script = next((w for w in plan.words if w.endswith(".py")), None)
    return script is not None and found_at(plan, script) is not None


_MISSING = {"en": "{path} is not there.", "ja": "{path}が見つかりません。"}
_NO_WEIGHTS = {
    "en": "{path} is no weights file: a web page, a git-lfs pointer or another kind of file under this name.",
    "ja": "{path}は重みファイルではありません。Webページやgit-lfsポインタ、別の種類のファイルがこの名前で保存されています。",
}
_CUT = {
    "en": "{path} is shorter than its own header says: the download stopped halfway.",
    "ja": "{path}は、ヘッダーに書かれた大きさより短いです。ダウンロードが途中で止まっています。",
}
_BAD = {"en": "{message}", "ja": "{message}"}
