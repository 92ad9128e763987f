"""A training's command line, from a log or from the running process: its settings, its trainer, its configuration files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loramon.model_families import family_of
from loramon.redact import redact
from loramon.script_commands import Shell, commands_of
from loramon.settings import matches, read
from loramon.text import sanitise

_MUSUBI_SCRIPT = re.compile(r"(?:hv|wan|fpack|flux_kontext|flux_2|qwen_image|zimage|hv_1_5|kandinsky5|krea2|ideogram4|hidream_o1)_train(?:_network)?\.py")
_KOHYA_SCRIPT = re.compile(
    r"(?:(?:sdxl|flux|sd3|lumina|hunyuan_image|anima)_)?train_network\.py|train_db\.py|fine_tune\.py|(?:sdxl|flux|sd3)_train\.py|(?:sdxl_)?train_textual_inversion\.py"
)
_DIFFUSERS_SCRIPT = re.compile(r"train_(?:dreambooth|text_to_image|controlnet|unconditional|instruct_pix2pix)\w*\.py")
_BY_SCRIPT = (
    (re.compile(r"^sdxl_|_sdxl|_sd_xl"), "sdxl"), (re.compile(r"^flux_kontext|_kontext"), "flux-kontext"), (re.compile(r"^flux_2|_flux2"), "flux2"),
    (re.compile(r"^flux_|_flux"), "flux"), (re.compile(r"^sd3_|_sd3"), "sd3"), (re.compile(r"^lumina|_lumina"), "lumina"), (re.compile(r"^anima_"), "anima"),
    (re.compile(r"^hunyuan_image"), "hunyuan-image"), (re.compile(r"^wan_train|_wan"), "wan"), (re.compile(r"^hv_"), "hunyuan-video"),
    (re.compile(r"^fpack"), "framepack"), (re.compile(r"^qwen_image|_qwen_?image"), "qwen-image"), (re.compile(r"^zimage|_z_image"), "z-image"),
    (re.compile(r"_sana"), "sana"), (re.compile(r"_hidream"), "hidream"), (re.compile(r"_lumina2"), "lumina"),
)  # fmt: skip
"""The scripts of sd-scripts, musubi-tuner and diffusers' examples are named after the family they train."""
_LAUNCHERS = re.compile(r"(?:accelerate|torchrun|deepspeed|python[\d.]*|uv|bash|sh|env|nice|nohup|time|launch(?:er)?\.py|run)(?:\.exe)?$")
_CONFIG_FLAGS = ("--config_file", "--dataset_config", "--config", "--config-path", "--config_path")


def settings_of_command(argv: Sequence[str], trainer: str | None = None) -> dict[str, object]:
    """The settings that a command line states, under the contract's names; values in one form, secrets masked.

    `argv`: the words of the command, as /proc gives them; what stands before the training script (accelerate's own flags)
    is not the training's. `trainer`: the contract's name, else it is told from the script. Later flags win, as in
    argparse, and flags may be shortened as argparse allows. A family is told from the script's name. Pure: no file is
    opened, so what stands in a `--config_file` is not in the answer (`configs_of_command` names those files).
    """
    words, script = _trainers_own(argv)
    owner = trainer or trainer_of_command(argv)
    found: dict[str, object] = {}
    family = next((name for pattern, name in _BY_SCRIPT if pattern.search(script)), None)
    if family is not None:
        found["architecture"] = family
    if owner is None:
        return found
    for flag, value in _flags(words):
        known = read(matches(flag, owner) or flag, value, owner)
        if known is not None and known[1] is not None:
            found[known[0]] = redact(sanitise(known[1])) if isinstance(known[1], str) else known[1]
    return {**found, **derived(found, dict(_flags(words)))}


def derived(found: dict[str, object], given: dict[str, str]) -> dict[str, object]:
    """What follows from several flags together: LyCORIS names its algorithm in the network's arguments
    (KohakuBlueleaf/LyCORIS docs `algo=`), LoRA of convolutions too is LoCon (sd-scripts docs/train_network `conv_dim`)."""
    module = given.get("--network_module", given.get("network_module", ""))
    arguments = given.get("--network_args", given.get("network_args", ""))
    algorithm = re.search(r"\balgo(?:rithm)?=[\"']?(\w+)", arguments)
    if "lycoris" in module:
        return {"network_type": algorithm[1].lower() if algorithm else "locon"}
    if found.get("network_type") == "lora" and re.search(r"\bconv_(?:dim|rank)=[\"']?[1-9]", arguments):
        return {"network_type": "locon"}
    return {}


def trainer_of_command(argv: Sequence[str]) -> str | None:
    """The trainer that a command line starts, by the names of its scripts and commands; None where none is known."""
    names = [_name(word) for word in argv]
    text = " ".join(argv[:64]).replace("\\", "/")
    if any(_MUSUBI_SCRIPT.fullmatch(name) for name in names) or "musubi_tuner/" in text:
        return "musubi"
    if any(_KOHYA_SCRIPT.fullmatch(name) for name in names):
        return "kohya"
    if any(_DIFFUSERS_SCRIPT.fullmatch(name) for name in names):
        return "diffusers"
    if any(name in ("llamafactory-cli", "lmf", "llamafactory") for name in names) or "/llamafactory/" in text:
        return "llamafactory"
    if "axolotl" in names or "axolotl.cli.train" in names:
        return "axolotl"
    if "simpletuner" in names or "/simpletuner/train.py" in text:
        return "simpletuner"
    if "trl" in names or "/trl/scripts/" in text:
        return "trl"
    if "unsloth-cli.py" in names or "unsloth" in names:
        return "unsloth"
    if any(n in ("train_remote.py", "train_ui.py", "train_ui_qt.py", "train_ui_ctk.py") for n in names) or ("train.py" in names and "--config-path" in argv):
        return "onetrainer"
    if "train.py" in names and any(word.startswith("--deepspeed") for word in argv) and any(word.startswith("--config") for word in argv):
        return "diffusion-pipe"
    if "run.py" in names and any(word.endswith((".yaml", ".yml", ".json")) for word in argv):
        return "ai-toolkit"
    if "loramon.trainer" in argv or ("loramon", "train") in pairwise(names):
        return "loramon"
    flags = {word.partition("=")[0] for word in argv}
    if "--network_module" in flags:  # a script under a name of its own, or in a variable
        return "musubi" if "--dit" in flags else "kohya"
    if any(name.endswith(".py") for name in names) and flags & {"--per_device_train_batch_size", "--lora_r", "--output_dir"}:
        return "hf-trainer"
    return None


def configs_of_command(argv: Sequence[str], trainer: str | None = None) -> list[str]:
    """The configuration files that a command line names, as written there (relative to its working directory).

    sd-scripts adds `.toml` where it is missing (library/train_util.py read_config_from_file), and so does musubi-tuner.
    """
    words, _ = _trainers_own(argv)
    owner = trainer or trainer_of_command(argv)
    found = []
    for flag, value in _flags(words):
        if flag in _CONFIG_FLAGS and value != "true":
            missing = owner in ("kohya", "musubi") and flag == "--config_file" and not value.lower().endswith(".toml")
            found.append(value + ".toml" if missing else value)
    if owner in ("ai-toolkit", "llamafactory", "axolotl"):
        found += [word for word in words if not word.startswith("-") and word.lower().endswith((".yaml", ".yml", ".json"))]
    if owner == "loramon":
        found += [word for word in words if word.lower().endswith(".toml")]
    return list(dict.fromkeys(found))


def words_of_script(text: str, shell: Shell = "sh") -> list[list[str]]:
    """The commands of a shell, batch or PowerShell script that start a training, as words; continued lines are joined."""
    found = [[word.text for word in words] for words in commands_of(text, shell)]
    return [words for words in found if trainer_of_command(words) is not None]


def _name(word: str) -> str:
    return re.split(r"[/\\]", word)[-1]


def _trainers_own(argv: Sequence[str]) -> tuple[list[str], str]:
    """The words from the training's own script on, and the script's name."""
    words = list(argv)
    for i, word in enumerate(words):
        name = _name(word)
        if not word.startswith("-") and (name.endswith(".py") or name in ("llamafactory-cli", "axolotl", "trl", "simpletuner")) and not _LAUNCHERS.match(name):
            return words[i + 1 :], name
        if word == "-m" and i + 1 < len(words) and not words[i + 1].startswith(("accelerate", "torch.", "deepspeed")):
            return words[i + 2 :], words[i + 1]
    return words, ""


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of a command line. `at`: the words it is written in, from the first to behind the last."""

    name: str
    value: str
    at: tuple[int, int]


def flags_of(words: Sequence[str]) -> list[Flag]:
    """The options in order; several values of one are joined by blanks, a bare switch has the value `true`.
    `key=value` without dashes is an override (LLaMA-Factory)."""
    found = []
    i = 0
    while i < len(words):
        word, start = words[i], i
        i += 1
        if not word.startswith("--"):
            if re.fullmatch(r"[A-Za-z_]\w*=.+", word):
                key, _, value = word.partition("=")
                found.append(Flag(key, value, (start, i)))
            continue
        if len(word) < 4:
            continue
        name, equals, value = word.partition("=")
        if not equals:
            taken = []
            while i < len(words) and not words[i].startswith("--"):
                taken.append(words[i])
                i += 1
            value = " ".join(taken) if taken else "true"
        found.append(Flag(name, value, (start, i)))
    return found


def trainers_own(argv: Sequence[str]) -> int:
    """Where the training's own words begin: behind its script. What stands before is the launcher's."""
    return len(argv) - len(_trainers_own(argv)[0])


def _flags(words: Sequence[str]) -> list[tuple[str, str]]:
    return [(flag.name, flag.value) for flag in flags_of(words)]


def family_of_base_model(name: object) -> str | None:
    """The family that the name of a base model tells (`stabilityai/stable-diffusion-xl-base-1.0`), None where it tells none."""
    return family_of(name, guess=True) if isinstance(name, str) else None
