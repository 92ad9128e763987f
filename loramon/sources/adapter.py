"""What the numbers of an adapter file say: rank and scale of its modules, and whether its weights are sound.

Read tensor by tensor in blocks; only the two factors of one module are ever held together. Files are read, not mapped:
a mapped file that its writer cuts would end this process.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from loramon.sources.adapter_keys import Part, family_of_shapes, group_of, network_type_of, part_of
from loramon.sources.safetensors import Header, Tensor, blocks, read_header

MAX_FACTOR_VALUES = 1 << 22
"""A factor of more values is looked through, but its module's norm is not formed."""

FAR_RATIO = 10.0
FAR_DEVIATIONS = 6.0
MIN_MODULES = 8
"""A module's change is out of line where it is so many times the median of its network and so many robust deviations of
the logarithm away from it, among at least so many modules. The figures are a judgement of ours, not of a source."""


@dataclass(slots=True)
class Module:
    """One adapted layer. `rms`: root mean square of the change that it adds to its layer's weights, scale included."""

    name: str
    group: str
    rank: int | None = None
    alpha: float | None = None
    rms: float | None = None
    is_zero: bool | None = None
    """All that starts as zeros is still zero; None where nothing of it does."""


@dataclass(slots=True)
class Weights:
    """What was found in one file. `n_bad_tensors`: tensors with NaN or infinities, `n_bad` such values in all.

    `family`: what the shapes tell. `unread`: types of numbers that are not decoded here, with how many tensors have them.
    """

    path: Path
    header: Header
    modules: list[Module] = field(default_factory=list)
    network_type: str | None = None
    family: str | None = None
    n_bad: int = 0
    n_bad_tensors: int = 0
    first_bad: str | None = None
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def kind(self) -> str:
        """`adapter`, or `model` for a file without an adapter's tensors."""
        return "adapter" if self.modules else "model"

    @property
    def is_untrained(self) -> bool:
        """Nothing that starts as zeros has changed in the whole file."""
        known = [m.is_zero for m in self.modules if m.is_zero is not None]
        return bool(known) and all(known) and not self.n_bad

    @property
    def dtypes(self) -> Counter[str]:
        """Types of its numbers, with how many tensors have them; alphas left out."""
        return Counter(t.dtype for t in self.header.tensors if not t.name.endswith(".alpha"))

    def median_rms(self, group: str) -> float | None:
        """The usual change of a layer of this network, None where there is none."""
        found = [m.rms for m in self.modules if m.group == group and m.rms]
        return float(np.median(found)) if found else None

    def out_of_line(self) -> list[tuple[Module, float]]:
        """Modules whose change is far larger than their network's usual one, with the ratio, largest first."""
        found: list[tuple[Module, float]] = []
        for group in {m.group for m in self.modules}:
            those = [m for m in self.modules if m.group == group and m.rms]
            if len(those) < MIN_MODULES:
                continue
            logs = np.log([m.rms for m in those if m.rms])
            middle = float(np.median(logs))
            deviation = 1.4826 * float(np.median(np.abs(logs - middle)))
            for module, log in zip(those, logs, strict=True):
                above = float(log) - middle
                if above > math.log(FAR_RATIO) and above > FAR_DEVIATIONS * deviation:
                    found.append((module, math.exp(above)))
        return sorted(found, key=lambda each: -each[1])


def examine(path: Path, name: str | None = None, alpha: float | None = None, root_scale: bool = False) -> Weights:
    """Reads the whole file once. `alpha`: where it does not stand in the file (PEFT keeps it in its configuration);
    `root_scale`: the scale is alpha over the root of the rank (rsLoRA). Raises UserError: `unreadable`, `corrupt`."""
    header = read_header(path, name or str(path))
    weights = Weights(path, header)
    modules: dict[str, list[tuple[Part, Tensor]]] = {}
    with path.open("rb") as file:
        for tensor in header.tensors:
            part = part_of(tensor.name)
            if part is not None:
                modules.setdefault(part.module, []).append((part, tensor))
            elif tensor.is_float:
                _look(file, tensor, weights)
            else:
                weights.unread[tensor.dtype] += 1
        for module, parts in modules.items():
            weights.modules.append(_module(file, module, parts, weights, alpha, root_scale))
    kinds = {part.kind for parts in modules.values() for part, _ in parts}
    downs = {module: t for module, parts in modules.items() for part, t in parts if part.kind == "down"}
    weights.network_type = network_type_of(kinds, any(len(t.shape) == 4 and t.shape[-1] > 1 for t in downs.values()))
    weights.family = family_of_shapes({module: t.shape[1] for module, t in downs.items() if len(t.shape) > 1})
    return weights


def is_sound(path: Path) -> bool:
    """The file is whole and has no NaN or infinity. Never raises for what is in it."""
    from loramon.errors import UserError

    try:
        weights = examine(path)
    except UserError:
        return False
    return not weights.n_bad and not weights.header.n_missing_bytes


def _look(file: BinaryIO, tensor: Tensor, weights: Weights) -> bool:
    """Counts what is not finite in a tensor; True where all of it is zero."""
    zero, n_bad = True, 0
    for block in blocks(file, tensor):
        # a sum of squares that is finite holds nothing that is not: one pass where all is well
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(np.dot(block, block))
        if not math.isfinite(total):
            n_bad += int(block.size - np.count_nonzero(np.isfinite(block)))
        zero = zero and not block.any()
    if n_bad:
        weights.n_bad += n_bad
        weights.n_bad_tensors += 1
        weights.first_bad = weights.first_bad or tensor.name
    return zero and tensor.n_values > 0


def _module(file: BinaryIO, name: str, parts: list[tuple[Part, Tensor]], weights: Weights, alpha: float | None, root_scale: bool) -> Module:
    module = Module(name, group_of(name), alpha=alpha)
    n_bad = weights.n_bad
    for part, tensor in parts:
        if not tensor.is_float:
            weights.unread[tensor.dtype] += 1
            continue
        zero = _look(file, tensor, weights)
        if part.is_zero_at_start:
            module.is_zero = zero if module.is_zero is None else module.is_zero and zero
        if part.kind == "alpha" and tensor.n_values == 1:
            module.alpha = next((float(block[0]) for block in blocks(file, tensor)), None)
        if part.kind in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b") and tensor.shape:
            module.rank = tensor.shape[0]
    if weights.n_bad == n_bad:
        module.rms = _rms(file, module, {part.kind: tensor for part, tensor in parts}, root_scale)
    return module


def _rms(file: BinaryIO, module: Module, parts: dict[str, Tensor], root_scale: bool) -> float | None:
    """Root mean square of scale · up · down: the product's norm by the factors' Gram matrices, never formed itself."""
    up, down = parts.get("up"), parts.get("down")
    if up is None or down is None or "lora_mid" in parts or not module.rank:
        return None
    b, a = _matrix(file, up), _matrix(file, down)
    if a is None or b is None:
        return None
    if b.shape[1] != a.shape[0]:
        if b.shape[0] != a.shape[1]:
            return None
        a, b = a.T, b.T  # an embedding's factors are transposed
    squares = float(np.sum((b.T @ b) * (a @ a.T)))
    scale = 1.0 if module.alpha is None else module.alpha / (math.sqrt(module.rank) if root_scale else module.rank)
    return abs(scale) * math.sqrt(max(0.0, squares) / (b.shape[0] * a.shape[1]))


def _matrix(file: BinaryIO, tensor: Tensor) -> NDArray[np.float64] | None:
    if len(tensor.shape) < 2 or not 0 < tensor.n_values <= MAX_FACTOR_VALUES or not tensor.is_float:
        return None
    values = np.concatenate([np.asarray(block, np.float64) for block in blocks(file, tensor)] or [np.zeros(0)])
    return values.reshape(tensor.shape[0], -1) if values.size == tensor.n_values else None
