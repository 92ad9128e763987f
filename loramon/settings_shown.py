"""A run's settings as they are shown: the value that counts, where it was read, and which places said otherwise."""

from __future__ import annotations

import math
from typing import Any

from loramon.run import Run

_INFERRED = ("curve", "name")
_LOOSE = ("base_model", "optimizer", "optimizer_args", "output_dir", "logging_dir", "resume", "network_type", "attention",
          "lr_scheduler", "architecture")  # fmt: skip
"""Settings whose words differ between places that mean the same (a path and its last part, a class and its short name)."""


def settings_from(run: Run, names: tuple[str, ...]) -> dict[str, str]:
    """Where each setting was read: the name of the file, or what kind of line showed it."""
    return {name: found.read_from for name in names if (found := run.settings.get(name)) is not None and found.value is not None}


def disagreements(run: Run, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Settings of which several places say different things: what counts and why, and what the others say.

    `used` follows `events.ORIGINS`: what the trainer printed, its command line, what it wrote, the weights' metadata,
    then a configuration that lies beside the run.
    """
    found = []
    for name in names:
        used = run.settings.get(name)
        if used is None or used.value is None:
            continue
        seen = [s for s in run.settings_seen.get(name, {}).values() if s.value is not None and s.origin not in _INFERRED]
        others = [{"value": s.value, "from": s.read_from} for s in seen if not same_setting(name, s.value, used.value)]
        if others and used.origin not in _INFERRED:
            found.append({"setting": name, "used": used.value, "from": used.read_from, "others": others})
    return found


def same_setting(name: str, a: object, b: object) -> bool:
    """Whether two places mean the same by what they say of this setting."""
    if a == b:
        return True
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-6)
    if name in _LOOSE:
        x, y = (str(v).lower().rstrip("/\\").replace("\\", "/") for v in (a, b))
        return x.endswith(y.rsplit("/", 1)[-1]) or y.endswith(x.rsplit("/", 1)[-1]) or x in y or y in x
    if name == "resolution":  # a list of sizes and one of them
        return (isinstance(a, list) and b in a) or (isinstance(b, list) and a in b)
    return str(a) == str(b)
