"""ostris/ai-toolkit, console. Sources: 27a03a91 jobs/process/BaseSDTrainProcess.py, run.py, toolkit/progress_bar.py."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loramon.events import Checkpoint, End, Payload, PhaseSeen, Place
from loramon.parsers.base import Profile, Tag, buffered_launch, rule


def _saved(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (Checkpoint(match[1].strip(), place), PhaseSeen("save", place))


def _completed(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("completed", place, match.string),) if int(match[1]) else ()


def _stopped(match: re.Match[str], place: Place) -> Iterable[Payload]:
    return (End("interrupted", place, match.string),)


B = "ai-toolkit 27a03a91 jobs/process/BaseSDTrainProcess.py"
AI_TOOLKIT = Profile(
    name="ai-toolkit",
    rules=(
        rule("Running", r"Running \d+ jobs?\s*$", buffered_launch, "ai-toolkit 27a03a91 run.py", "ai-toolkit"),
        rule("sd_trainer", r'\s*"type": "(?:sd_trainer|ui_trainer|diffusion_trainer)"', None, "ai-toolkit 27a03a91 print_config", "ai-toolkit"),
        rule("Saved checkpoint to", r"Saved checkpoint to (.+)", _saved, f"{B}:699"),
        rule("completed job", r" - (\d+) completed jobs?", _completed, "ai-toolkit 27a03a91 run.py print_end_message", "ai-toolkit"),
        rule("Job stopped", r"\s*Job stopped\s*$", _stopped, "ai-toolkit 27a03a91 run.py", "ai-toolkit"),
        rule("avg - train_loop", r"\s*- [\d.]+s avg - train_loop", None, "ai-toolkit 27a03a91 toolkit/timer.py", "ai-toolkit"),
    ),
    roles=((r"", "other"), (r"Caching.*|Encoding.*|Loading.*|Fetching.*|Generating.*|Sampling.*", "other")),
    keys={"loss": Tag("loss"), "lr": Tag("lr")},
    event_tags={"loss": Tag("loss"), "lr": Tag("lr")},
    nan_hidden=True,
)  # fmt: skip
