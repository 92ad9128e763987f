"""Settings that stand in a command line which the log shows: a launcher's own echo, or the list in its error message.

Sources: CPython 3.11 subprocess.py CalledProcessError (the argv list), kohya_ss 45088f04 class_command_executor.py
("Executing command: ..."), DeepSpeed 0.19 launcher/runner.py ("cmd = ...").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from loramon.events import Place, Setting
from loramon.settings import read

_LISTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_COMMAND = re.compile(
    r"(?:CalledProcessError: Command '?\[|Executing command:|\bcmd = |\bcommand: |^\+ |^\$ |^(?:accelerate launch|torchrun|python3?|deepspeed) )"
)
DUMPING_TRAINERS = ("ai-toolkit", "axolotl")
_DUMPED = re.compile(r'\s+"(\w+)": ("[^"]*"|[\d.eE+-]+|true|false),?\s*')
SCRIPT = re.compile(r"([\w.-]*(?:train|finetune|run|main|launch|sft)[\w.-]*\.py|llamafactory-cli|axolotl)")
_BY_SCRIPT = ((re.compile(r"sdxl_train"), "sdxl"), (re.compile(r"flux_train|_flux"), "flux"), (re.compile(r"sd3_train|_sd3"), "sd3"),
              (re.compile(r"lumina_train"), "lumina"), (re.compile(r"anima_train"), "anima"), (re.compile(r"wan_train"), "wan"),
              (re.compile(r"hv_train"), "hunyuan-video"), (re.compile(r"qwen_image_train"), "qwen-image"), (re.compile(r"zimage_train|_z_image"), "z-image"),
              (re.compile(r"lora_sdxl|_sd_xl"), "sdxl"))  # fmt: skip


def settings_in(text: str, place: Place, trainer: str | None) -> Iterator[Setting]:
    """The settings of a command line in this line of the log; nothing where it holds none."""
    if "--" not in text or _COMMAND.search(text) is None:
        return
    yield from settings_of(words_of(text), place, trainer)


def dumped_setting(text: str, place: Place, trainer: str | None) -> Iterator[Setting]:
    """A line of the settings that the trainer prints as JSON when it starts (ai-toolkit, axolotl)."""
    match = _DUMPED.fullmatch(text) if trainer in DUMPING_TRAINERS else None
    if match is None or trainer is None:
        return
    known = read(match[1], match[2].strip('"'), trainer)
    if known is not None and known[1] is not None and match[2] != "null":
        yield Setting(known[0], known[1], "settings printed by the trainer", place)


def words_of(text: str) -> list[str]:
    """The words of a command line, printed as a list or as a line."""
    start = max(text.find("Command '["), text.find("Command ["))
    if start >= 0:
        end = text.rfind("]")
        return [a or b for a, b in _LISTED.findall(text[text.index("[", start) + 1 : end if end > start else None])]
    return text.split()


def settings_of(words: list[str], place: Place | None, trainer: str | None, read_from: str = "command line") -> Iterator[Setting]:
    """Flags as the trainer's users write them, under the contract's names. Later ones win, as in argparse."""

    script = next((w.rsplit("/", 1)[-1] for w in words if w.endswith(".py") and "launch" not in w.rsplit("/", 1)[-1]), "")
    family = next((name for pattern, name in _BY_SCRIPT if pattern.search(script)), None)
    if family is not None:
        yield Setting("architecture", family, read_from, place)
    owner = trainer or _trainer_of(script)
    found: dict[str, object] = {}
    i = 0
    while i < len(words):
        word = words[i]
        i += 1
        if not word.startswith("--") or len(word) < 4:
            continue
        flag, equals, value = word.partition("=")
        if not equals:
            taken = []
            while i < len(words) and not words[i].startswith("--"):
                taken.append(words[i])
                i += 1
            value = " ".join(taken) if taken else "true"
        known = read(flag, value, owner) if owner else None
        if known is not None:
            found[known[0]] = known[1]
    for name, result in found.items():
        if result is not None:
            yield Setting(name, result, read_from, place)


def _trainer_of(script: str) -> str | None:
    if re.fullmatch(r"(?:sdxl_|flux_|sd3_|lumina_|hunyuan_image_|anima_)?train_network\.py|train_db\.py|fine_tune\.py", script):
        return "kohya"
    if re.match(r"train_(?:dreambooth|text_to_image)", script):
        return "diffusers"
    if re.match(r"\w+_train_network\.py", script):
        return "musubi"
    return "hf-trainer" if script else None
