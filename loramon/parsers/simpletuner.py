"""bghira/SimpleTuner, console. Source: bc8e6ab7 companions/training/trainer.py:6865, companions/log_format.py."""

from __future__ import annotations

import re

from loramon.parsers.base import Profile, Sign, Tag, rule

SIMPLETUNER = Profile(
    name="simpletuner",
    rules=(rule("simpletuner", r".*\bsimpletuner[./\\]", None, "SimpleTuner package name in a path, module or message", "simpletuner"),
           rule("SimpleTuner", r".*\bSimpleTuner\b", None, "SimpleTuner bc8e6ab7 log messages", "simpletuner"),),
    roles=((r"Epoch \d+/\d+,? Steps", "train"),),
    keys={"step_loss": Tag("loss"), "lr": Tag("lr"), "grad_norm": Tag("grad_norm"), "grad_absmax": Tag("grad_absmax")},
    signs=(Sign(re.compile(rb"\s*Epoch \d+/\d+,? Steps: .*[,\s](?:step_loss|prodigy_d)="), "SimpleTuner bc8e6ab7 helpers/training/trainer.py:6869, 7543"),),
    event_tags={"train_loss": Tag("loss"), "learning_rate": Tag("lr"), "grad_norm": Tag("grad_norm"), "grad_absmax": Tag("grad_absmax")},
)  # fmt: skip
