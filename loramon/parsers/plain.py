"""Losses in plain lines, where a trainer draws no bar: `steps: 120 loss: 0.1234`, `Step 10/375 | loss 6.0512`, JSON lines.

Sources: DeepSpeed edaa7221 runtime/pipe/engine.py:404; LLaMA-Factory ff6d4d12 train/callbacks.py LogCallback.on_log
(`trainer_log.jsonl`); the shape `step N/M ... loss X` of hand-written loops. A line counts only with both figures.
"""

from __future__ import annotations

import json
import re

from loramon.parsers.base import number

_NUMBER = r"([-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"
_STEP = re.compile(r"\b(?:global[_ ])?(?:steps?|iter(?:ation)?)\b[\"']?\s*[:=#]?\s*(\d[\d,]*)(?:\s*/\s*(\d[\d,]*))?", re.I)
_LOSS = re.compile(rf"(?<![\w.])(?:train[_ ])?loss[\"']?\s*[:=]?\s+?{_NUMBER}(?![\w.])|(?<![\w.])(?:train[_ ])?loss[:=]{_NUMBER}(?![\w.])", re.I)
_LR = re.compile(rf"\b(?:lr|learning[_ ]rate)\b\s*[:=]?\s*{_NUMBER}", re.I)


def plain_loss(message: str) -> dict[str, float] | None:
    """`step`, `loss` and where printed `total`, `lr` of a line that holds a step and a loss; None for any other line."""
    if message.startswith('{"current_steps"'):
        return _jsonl(message)
    if "loss" not in message and "Loss" not in message:
        return None
    if len(message) > 400 or "%|" in message:
        return None
    step, loss = _STEP.search(message), _LOSS.search(message)
    if step is None or loss is None:
        return None
    value = number(loss[1] or loss[2])
    if value is None:
        return None
    found = {"step": float(step[1].replace(",", "")), "loss": value}
    if step[2]:
        found["total"] = float(step[2].replace(",", ""))
    if (lr := _LR.search(message)) is not None and (rate := number(lr[1])) is not None:
        found["lr"] = rate
    return found


def _jsonl(message: str) -> dict[str, float] | None:
    try:
        row = json.loads(message)
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("current_steps"), int):
        return None
    found = {"step": float(row["current_steps"])}
    for key, name in (("total_steps", "total"), ("loss", "loss"), ("lr", "lr")):
        if isinstance(row.get(key), (int, float)):
            found[name] = float(row[key])
    return found
