"""HF Trainer and what is built on it: TRL, LLaMA-Factory, axolotl, unsloth.

Sources: transformers 4.46.3, 4.57.1, 5.23.0 trainer.py and trainer_callback.py; trl 1.16 scripts/sft.py;
LLaMA-Factory ff6d4d12 extras/logging.py; axolotl 067b021c train.py; unsloth 015bdef0 models/llama.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Payload, PhaseSeen, Place, Progress, Setting
from loramon.parsers.base import Make, Profile, Role, Tag, buffered_launch, rule, whole


def _total(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Progress(total_steps=whole(match[1]), phase="train"),)


def _epochs(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Progress(total_epochs=whole(match[1])),)


def _running(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (PhaseSeen("train", place),)


def _completed(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("completed", place, match.string),)


def _saving(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Checkpoint(match[1], place, int(match[2])), PhaseSeen("save", place))


def _number(name: str) -> Make:
    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        value = whole(match[1])
        return (Setting(name, value, "log", place),) if value is not None else ()

    return make


def _unsloth_examples(match: re.Match[str], place: Place) -> Iterable[Payload]:
    yield from _number("_num_examples")(match, place)
    yield Progress(total_epochs=whole(match[2]))


def _unsloth_total(match: re.Match[str], place: Place) -> Iterable[Payload]:
    yield from _number("_total_batch_size")(match, place)
    yield Progress(total_steps=whole(match[2]))


def _unsloth(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Progress(total_epochs=whole(match[1]), total_steps=whole(match[2])),)


H = "transformers 5.23 trainer.py _inner_training_loop"
HEADER = (
    rule("***** Running training *****", r"\*{5} Running training \*{5}", _running, H),
    rule("Num examples =", r"\s*Num examples = ([\d,]+)", _number("_num_examples"), H),
    rule("Total train batch size", r"\s*Total train batch size .*= ([\d,]+)", _number("_total_batch_size"), H),
    rule("Num Epochs =", r"\s*Num Epochs = ([\d,]+)", _epochs, H),
    rule("Instantaneous batch size per device =", r"\s*Instantaneous batch size per device = ([\d,]+)", _number("batch_size"), H),
    rule("Gradient Accumulation steps =", r"\s*Gradient Accumulation steps = ([\d,]+)", _number("gradient_accumulation_steps"), H),
    rule("Total optimization steps =", r"\s*Total optimization steps = ([\d,]+)", _total, H),
    rule("Number of trainable parameters =", r"\s*Number of trainable parameters = ", None, H, "hf-trainer"),
    rule("Saving model checkpoint to", r"Saving model checkpoint to (.*checkpoint-(\d+))", _saving, "transformers 5.23 trainer.py _save_checkpoint"),
    rule("Training completed. Do not forget to share", r"Training completed\. Do not forget to share", _completed, "transformers 5.23 trainer.py"),
)

HF_KEYS = {"loss": Tag("loss"), "lr": Tag("lr")}
HF_EVENT_TAGS = {"train/loss": Tag("loss", "interval"), "train/grad_norm": Tag("grad_norm", "interval"),
                 "train/learning_rate": Tag("lr"), "eval/loss": Tag("eval_loss", "interval"),
                 "train/train_loss": Tag("train_loss_mean", "interval")}  # fmt: skip
HF_ROLES: tuple[tuple[str, Role], ...] = (
    (
        r"Map.*|Filter.*|Tokenizing.*|Truncating.*|Adding EOS.*|Packing.*|Converting.*|Running tokenizer.*|Generating \w+ split|Saving the dataset.*",
        "cache",
    ),
    (r"Loading checkpoint shards|Loading weights|Writing model shards|Fetching \d+ files|Downloading.*|.*\.safetensors|.*\.json", "load"),
)

HF_TRAINER = Profile(
    name="hf-trainer",
    rules=(*HEADER,
           rule("trainable params:", r"trainable params: [\d,]+ \|\| all params", buffered_launch,
                "peft 0.21 peft_model.py print_trainable_parameters", "hf-trainer"),
           rule("Using auto half precision backend", r"Using auto half precision backend", None, "transformers 4.57 trainer.py", "hf-trainer"),
           rule("***** train metrics *****", r"\*{5} train metrics \*{5}", None, "transformers 5.23 trainer_pt_utils.py log_metrics", "hf-trainer"),
           rule("-packages", r".*\b(?:site|dist)-packages[/\\]transformers[/\\](?:trainer|training_args)\.py\b", None,
                "transformers 4.57 trainer.py, training_args.py: their path in a warning or traceback", "hf-trainer")),
    roles=HF_ROLES, keys=HF_KEYS, event_tags=HF_EVENT_TAGS, nan_hidden=True,
)  # fmt: skip

TRL = Profile(
    name="trl", nan_hidden=True, family_of="hf-trainer", keys=HF_KEYS, event_tags=HF_EVENT_TAGS, roles=HF_ROLES,
    rules=(
        rule("site-packages/trl/", r".*site-packages/trl/", None, "trl package path in a warning or traceback", "trl"),
        rule("-packages", r".*\b(?:site|dist)-packages[/\\]trl[/\\]trainer[/\\]", None, "trl package path in a warning or traceback (Colab, Windows)", "trl"),
        rule("mean_token_accuracy", r".*'mean_token_accuracy':", None, "trl 1.16 trainer/sft_trainer.py:1761", "trl"),
        rule("rewards/chosen", r".*'rewards/chosen':", None, "trl 1.16 trainer/dpo_trainer.py", "trl"),
        rule("TRL v", r"usage: trl|TRL v", None, "trl 1.16 cli/main.py", "trl"),
    ),
)  # fmt: skip

LLAMAFACTORY = Profile(
    name="llamafactory", nan_hidden=True, family_of="hf-trainer", keys=HF_KEYS, event_tags=HF_EVENT_TAGS, roles=HF_ROLES,
    rules=(
        rule("llamafactory", r".*\bllamafactory[./\\]", None, "LLaMA-Factory ff6d4d12 extras/logging.py:86", "llamafactory"),
        rule("llmtuner", r".*\bllmtuner[./\\]", None, "LLaMA-Factory 0.6 package name", "llamafactory"),
        rule("LLaMA-Factory", r".*LLaMA-Factory/", None, "LLaMA-Factory path in a log record", "llamafactory"),
        rule("Figure saved at:", r"Figure saved at: .*training_loss\.png", None, "LLaMA-Factory ff6d4d12 extras/ploting.py", "llamafactory"),
        rule("Initializing", r".*Initializing \d+ distributed tasks at: ", buffered_launch, "LLaMA-Factory ff6d4d12 launcher.py", "llamafactory"),
    ),
)  # fmt: skip

AXOLOTL = Profile(
    name="axolotl", nan_hidden=True, family_of="hf-trainer", keys=HF_KEYS, event_tags=HF_EVENT_TAGS, roles=HF_ROLES,
    rules=(
        rule("[axolotl.", r".*\[axolotl\.", None, "axolotl 067b021c logging_config.py:94", "axolotl"),
        rule("axolotl.cli", r".*CalledProcessError: Command .*'axolotl\.cli\.\w+'", None,
             "CPython subprocess.py CalledProcessError.__str__ with a module of axolotl 067b021c cli/", "axolotl"),
        rule("axolotl/", r".*\baxolotl/(?:cli|utils|core|train)", None, "axolotl package path in a traceback", "axolotl"),
    ),
)  # fmt: skip

UNSLOTH = Profile(
    name="unsloth", nan_hidden=True, family_of="hf-trainer", keys=HF_KEYS, event_tags=HF_EVENT_TAGS, roles=HF_ROLES,
    rules=(
        rule("==((====))==", r".*==\(\(====\)\)==", None, "unsloth 015bdef0 models/llama.py:2405", "unsloth"),
        rule("Total steps =", r".*Num Epochs = ([\d,]+) \| Total steps = ([\d,]+)", _unsloth, "unsloth 015bdef0 models/llama.py:2890", "unsloth"),
        rule("Num examples =", r".*\| +Num examples = ([\d,]+) \| Num Epochs = ([\d,]+)\s*$", _unsloth_examples,
             "unsloth 2024.10 models/llama.py, the banner of _inner_training_loop", "unsloth"),
        rule("Total batch size =", r".*Total batch size = ([\d,]+) \| Total steps = ([\d,]+)\s*$", _unsloth_total,
             "unsloth 2024.10 models/llama.py, the banner of _inner_training_loop", "unsloth"),
        rule("site-packages/unsloth", r".*site-packages/unsloth", None, "unsloth package path in a traceback", "unsloth"),
        rule("-packages", r".*\b(?:site|dist)-packages[/\\]unsloth[/\\_]", None, "unsloth package path in a traceback (Colab, Windows)", "unsloth"),
        rule("Unsloth", r".*Unsloth: ", None, "unsloth 015bdef0 models/_utils.py", "unsloth"),
    ),
)  # fmt: skip
