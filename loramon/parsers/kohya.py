"""kohya-ss/sd-scripts, and musubi-tuner, which prints the same header and bars through another logger.

Sources: sd-scripts 48d368fa (0.10.1) and tags 0.4.0-0.10.0: train_network.py, library/train_util.py,
library/config_util.py, networks/lora.py; musubi-tuner 30c658c4 training/trainer_base.py. The labels are bilingual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Fact, Payload, PhaseSeen, Place, Progress, SampleImage, Setting
from loramon.parsers.base import Make, Profile, Sign, Tag, buffered_launch, launch, number, rule, whole


def setting(name: str, kind: str = "number") -> Make:
    """A rule's meaning: group 1 is the value of a setting."""

    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        raw = match[1].strip()
        value: object = raw
        if kind == "number":
            value = number(raw)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
        elif kind == "bool":
            value = raw.lower() == "true"
        elif kind == "on":
            value = True
        return (Setting(name, value, "log", place),) if value is not None else ()

    return make


def _progress(field: str) -> Make:
    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        value = whole(match[1])
        if value is None:
            return ()
        if field == "total_steps":
            return (Progress(total_steps=value, phase="train"),)
        return (Progress(total_epochs=value),)

    return make


def _epoch(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Progress(epoch=int(match[1]), total_epochs=int(match[2])),)


def _saving(match: re.Match[str], place: Place) -> Iterable[Payload]:
    step = re.search(r"-step(\d{8})\.", match[1])
    return (Checkpoint(match[1].strip(), place, int(step[1]) if step else None), PhaseSeen("save", place))


def _done(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("completed", place, match.string),)


def _start(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (PhaseSeen("train", place),)


def _caching(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (PhaseSeen("cache", place), Setting("cache_latents", True, "log", place))


def _sample(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (SampleImage(place, whole(match[1] or "")), PhaseSeen("sample", place))


def _optimizer(match: re.Match[str], place: Place) -> Iterable[Payload]:
    name = match[1].strip().replace(" ", "").replace("-bit", "bit")
    name = name.replace("D-Adaptation", "DAdapt")
    name = {"8bitAdam": "AdamW8bit", "8bitAdamW": "AdamW8bit", "8bitLion": "Lion8bit", "Adafactor": "AdaFactor"}.get(name, name)
    yield Setting("optimizer", name, "log", place)
    arguments = match[2].strip()
    if arguments not in ("", "{}"):
        yield Setting("optimizer_args", arguments, "log", place)


def _resolution(match: re.Match[str], place: Place) -> Iterable[Payload]:
    width, height = int(match[1]), int(match[2])
    yield Setting("resolution", width if width == height else f"{width},{height}", "log", place)


def _family(match: re.Match[str], place: Place) -> Iterable[Payload]:
    """SDXL's U-Net has 722 LoRA modules in sd-scripts, that of Stable Diffusion 1 and 2 has 192."""
    yield Setting("architecture", "sdxl" if match[1] == "722" else "sd1", "log", place)


def _architecture(match: re.Match[str], place: Place) -> Iterable[Payload]:
    names = {"hunyuan_model": "hunyuan-video", "frame_pack": "hunyuan-video", "flux_2": "flux", "qwen_image": "qwen-image", "zimage": "z-image"}
    yield Setting("architecture", names.get(match[1], match[1]), "log", place)


def _device(match: re.Match[str], place: Place) -> Iterable[Payload]:
    yield Fact("device", match[1], place)


T = "train_network.py"
SCRIPTS = (r"(?:(?:sdxl_|flux_|sd3_|lumina_|hunyuan_image_|anima_)?train_network|(?:sdxl|flux|sd3|lumina|anima)_train"
           r"|train_db|(?:sdxl_)?train_textual_inversion|sdxl_train_control_net(?:_lllite)?)")  # fmt: skip
"""sd-scripts 0.10: the names of its training scripts that no other trainer has."""
HEADER_RULES = (
    # bilingual in sd-scripts and musubi-tuner, which says more by lines of its own; the other half may be garbled
    rule("running training /", r"running training / \S", _start, f"sd-scripts 0.10 {T}:987", "kohya"),
    rule("num train images * repeats", r"\s*num train images \* repeats.*?: (\d+)", None, f"sd-scripts 0.10 {T}:988", "kohya"),
    rule("num examples /", r"\s*num examples / \S.*?: (\d+)", None, "sd-scripts 0.10 fine_tune.py:308, sdxl_train.py:583", "kohya"),
    rule("num batches per epoch", r"\s*num batches per epoch.*?: (\d+)", lambda m, p: (Fact("batches_per_epoch", int(m[1]), p),),
         f"sd-scripts 0.10 {T}:991"),
    rule("num epochs", r"\s*num epochs.*?: (\d+)", _progress("total_epochs"), f"sd-scripts 0.10 {T}:992"),
    rule("batch size per device", r"\s*batch size per device.*?: (\d+)\s*$", setting("batch_size"), f"sd-scripts 0.10 {T}:993"),
    rule("gradient accumulation steps", r"\s*gradient accumulation steps.*?[=:] (\d+)", setting("gradient_accumulation_steps"),
         f"sd-scripts 0.10 {T}:997, musubi-tuner 30c658c4 hidream_o1_train.py:291"),
    rule("gradient ccumulation steps", r"\s*gradient ccumulation steps.*?= (\d+)", setting("gradient_accumulation_steps"),
         "sd-scripts 0.10 train_db.py:293, train_textual_inversion.py:500"),
    rule("total optimization steps", r"\s*total optimization steps.*?: (\d+)", _progress("total_steps"), f"sd-scripts 0.10 {T}:1000"),
    rule("epoch ", r"epoch (\d+)/(\d+)\s*$", _epoch, f"sd-scripts 0.10 {T}:1402"),
    rule("saving checkpoint:", r"\s*saving checkpoint: (.+)", _saving, f"sd-scripts 0.10 {T}:1300"),
    rule("model saved.", r"model saved\.", _done, f"sd-scripts 0.10 {T}:1729"),
    rule("override steps. steps for", r"override steps\. steps for \d+ epochs is.*?: (\d+)", _progress("total_steps"), f"sd-scripts 0.10 {T}:803", "kohya"),
    rule("resume training from", r"resume training from (?:local |huggingface )?state: (.+)", setting("resume", "text"), "sd-scripts 0.10 train_util.py:4777"),
    rule("saving state at", r"saving (?:last )?state(?: at (?:epoch|step) \d+)?", lambda m, p: (PhaseSeen("save", p),), "sd-scripts 0.10 train_util.py:5942"),
    rule("generating sample images at step", r"generating sample images at step.*?: (\d+)", _sample, "sd-scripts 0.10 train_util.py:6432"),
    rule("create LoRA network. base dim", r"create LoRA network\. base dim \(rank\): (\d+)", setting("rank"), "sd-scripts 0.10 networks/lora.py:935"),
    rule("create LoRA network. base dim", r"create LoRA network\..*?alpha: ([\d.]+)", setting("alpha"), "sd-scripts 0.10 networks/lora.py:935"),
    rule("enable block swap", r"enable block swap: blocks_to_swap=(\d+)", setting("blocks_to_swap"), "sd-scripts 0.10 flux_train_network.py:132"),
    rule("caching latents", r"caching latents", _caching, "sd-scripts 0.10 train_util.py:1120"),
    rule("accelerator device:", r"accelerator device: (\w+)", _device, "sd-scripts 0.10 train_util.py:5503"),
)  # fmt: skip

KOHYA = Profile(
    name="kohya",
    rules=(
        *HEADER_RULES,
        rule("DreamBooth method.", r"Us(?:e|ing) DreamBooth method\.", None, f"sd-scripts 0.4 {T}:54, 0.10 {T}:530", "kohya"),
        rule("with captions.", r"Train(?:ing)? with captions\.", None, f"sd-scripts 0.4 {T}:60, 0.10 {T}:541", "kohya"),
        rule("prepare images.", r"prepare images\.", None, "sd-scripts 0.10 train_util.py:2112", "kohya"),
        rule("prepare train images.", r"prepare train images\.", None, "sd-scripts 0.4 train_util.py:525", "kohya"),
        rule("train images with repeat", r"\d+ train images with repeat(?:s|ing)\.", None, "sd-scripts 0.4 train_util.py:535, 0.10 :2158", "kohya"),
        rule("save trained model to", r"save trained model to (.+)", _saving, f"sd-scripts 0.4 {T}:427"),
        rule("use ", r"use (8-bit Adam) optimizer()\s*$", _optimizer, f"sd-scripts 0.4 {T}:137"),
        rule("create embeddings for", r"create embeddings for \d+ tokens, for", None, "sd-scripts 0.10 train_textual_inversion.py:282", "kohya"),
        rule("U-Net with ControlNet-LLLite", r"initialize U-Net with ControlNet-LLLite", None,
             "sd-scripts 0.10 sdxl_train_control_net_lllite.py:214", "kohya"),
        rule("contains", r"found directory .* contains (\d+) image files", setting("num_images"), "sd-scripts 0.10 train_util.py:2059", "kohya"),
        rule("load StableDiffusion checkpoint:", r"load StableDiffusion checkpoint: (.+)", setting("base_model", "text"),
             "sd-scripts 0.10 train_util.py:5530", "kohya"),
        rule("create LoRA for FLUX", r"create LoRA for FLUX (?:all|double|single) blocks: \d+ modules\.", None,
             "sd-scripts 48d368fa networks/lora_flux.py:967", "kohya"),
        rule("import network module:", r"import network module: (.+)", None, f"sd-scripts 0.10 {T}:643", "kohya"),
        rule("usage:", rf"usage: {SCRIPTS}\.py", None,
             "argparse usage of sd-scripts train_network.py", "kohya"),
        rule(".py", rf'\s*File ".*[/\\]{SCRIPTS}\.py"', None, "sd-scripts 0.10, a script's path in a traceback", "kohya"),
        rule(".py:", rf"[│|].*[/\\]{SCRIPTS}\.py:\d+ in ", None, "sd-scripts 0.10, a script's path in a traceback of rich (accelerate)", "kohya"),
        rule("train_util.py", r'(?:\s*File "|[│|]).*[/\\]library[/\\](?:sdxl_)?train_util\.py(?:", line |:\d+ in )', None,
             "sd-scripts 0.10 library/train_util.py, its path in a traceback", "kohya"),
        rule(".py', '--", rf"'{SCRIPTS}\.py', '--", None,
             "CPython subprocess.py CalledProcessError.__str__ as rich wraps it, a script of sd-scripts 0.10", "kohya"),
        rule("mean ar error (without repeats):", r"mean ar error \(without repeats\): ", None, "sd-scripts 0.10 library/train_util.py:1074", "kohya"),
        rule(".py: error: ", rf"{SCRIPTS}\.py: error: ", None, "CPython argparse.py error(), of sd-scripts 0.10's scripts", "kohya"),
        rule("CalledProcessError: Command ", rf".*CalledProcessError: Command .*['/\\]{SCRIPTS}\.py'", None,
             "CPython subprocess.py CalledProcessError.__str__ with a script of sd-scripts 0.10", "kohya"),
        rule("sd-scripts", r'(?:\s*File "|.*CalledProcessError: Command ).*\bsd-scripts[/\\]', None,
             "kohya-ss/sd-scripts, the repository's folder in a path", "kohya"),
        rule("No data found. Please verify ", r"No data found\. Please verify (?:arguments|the metadata file)", None,
             "sd-scripts 0.10 train_network.py:577, fine_tune.py:112", "kohya"),
        rule(".py:", rf".* {{2,}}(?:{SCRIPTS}|(?:sdxl_)?train_util)\.py:\d+\s*$", None,
             "rich 14 RichHandler's path column, of sd-scripts 0.10's scripts and library/train_util.py", "kohya"),
        rule("Using v", r"Using v(?:1|2) tokenizer", launch, "sd-scripts 0.10 strategy_sd.py:26", "kohya"),
        rule("prepare tokenizer", r"prepare tokenizers?", buffered_launch, f"sd-scripts 0.8 {T}:150", "kohya"),
        rule("Loading settings from", r"Loading settings from .+\.toml\.\.\.", launch, "sd-scripts 0.10 train_util.py:4744", "kohya"),
        rule("prepare optimizer, data loader etc.", r"prepare optimizer, data loader etc\.", None, f"sd-scripts 0.10 {T}:730"),
        rule("batch_size:", r"\s*batch_size: (\d+)\s*$", setting("batch_size"), "sd-scripts 0.10 config_util.py:520"),
        rule("resolution:", r"\s*resolution: \((\d+), (\d+)\)\s*$", _resolution, "sd-scripts 0.10 config_util.py:521"),
        rule("num_repeats:", r"\s*num_repeats: (\d+)\s*$", setting("repeats"), "sd-scripts 0.10 config_util.py:548"),
        rule("enable_bucket:", r"\s*enable_bucket: (True|False)\s*$", setting("bucketing", "bool"), "sd-scripts 0.10 config_util.py:524"),
        rule("optimizer |", r"use (.+?) optimizer \| (.*)", _optimizer, "sd-scripts 0.10 train_util.py:4886"),
        rule("use ", r"use ([\w.]+) \| (.*)", _optimizer, "sd-scripts 0.10 train_util.py:5124"),
        rule("enable full", r"enable full (fp16|bf16) training", setting("full_half_precision", "text"), f"sd-scripts 0.10 {T}:818"),
        rule("Enable xformers", r"Enable xformers for U-Net", lambda m, p: (Setting("attention", "xformers", "log", p),), "sd-scripts 0.10 train_util.py:3367"),
        rule("Enable SDPA", r"Enable SDPA for U-Net", lambda m, p: (Setting("attention", "sdpa", "log", p),), "sd-scripts 0.10 train_util.py:3375"),
        rule("loading u-net from", r"loading u-net from checkpoint", None, "sd-scripts 0.10 sdxl_model_util.py:182", "kohya"),
        rule("create LoRA for U-Net:", r"create LoRA for U-Net: (192|722) modules", _family, "sd-scripts 0.10 networks/lora.py:1043"),
        rule("building U-Net", r"building U-Net", lambda m, p: (Setting("architecture", "sdxl", "log", p),), "sd-scripts 0.10 sdxl_model_util.py:176"),
    ),
    roles=(
        (r"steps", "train"),
        (r"(?:epoch )?validation steps", "validate"),
        (r"", "other"),
        (r"read caption|get image size|caching.*|checking.*|.*latents.*|.*outputs.*", "cache"),
        (r"epoch|epochs", "epoch"),
    ),
    keys={"avr_loss": Tag("loss_mean", "running"), "loss": Tag("loss_mean", "running"), "lr": Tag("lr"), "Average key norm": Tag("key_norm")},
    signs=(
        Sign(re.compile(rb"\s*steps: .*, avr_loss="), f"sd-scripts 0.10 {T}:1357, 1515; sd-scripts and musubi-tuner alone name it so"),
        Sign(re.compile(rb"\s*steps: .*, Average key norm=.*, Keys Scaled="), f"sd-scripts 0.7 {T}:830, 868"),
    ),
    event_tags={
        "loss/current": Tag("loss"), "loss/average": Tag("loss_mean", "running"),
        "loss/epoch_average": Tag("loss_epoch", "interval"), "loss/epoch": Tag("loss_epoch", "interval"),
        "lr/unet": Tag("lr"), "lr/group0": Tag("lr_group0"), "lr/textencoder": Tag("lr_text_encoder"), "lr/d*lr/unet": Tag("d_lr"),
        "lr/d*lr": Tag("d_lr"), "norm/avg_grad_norm": Tag("grad_norm"),
        "norm/avg_key_norm": Tag("key_norm"), "max_norm/average_key_norm": Tag("key_norm"),
    },
)  # fmt: skip

MUSUBI = Profile(
    name="musubi",
    rules=(
        rule("num train items", r"\s*num train items(?: / \S.*?)?: (\d+)", None,
             "musubi-tuner 30c658c4 training/trainer_base.py:1802, hidream_o1_train.py:287", "musubi"),
        rule("INFO:musubi_tuner", r"INFO:musubi_tuner", None, "musubi-tuner 30c658c4 training/trainer_base.py:69 logging.basicConfig", "musubi"),
        rule("INFO:musubi_tuner", r"INFO:musubi_tuner\.(wan|hunyuan_model|flux_2|flux|qwen_image|zimage|frame_pack)\b", _architecture,
             "musubi-tuner 30c658c4 package names in the logger's name"),
        rule("INFO:musubi_tuner", r"INFO:musubi_tuner[\w.]*:found (\d+) images", setting("num_images"), "musubi-tuner 30c658c4 dataset/datasources.py"),
        rule("musubi_tuner", r".*\bmusubi_tuner[/.\\]", None, "musubi-tuner 30c658c4 package name in a traceback or logger", "musubi"),
        rule("musubi-tuner", r".*\bmusubi-tuner[/\\]", None, "kohya-ss/musubi-tuner, the repository's folder in a path", "musubi"),
        rule("INFO:dataset.", r"INFO:dataset\.(?:image_video_dataset|config_utils):", None,
             "musubi-tuner before 0.2 dataset/image_video_dataset.py, config_utils.py logging.basicConfig", "musubi"),
    ),
    roles=KOHYA.roles,
    keys=KOHYA.keys,
    event_tags=KOHYA.event_tags,
    family_of="kohya",
)  # fmt: skip
