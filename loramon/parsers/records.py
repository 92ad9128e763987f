"""HF Trainer's dict lines: `{'loss': 3.92, 'grad_norm': 1.8, 'learning_rate': 0.0005, 'epoch': 0.1}`.

transformers <= 4.57 prints bare floats with `nan` and `inf` unquoted; 5.x prints every float as a quoted string of
four digits (trainer_callback.py, ProgressCallback.on_log). Keys may contain blanks and brackets (axolotl).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from loramon.events import Place
from loramon.parsers.base import Tag, number

_PAIR = re.compile(r"""['"]([^'"]+)['"]:\s*(?:'([^']*)'|"([^"]*)"|([^,}]+))""")
_NUMERIC = re.compile(r"[-+]?(?:\d[\d.,]*(?:[eE][-+]?\d+)?|nan|inf|NaN|Infinity)$")

TAGS: dict[str, Tag] = {
    "loss": Tag("loss", "interval"),
    "grad_norm": Tag("grad_norm", "interval"),
    "learning_rate": Tag("lr"),
    "lr": Tag("lr"),
    "eval_loss": Tag("eval_loss", "interval"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One dict line: its numbers by key, NaN and infinities kept."""

    values: dict[str, float]
    place: Place
    text: str

    @property
    def is_training(self) -> bool:
        return "loss" in self.values

    @property
    def is_summary(self) -> bool:
        """The line behind the last step. With `include_num_input_tokens_seen` every line of training tells
        `train_runtime` as well (transformers 4.57 trainer.py `log`)."""
        return "train_runtime" in self.values and not self.is_training

    @property
    def total_epochs(self) -> float | None:
        """The number of epochs, where the summary's epoch is a whole one (`max_steps` may end a run within)."""
        epoch = self.values.get("epoch")
        return float(round(epoch)) if epoch is not None and epoch > 0.5 and abs(epoch - round(epoch)) < 0.02 else None


def parse_record(text: str, place: Place) -> Record | None:
    """The record of a dict line, None where it is none: it must hold a loss, an evaluation or the final summary."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    values: dict[str, float] = {}
    for key, single, double, bare in _PAIR.findall(text, start, end + 1):
        raw = (single or double or bare).strip()
        if _NUMERIC.match(raw):
            try:
                values[key] = float(raw)
            except ValueError:  # thousands commas, or no number after all
                value = number(raw)
                if value is not None:
                    values[key] = value
    if not values.keys() & {"loss", "train_runtime", "train_loss", "eval_loss", "eval_runtime"}:
        return None
    return Record(values, place, text)
