"""The changed settings that a finding's remedies name, as lines for a command or a settings file."""

from __future__ import annotations

from collections.abc import Sequence

from loramon import settings
from loramon.findings import Remedy
from loramon.units import format_number


def flag_lines(remedies: Sequence[Remedy]) -> list[str]:
    """One line for each remedy with a flag and a value to give it, in order.

    `--train_batch_size 4` where the trainer takes options, `train.lr: 2e-05` where it takes a file; a switch stands
    alone, one that is to be taken out is a remark.
    """
    return [line for r in remedies if (line := _line(r)) is not None]


def _line(remedy: Remedy) -> str | None:
    flag, suggested = remedy.flag, remedy.suggested
    if flag is None or suggested is None:
        return None
    option = flag.startswith("-")
    means = _means(remedy)
    if means is not None:
        return flag if means == suggested else f"# without {flag}"
    if isinstance(suggested, bool):
        return (flag if suggested else f"# without {flag}") if option else f"{flag}: {str(suggested).lower()}"
    value = format_number(suggested) if isinstance(suggested, float) else str(suggested)
    return f"{flag} {value}" if option else f"{flag}: {value}"


def _means(remedy: Remedy) -> object:
    """What a switch stands for by itself (`--sdpa` means `sdpa`), None where it takes a value."""
    if remedy.setting is None:
        return None
    keys = (k for trainer in settings.trainers() for k in settings.keys(remedy.setting, trainer) if k.name == remedy.flag)
    return next((k.means for k in keys), None)
