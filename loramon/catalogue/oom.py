"""The anatomy of out-of-memory messages: figures in GiB, the likely cause, and the phase of training.

Forms read (torch c10/cuda/CUDACachingAllocator.cpp malloc()):
A, up to 2.0: `(GPU 0; T total capacity; A already allocated; F free; R reserved in total by PyTorch)`;
B, 2.1: `GPU 0 has a total capacty of T of which F is free. … this process has P memory in use. …`;
C, 2.2 to 2.8, and D, from 2.9: `total capacity`, other processes listed, another name of the environment variable.
backend:cudaMallocAsync (c10/cuda/CUDAMallocAsyncAllocator.cpp) prints a table: `Currently allocated : A`, `Requested : X`,
`Device limit : T`, `Free (according to CUDA): F`, `PyTorch limit (…) : L`.
Further: HIP, XPU and NPU (the same words), MPS (aten/src/ATen/mps/MPSAllocator.mm), the CPU allocator
(c10/core/impl/alloc_cpu.cpp), numpy (_core/_exceptions.py), mmap (aten/src/ATen/MapAllocator.cpp).
c10's format_size() divides by 1024 whatever it calls the unit, so GB is read as GiB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Cause = Literal["limit", "fragmentation", "other-process", "huge-allocation", "free-yet-fails", "spilled", "unknown"]
Phase = Literal["cache", "sample", "validate", "save", "optimizer", "backward", "forward", "load"]

_SIZE = r"(?<![\d.])([\d.]++) ?(bytes|[KMGT]i?B)"
_UNIT_GIB = {"bytes": 2.0**-30, "K": 2.0**-20, "M": 2.0**-10, "G": 1.0, "T": 2.0**10}
_WRAPPED_GIB = 2.0**33
"""From here on a figure is a negative 64-bit count: 17179869184.00 GiB is 2^64 bytes (seen under WSL)."""

_FIGURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("tried_to_allocate_gib", re.compile(rf"Tried to allocate {_SIZE}")),
    ("tried_to_allocate_gib", re.compile(rf"Unable to allocate {_SIZE} for an array")),
    ("tried_to_allocate_gib", re.compile(r"you tried to allocate (\d+) (bytes)")),
    ("tried_to_allocate_gib", re.compile(r"unable to mmap (\d+) (bytes)")),
    ("tried_to_allocate_gib", re.compile(r"memory allocation of (\d+) (bytes) failed")),
    ("gpu_capacity_gib", re.compile(rf"total capaci?ty of {_SIZE}")),
    ("gpu_capacity_gib", re.compile(rf"{_SIZE} total capaci?ty")),
    ("gpu_capacity_gib", re.compile(rf"max allowed: {_SIZE}")),
    ("tried_to_allocate_gib", re.compile(rf"Requested +: {_SIZE}")),
    ("tried_to_allocate_gib", re.compile(rf"Invalid buffer size: {_SIZE}")),
    ("gpu_capacity_gib", re.compile(rf"Device limit +: {_SIZE}")),
    ("gpu_free_gib", re.compile(rf"Free \(according to \w+\): {_SIZE}")),
    ("gpu_allowed_gib", re.compile(rf"PyTorch limit \([^)]*\)\s+: {_SIZE}")),
    ("pytorch_allocated_gib", re.compile(rf"Currently allocated +: {_SIZE}")),
    ("gpu_free_gib", re.compile(rf"of which {_SIZE} is free")),
    ("gpu_free_gib", re.compile(rf"; {_SIZE} free;")),
    ("gpu_allowed_gib", re.compile(rf"{_SIZE} allowed;")),
    ("pytorch_allocated_gib", re.compile(rf"allocated memory {_SIZE} is allocated by PyTorch")),
    ("pytorch_allocated_gib", re.compile(rf"{_SIZE} already allocated")),
    ("pytorch_allocated_gib", re.compile(rf"MPS allocated: {_SIZE}")),
    ("reserved_unallocated_gib", re.compile(rf"{_SIZE} is reserved by PyTorch but unallocated")),
    ("pytorch_reserved_gib", re.compile(rf"{_SIZE} reserved in total by PyTorch")),
    ("process_gib", re.compile(rf"this process has {_SIZE} memory in use")),
)
_INDEX = re.compile(r"\bGPU (\d+)(?:;| has a total)")
_MPS = re.compile(rf"MPS allocated: {_SIZE}, other allocations: {_SIZE}")
_PROCESS = re.compile(rf"Process \d+ has {_SIZE} memory in use")


def anatomy(message: str) -> dict[str, object]:
    """The figures in an out-of-memory message; what it does not tell is left out.

    Keys, in GiB: `tried_to_allocate_gib`, `gpu_capacity_gib`, `gpu_free_gib`, `gpu_allowed_gib` (a cap set for the
    process), `pytorch_allocated_gib`, `reserved_unallocated_gib`, `pytorch_reserved_gib` (allocated and not),
    `process_gib` (this process, all of it), `other_processes_gib`. And `gpu_index`.
    """
    facts: dict[str, object] = {}
    for name, pattern in _FIGURES:
        found = pattern.search(message)
        size = _gib(found[1], found[2]) if found else None
        if size is not None:
            facts.setdefault(name, size)
    index = _INDEX.search(message)
    if index:
        facts["gpu_index"] = int(index[1])
    mps = _MPS.search(message)
    sizes = (_gib(mps[1], mps[2]), _gib(mps[3], mps[4])) if mps else (None, None)
    if sizes[0] is not None and sizes[1] is not None:
        facts["process_gib"] = sizes[0] + sizes[1]
    _complete_reserved(facts)
    _processes(message, facts)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in facts.items()}


def cause(facts: Mapping[str, object]) -> Cause:
    """Why the allocation failed, as far as the figures of `anatomy` tell.

    `spilled`: more allocated than the card has, so memory had spilled to the host before. `free-yet-fails`: four times
    the request was free. `huge-allocation`: one request of more than half the card. `other-process`: others hold at
    least the request, and 5 % of the card (a desktop's few hundred MiB are no reason). `fragmentation`: free and
    reserved-but-unallocated together would do, the latter at least 10 % of the card; it is real, because the allocator
    gave whole cached blocks back before it failed. `limit`: this process fills the card: at least 88 % allocated at a
    small request (up to 0.25 GiB), or at least 80 % in use at any other.
    """
    tried, capacity = _number(facts, "tried_to_allocate_gib"), _number(facts, "gpu_capacity_gib")
    if tried is None or not capacity:
        return "unknown"
    free, allocated = _number(facts, "gpu_free_gib"), _number(facts, "pytorch_allocated_gib")
    if allocated is not None and allocated > capacity * 1.01:
        return "spilled"
    room = min(capacity, _number(facts, "gpu_allowed_gib") or capacity)
    if tried > room:
        return "huge-allocation"
    if free is not None and free > 0 and free >= 4 * tried and room == capacity:
        return "free-yet-fails"
    others = _number(facts, "other_processes_gib") or 0.0
    split = _number(facts, "reserved_unallocated_gib") or 0.0
    foreign = others >= max(tried, 0.05 * capacity)
    fragmented = split >= 0.10 * capacity and split + (free or 0.0) >= tried
    if foreign or fragmented:
        return "other-process" if foreign and (others >= split or not fragmented) else "fragmentation"
    if tried > 0.5 * room:
        return "huge-allocation"
    used = max(_number(facts, n) or 0.0 for n in ("pytorch_allocated_gib", "pytorch_reserved_gib", "process_gib"))
    if (tried <= 0.25 and allocated is not None and allocated >= 0.88 * room) or used >= 0.80 * room:
        return "limit"
    return "unknown"


_PATTERNS: tuple[tuple[Phase, tuple[str, ...]], ...] = (
    ("cache", (
        r"\bin \w*cache_(?:batch_)?(?:latent|text|te_|te\b|output|image|clip)\w*",
        r"\bin (?:\w*_caching\w*|start_next_epoch)\b",  # start_next_epoch: OneTrainer's loader (mgds) caches there
    )),
    ("sample", (
        r"\bin (?:\w*sample_images?\w*|_*sample(?:_loop)?|log_validation|generate_(?:images?|samples?))\b",
        r"\bin (?:_*run_validations?|do_inference)\b",
        r'pipeline_\w+\.py", line \d+, in __call__',
    )),
    ("validate", (
        r"\bin (?:_?evaluate\w*|evaluation_loop|prediction_step|validation_step|_*validate)\b",
        r"\bin (?:process_val\w*|calculate_val_loss)\b",
    )),
    ("save", (r"\bin (?:_?save(?:_\w+)?|serialize_file)\b",)),
    ("optimizer", (
        r"optimizer\.step\(",
        r"[\\/](?:torch|bitsandbytes)[\\/]optim[\\/](?!lr_scheduler)",
        r"[\\/](?:prodigyopt|dadaptation|schedulefree|lion_pytorch)[\\/]",
        r"\bin (?:_?init_group|init_state|step_param|update_step|clip_grad_norm_)\b",
    )),
    ("backward", (r"\.backward\(", r"\bin (?:backward|_engine_run_backward)\b")),
    ("load", (
        r"\bin (?:_?load(?:_\w+)?|from_pretrained|from_single_file|_?quantize\w*|dispatch_model)\b",
        r"\bin set_module_tensor_to_device\b",
    )),
    ("forward", (
        r"\bin (?:forward|_call_impl|call_unet|call_dit|get_noise_pred_and_target|compute_loss)\b",
        r"\bin (?:train(?:ing)?_step|process_batch|predict\w*|model_predict)\b",
    )),
    ("load", (r"\.(?:to|cuda)\(", r"\bin (?:to|cuda|convert|_apply)\b")),
)  # fmt: skip
"""The first that any frame holds wins: a forward pass inside caching, sampling or recomputation is none of its own."""

_PHASES = tuple((name, re.compile("|".join(patterns))) for name, patterns in _PATTERNS)


def phase(frames: tuple[str, ...]) -> Phase | None:
    """What the run was doing, from a traceback's frames (innermost last); None where they do not tell.

    `forward` and `backward` are the training step's own; a pass inside sampling or caching counts as that.
    """
    text = "\n".join(frames)
    for name, pattern in _PHASES:
        if pattern.search(text):
            return name
    return None


def _gib(figure: str, unit: str) -> float | None:
    try:
        size = float(figure) * _UNIT_GIB[unit if unit == "bytes" else unit[0]]
    except ValueError:
        return None
    return size if size < _WRAPPED_GIB else None


def _number(facts: Mapping[str, object], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) else None


def _complete_reserved(facts: dict[str, object]) -> None:
    allocated = _number(facts, "pytorch_allocated_gib")
    reserved, split = _number(facts, "pytorch_reserved_gib"), _number(facts, "reserved_unallocated_gib")
    if allocated is None:
        return
    if reserved is None and split is not None:
        facts["pytorch_reserved_gib"] = allocated + split
    elif reserved is not None and split is None and reserved >= allocated:
        facts["reserved_unallocated_gib"] = reserved - allocated


def _processes(message: str, facts: dict[str, object]) -> None:
    """Sorts the listed processes into this one and the others.

    In a container the driver's process id is not our own, so the message lists this process as if it were another and
    leaves out `this process has`: then the smallest listed one that can hold what PyTorch reserved is taken for it.
    """
    listed = sorted(s for s in (_gib(f, u) for f, u in _PROCESS.findall(message)) if s is not None)
    reserved = _number(facts, "pytorch_reserved_gib")
    if "process_gib" not in facts and reserved is not None:
        own = next((size for size in listed if size >= reserved - 0.02), None)
        if own is not None and reserved > 0:
            facts["process_gib"] = own
            listed.remove(own)
    if listed:
        facts["other_processes_gib"] = sum(listed)
        return
    capacity, free, process = (_number(facts, n) for n in ("gpu_capacity_gib", "gpu_free_gib", "process_gib"))
    if capacity is not None and free is not None and process is not None and capacity - free - process > 0:
        facts["other_processes_gib"] = capacity - free - process
