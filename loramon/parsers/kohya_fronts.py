"""Front ends that start sd-scripts and print lines of their own around its log.

Sources: bmaltais/kohya_ss 45088f04 setup/setup_common.py, kohya_gui/lora_gui.py, class_command_executor.py;
Akegarasu/lora-scripts fdefba97 mikazuki/process.py, tasks.py; derrian-distro/LoRA_Easy_Training_scripts_Backend 162e56de
main.py; cocktailpeanut/fluxgym 678add2c app.py. What they start is sd-scripts, so the trainer is `kohya`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import End, Fact, Launch, Payload, Place, Progress
from loramon.parsers.base import Make, Profile, rule


def _front(name: str, how: str | None = None, exit_code: int | None = None, starts: bool = False) -> Make:
    """A line of this front end; `how`: it says that what it had started has ended so. `starts`: it starts something anew."""

    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        if starts:
            yield Launch(place, match.string, buffered=True)
        yield Fact("front_end", name, place)
        if exit_code is not None:
            yield Fact("exit_code", exit_code, place)
        if how == "exited" and exit_code:
            yield End("exited", place, match.string, exit_code)

    return make


def _fluxgym_end(match: re.Match[str], place: Place) -> Iterable[Payload]:
    yield from _front("fluxgym", "exited", int(match[1]))(match, place)


def _asked_steps(match: re.Match[str], place: Place) -> Iterable[Payload]:
    """What the front end asks for; sd-scripts' own header, where it comes, has the last word."""
    yield Progress(total_steps=int(match[1]))


GUI = "kohya_ss 45088f04"
AKEGARASU = "lora-scripts fdefba97"
KOHYA_FRONTS = Profile(
    name="kohya",
    rules=(
        rule("Kohya_ss GUI version:", r"Kohya_ss GUI version: ", _front("kohya_ss"), f"{GUI} setup/setup_common.py:510", "kohya"),
        rule("Start training LoRA", r"Start training LoRA .*\.\.\.", _front("kohya_ss", starts=True), f"{GUI} kohya_gui/lora_gui.py:1451", "kohya"),
        rule("Start training Dreambooth...", r"Start training Dreambooth\.\.\.", _front("kohya_ss", starts=True),
             f"{GUI} kohya_gui/dreambooth_gui.py:698", "kohya"),
        rule("Start training TI...", r"Start training TI\.\.\.", _front("kohya_ss", starts=True), f"{GUI} kohya_gui/textual_inversion_gui.py:551", "kohya"),
        rule("Start Finetuning...", r"Start Finetuning\.\.\.", _front("kohya_ss", starts=True), f"{GUI} kohya_gui/finetune_gui.py:850", "kohya"),
        rule("Max train steps: ", r"Max train steps: ([1-9]\d*)\s*$", _asked_steps, f"{GUI} kohya_gui/lora_gui.py, dreambooth_gui.py max_train_steps_info"),
        rule("max_train_steps (", r"max_train_steps \([^()]*\) = ([1-9]\d*)\s*$", _asked_steps,
             f"{GUI} kohya_gui/lora_gui.py, dreambooth_gui.py max_train_steps_info"),
        rule("Training has ended successfully (exit code", r"Training has ended successfully \(exit code \d+\)\.", _front("kohya_ss", "exited", 0),
             f"{GUI} kohya_gui/class_command_executor.py:85", "kohya"),
        rule("Training started with config file /", r"Training started with config file / ", _front("lora-scripts"),
             f"{AKEGARASU} mikazuki/process.py:17", "kohya"),
        rule("Training finished /", r"Training finished / ", _front("lora-scripts", "exited", 0), f"{AKEGARASU} mikazuki/process.py:51"),
        rule("Training failed /", r"Training failed / ", _front("lora-scripts", "exited", 1), f"{AKEGARASU} mikazuki/process.py:49"),
        rule("GET /train?train_mode=", r'.*"GET /train\?train_mode=\w+', _front("LoRA_Easy_Training_Scripts"),
             "LoRA_Easy_Training_scripts_Backend 162e56de main.py:123 (uvicorn's access log)", "kohya"),
        rule("kohya_ss", r'(?:\s*File "|[│|] ).*[/\\]kohya_ss(?:-[\w.]+)?[/\\]', None, "bmaltais/kohya_ss, the repository's folder in a path", "kohya"),
        rule("sd-scripts/flux_train_network.py", r".*accelerate launch .*sd-scripts/flux_train_network\.py", None,
             "fluxgym 678add2c app.py:453 gen_sh", "kohya"),
        rule("Runner: <LogsViewRunner", r"Runner: <LogsViewRunner .*exit_code=(-?\d+)", _fluxgym_end,
             "fluxgym 678add2c app.py:623, gradio_logsview LogsViewRunner"),
    ),
)  # fmt: skip
