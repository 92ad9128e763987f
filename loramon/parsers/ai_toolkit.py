"""ostris/ai-toolkit, console. Sources: 27a03a91 jobs/process/BaseSDTrainProcess.py, run.py, toolkit/progress_bar.py."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Payload, Phase, PhaseSeen, Place, Setting
from loramon.parsers.base import Make, Profile, Sign, Tag, buffered_launch, rule


def _saved(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Checkpoint(match[1].strip(), place), PhaseSeen("save", place))


def _completed(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("completed", place, match.string),) if int(match[1]) else ()


def _resuming(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Setting("resume", match[1].strip(), "log", place),)


def _phase(phase: Phase) -> Make:
    """A line that says what it does now."""

    def make(match: re.Match[str], place: Place) -> Iterable[Payload]:
        return (PhaseSeen(phase, place),)

    return make


def _images(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Setting("num_images", int(match[1]), "log", place),)


def _stopped(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("interrupted", place, match.string),)


B = "ai-toolkit 27a03a91 jobs/process/BaseSDTrainProcess.py"
AI_TOOLKIT = Profile(
    name="ai-toolkit",
    rules=(
        rule("Running", r"Running \d+ jobs?\s*$", buffered_launch, "ai-toolkit 27a03a91 run.py", "ai-toolkit"),
        rule("sd_trainer", r'\s*"type": "(?:sd_trainer|ui_trainer|diffusion_trainer)"', None, "ai-toolkit 27a03a91 print_config", "ai-toolkit"),
        rule("Running job:", r"# Running job: ", None, "ai-toolkit 27a03a91 jobs/BaseJob.py:35", "ai-toolkit"),
        rule("Using SQLite database at", r"Using SQLite database at ", None,
             "ai-toolkit 27a03a91 extensions_built_in/sd_trainer/DiffusionTrainer.py:27", "ai-toolkit"),
        rule("IMPORTANT RESUMING FROM", r"#### IMPORTANT RESUMING FROM (.+?) ####", _resuming, f"{B}:1763", "ai-toolkit"),
        rule("  -  Found", r"  -  Found (\d+) images\s*$", _images, "ai-toolkit 27a03a91 toolkit/data_loader.py:571"),
        rule("Caching latents for", r"Caching latents for ", _phase("cache"), "ai-toolkit 27a03a91 toolkit/dataloader_mixins.py:1912"),
        rule("Caching text_embeddings for", r"Caching text_embeddings for ", _phase("cache"),
             "ai-toolkit 27a03a91 toolkit/dataloader_mixins.py:2277", "ai-toolkit"),
        rule("Generating baseline samples before training", r"Generating baseline samples before training", _phase("sample"), f"{B}:2480", "ai-toolkit"),
        rule("Sampling at step", r"Sampling at step \d+", _phase("sample"), "ai-toolkit 27a03a91 extensions_built_in/sd_trainer/DiffusionTrainer.py:226"),
        rule("Saving at step", r"Saving at step \d+", _phase("save"), f"{B}:2715"),
        rule("Stop signal received; terminating process.", r"\s*Stop signal received; terminating process\.", _stopped,
             "ai-toolkit 27a03a91 extensions_built_in/sd_trainer/DiffusionTrainer.py:74", "ai-toolkit"),
        rule("Saved checkpoint to", r"Saved checkpoint to (.+)", _saved, f"{B}:699"),
        rule("completed job", r" - (\d+) completed jobs?", _completed, "ai-toolkit 27a03a91 run.py print_end_message", "ai-toolkit"),
        rule("Job stopped", r"\s*Job stopped\s*$", _stopped, "ai-toolkit 27a03a91 run.py", "ai-toolkit"),
        rule("BaseSDTrainProcess.py", r".*\bjobs[/\\]process[/\\]BaseSDTrainProcess\.py", None,
             "ai-toolkit 27a03a91, its own file in a traceback", "ai-toolkit"),
        rule("ExtensionJob.py", r".*\bjobs[/\\]ExtensionJob\.py", None, "ai-toolkit 27a03a91, its own file in a traceback", "ai-toolkit"),
        rule("s avg - ", r"\s*- [\d.]+s avg - \w+, num = \d+", None, "ai-toolkit 27a03a91 toolkit/timer.py:54", "ai-toolkit"),
        rule("Timer ", r"\s*Timer .*:$", None, "ai-toolkit 27a03a91 toolkit/timer.py:47"),
    ),
    roles=((r"", "other"), (r"Caching.*|Encoding.*", "cache"), (r"Loading.*|Fetching.*", "load"), (r"Generating.*|Sampling.*", "sample")),
    keys={"loss": Tag("loss"), "lr": Tag("lr")},
    event_tags={"loss": Tag("loss"), "lr": Tag("lr")},
    nan_hidden=True,
    signs=(Sign(re.compile(rb"[^:]+: .*\[.*, lr: \d\.\de[-+]\d\d (?:\w+: \S+ )*loss: (?:\d\.\d{3}e[-+]\d\d|nan|inf)"), f"{B}:2484, 2693"),),
)  # fmt: skip
