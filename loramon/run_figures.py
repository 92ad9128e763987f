"""The figures of one run, as the object of `diagnose --json` holds them: progress, metrics, settings, facts and times."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

from loramon.plain import plain, plain_tree
from loramon.run import Run
from loramon.speed import seconds_per_step
from loramon.symptoms import nan_step
from loramon.triage import Opinion

SETTINGS = (
    "architecture", "base_model", "prediction_type", "timestep_sampling", "flow_shift", "network_type", "rank", "alpha",
    "learning_rate", "unet_lr", "text_encoder_lr", "optimizer", "optimizer_args", "lr_scheduler", "lr_warmup_steps",
    "lr_cycles", "batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "activation_offload",
    "cache_latents", "cache_latents_to_disk", "cache_text_encoder_outputs", "train_text_encoder", "resolution", "frames",
    "bucketing", "mixed_precision", "full_half_precision", "quantization", "blocks_to_swap", "attention", "compile",
    "dataloader_workers", "max_steps", "max_epochs", "min_snr_gamma", "noise_offset", "max_grad_norm",
    "scale_weight_norms", "vae_fix", "save_every", "sample_every", "num_images", "repeats", "resume", "output_dir",
    "logging_dir", "seed",
)  # fmt: skip
FACTS = ("gpu_name", "gpu_capacity_gib", "gpu_free_gib", "tried_to_allocate_gib", "pytorch_allocated_gib", "pytorch_reserved_gib",
         "reserved_unallocated_gib", "process_gib", "other_processes_gib", "gpu_index", "exit_code", "signal", "host", "device",
         "module", "port", "path")  # fmt: skip


def progress_of(run: Run) -> dict[str, Any]:
    p = run.progress
    step = p.step if run.is_step_known else None
    return {"step": step, "total_steps": p.total_steps, "epoch": plain(p.epoch), "total_epochs": plain(p.total_epochs), "eta_s": None}


def metrics_of(run: Run, shown: float | None = None) -> dict[str, Any]:
    loss, lr = run.best("loss"), run.best("lr")
    pace, pace_last = seconds_per_step(run.tick_step.view, run.tick_t_s.view)
    if pace is None:
        pace = pace_last = shown
    return {
        "loss_kind": None if loss is None else "step" if loss.kind == "step" else "mean",
        "loss_first": loss.first if loss else None,
        "loss_last": loss.last if loss else run.facts["loss_last"].value if "loss_last" in run.facts else None,
        "loss_min": loss.lowest if loss else None,
        "loss_nan_step": nan_step(run, run.alarm_log()),
        "lr_last": lr.last if lr else None,
        "sec_per_step": pace,
        "sec_per_step_last": pace_last,
    }


def eta_s(run: Run, metrics: Mapping[str, Any]) -> float | None:
    p, pace = run.progress, metrics["sec_per_step_last"]
    if p.step is None or p.total_steps is None or pace is None or p.step > p.total_steps:
        return None
    return round((p.total_steps - p.step) * float(pace), 1)


def settings_of(run: Run) -> dict[str, Any]:
    return {name: plain_tree(found.value) for name in SETTINGS if (found := run.settings.get(name)) is not None and found.value is not None}


def facts_of(run: Run, said: Opinion) -> dict[str, Any]:
    facts: dict[str, Any] = {name: plain(fact.value) for name, fact in run.facts.items() if name in FACTS}
    for finding in said.findings:
        if finding.severity == "note":
            continue
        for name in FACTS:
            if name in finding.numbers and finding.numbers[name] is not None:
                facts.setdefault(name, plain(finding.numbers[name]))
    return facts


def times_of(run: Run) -> dict[str, Any]:
    line = run.timeline

    def iso(wall_s: float | None) -> str | None:
        if wall_s is None or not math.isfinite(wall_s):
            return None
        try:
            return datetime.datetime.fromtimestamp(wall_s).astimezone().isoformat(timespec="seconds")
        except (ValueError, OverflowError, OSError):  # a stamp of no year that a calendar has
            return None

    t = run.tick_t_s.view
    ended = line.wall_s(float(t[-1])) if run.tick_t_s.n else None
    if line.last_wall_s is not None:
        ended = max(ended or line.last_wall_s, line.last_wall_s)
    started = line.first_wall_s if line.first_wall_s is not None else line.wall_s(float(t[0])) if run.tick_t_s.n else None
    return {"started": iso(started), "ended": iso(ended), "by_phase_s": phases_of(run), "from": line.t_from}


def phases_of(run: Run) -> dict[str, float]:
    """Seconds by phase; what was not seen is left out. The training's are those between its first and its last step."""
    t, line = run.tick_t_s.view, run.timeline
    took: dict[str, float] = {str(phase): seconds for phase, seconds in run.phase_s.items()}
    if len(t) and line.first_wall_s is not None and line.t_from == "bar" and line.offset_s is not None and (line.error_s or 99) <= 2:
        silent_s = line.offset_s - line.first_wall_s - (sum(took.values()) - run.paused_s)  # models are loaded without a bar
        if silent_s > 2:
            took["load"] = took.get("load", 0.0) + silent_s
    if len(t) > 1:
        took["train"] = max(0.0, float(t[-1]) - float(t[0]) - run.paused_s)
    return {phase: round(seconds, 1) for phase, seconds in took.items()}
