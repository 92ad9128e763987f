"""A LoRA file as a source: its metadata becomes the run's settings and progress, its tensors what is to be said of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loramon.errors import UserError
from loramon.events import Progress, Setting
from loramon.findings import Told
from loramon.run import Run
from loramon.sources.adapter import Module, Weights, examine
from loramon.sources.safetensors import read_header
from loramon.text import sanitise
from loramon.weights_metadata import read_metadata

ZERO_SHARE = 0.1
"""A part of the modules that never moved is told from this share on."""

PEFT_CONFIG = "adapter_config.json"
MAX_CONFIG_BYTES = 1 << 20


@dataclass(slots=True)
class WeightsRead:
    """A file, as it was read: what `diagnose --json` shows of it."""

    weights: Weights

    def to_dict(self) -> dict[str, Any]:
        w = self.weights
        far = w.out_of_line()
        return {
            "path": sanitise(str(w.path)), "kind": w.kind, "network_type": w.network_type, "size_bytes": w.header.n_bytes,
            "n_tensors": len(w.header.tensors), "dtypes": dict(w.dtypes), "n_modules": len(w.modules),
            "modules_by_network": _counts(w.modules), "ranks": _values([m.rank for m in w.modules]), "alphas": _values([m.alpha for m in w.modules]),
            "scales": _values([m.alpha / m.rank for m in w.modules if m.alpha is not None and m.rank]),
            "change_rms": {g: float(f"{rms:.4g}") for g in _counts(w.modules) if (rms := w.median_rms(g)) is not None},
            "n_not_finite": w.n_bad, "n_tensors_not_finite": w.n_bad_tensors, "n_modules_zero": sum(m.is_zero is True for m in w.modules),
            "out_of_line": [{"module": sanitise(m.name), "ratio": float(f"{r:.4g}")} for m, r in far[:10]],
            "n_missing_bytes": w.header.n_missing_bytes, "not_decoded": dict(w.unread),
        }  # fmt: skip


def _counts(modules: list[Module]) -> dict[str, int]:
    found: dict[str, int] = {}
    for module in modules:
        found[module.group] = found.get(module.group, 0) + 1
    return found


def _values(values: list[Any]) -> list[Any]:
    """The different values, rounded, fewest first; at most ten."""
    return sorted({float(f"{v:.6g}") if isinstance(v, float) else v for v in values if v is not None and v == v})[:10]


def read_weights(run: Run, path: Path, name: str) -> WeightsRead:
    """Reads a file into a run: settings, progress, and what is wrong with it. Raises UserError: `unreadable`, `corrupt`."""
    header = read_header(path, name)
    said = read_metadata(header.metadata)
    beside = _peft_config(path.with_name(PEFT_CONFIG))
    alpha = said.alpha if said.alpha is not None else beside.get("lora_alpha")
    weights = examine(path, name, alpha if isinstance(alpha, (int, float)) else None, said.root_scale or beside.get("use_rslora") is True)
    run.trainer = said.trainer
    run.progress = Progress(said.step, said.total_steps, said.epoch, said.total_epochs)
    run.timeline.first_wall_s, run.timeline.last_wall_s = said.started_s, said.ended_s
    for key, value in said.settings.items():
        run.put_setting(Setting(key, value, "metadata", None, "metadata"))
    for key, value in _of_tensors(weights).items():
        run.put_setting(Setting(key, value, "tensors", None, "metadata" if key in ("rank", "alpha") and key not in said.settings else "name"))
    for told in _judged(weights, said.step):
        run.tell("weights", told)
    return WeightsRead(weights)


def read_saved_settings(run: Run, path: Path) -> None:
    """Adds what the newest save of a run's folder says of its training; a file that cannot be read says nothing."""
    try:
        said = read_metadata(read_header(path, "").metadata)
    except UserError:
        return
    if said.trainer is not None and run.trainer in (None, "tensorboard"):
        run.trainer = said.trainer
    for key, value in said.settings.items():
        run.put_setting(Setting(key, value, sanitise(path.name, 100), None, "metadata"))


def look_into_newest(run: Run, path: Path) -> None:
    """Tells of NaN in the newest save of a run's folder. One that is just being written is not whole, and no fault."""
    try:
        weights = examine(path)
    except UserError:
        return
    if weights.n_bad and not weights.header.n_missing_bytes:
        run.tell("weights", next(told for told in _judged(weights, run.progress.step) if told.id == "weights-nan"))


def _peft_config(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _of_tensors(weights: Weights) -> dict[str, object]:
    """Settings that the shapes show: rank and alpha where all modules have the same, or most of them."""
    found: dict[str, object] = {}
    for name, values in (("rank", [m.rank for m in weights.modules]), ("alpha", [m.alpha for m in weights.modules])):
        known = [v for v in values if v is not None]
        if known:
            most = max(set(known), key=known.count)
            found[name] = int(most) if float(most).is_integer() else float(f"{most:.6g}")
    if weights.network_type is not None:
        found["network_type"] = weights.network_type
    if weights.family is not None:
        found["architecture"] = weights.family
    return found


def _judged(weights: Weights, step: int | None) -> list[Told]:
    """What is to be said of the numbers."""
    n = len(weights.modules)
    found: list[Told] = []
    if weights.header.n_missing_bytes:
        numbers: dict[str, object] = {"cause": "cut", "n_missing_bytes": weights.header.n_missing_bytes, "n_bytes": weights.header.n_bytes}
        found.append(Told("corrupt-weights", "critical", step, None, None, numbers))
    if weights.n_bad:
        numbers = {"count": weights.n_bad, "n_tensors": weights.n_bad_tensors, "tensor": sanitise(weights.first_bad or "", 160),
                   "share_pct": 100 * weights.n_bad_tensors / max(1, len(weights.header.tensors))}  # fmt: skip
        found.append(Told("weights-nan", "critical", step, None, None, numbers))
    if weights.is_untrained:
        found.append(Told("nothing-trained", "critical", step, None, None, {"cause": "zero-up", "n_modules": n}))
        return found
    zero = [m for m in weights.modules if m.is_zero]
    if n and len(zero) >= max(1.0, ZERO_SHARE * n):
        numbers = {"n_zero": len(zero), "n_modules": n, "module": sanitise(zero[0].name, 160)}
        found.append(Told("weights-partly-zero", "note", step, None, None, numbers))
    far = weights.out_of_line()
    if far:
        numbers = {"n_far": len(far), "n_modules": n, "module": sanitise(far[0][0].name, 160), "ratio": far[0][1]}
        found.append(Told("weights-norm", "note", step, None, None, numbers))
    return found
