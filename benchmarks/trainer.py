"""The bundled trainer beside diffusers' own `train_text_to_image_lora.py`, on the CPU: CPU and wall seconds a step, peak memory.

    python benchmarks/trainer.py SCRIPT [--pairs 3] [--steps 40]

SCRIPT is examples/text_to_image/train_text_to_image_lora.py of huggingface/diffusers; it needs `datasets` and `torchvision`
beside the extra `trainer`. Both train the same tiny random model on the same images, with the same layers, rank, batch,
size, optimizer and number format, one after the other, on one thread. Each pair begins with another of them.

Ours has three rows. `unclipped` (`train.max_grad_norm = 0`) is like for like: the script clips nothing. Its `lora_layers` is a
`filter` object (line 563), used up by the optimizer's constructor (line 592), so that its `clip_grad_norm_` (lines 930-931) gets no
parameters; ours still measures the norm, which is a figure it tells. `clipped` has our default, 1. `cached` is `unclipped` with the
latents and what the text encoder says kept in memory, which the script cannot do.

CPU seconds a step: user and system time of the whole process between the optimizer's steps, counted by a hook in it, the same for
both; the mean from the tenth step on, so that the start is not in it. Wall seconds: the median of the same steps. Peak memory: the
most resident memory of the process. The figure told is the ratio of each pair, in the middle, with the lowest and highest pair.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "trainer"))
import tiny

RESOLUTION, BATCH, RANK, FIRST = 48, 2, 8, 10
HOOK = """
import atexit, json, runpy, sys, time
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

torch.set_num_threads(1)
times = []
register_optimizer_step_post_hook(lambda *_: times.append((time.process_time(), time.perf_counter())))
target = sys.argv.pop(1)
atexit.register(lambda path=sys.argv.pop(1): open(path, "w").write(json.dumps(times)))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__") if target == "file" else runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a script ("file") or a module with the rest of the arguments, and writes (CPU seconds, wall seconds) at each optimizer step."""


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    cpu_s_per_step: float
    wall_s_per_step: float
    peak_mib: float


def model(home: Path) -> Path:
    """Of the shape of SD1, wide enough that a step's work is not the interpreter's."""
    import torch
    from diffusers import DDPMScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    pipe = StableDiffusionPipeline(tiny.vae(), tiny.text_encoder(), tiny.tokenizer(), tiny.unet(False, 64), noise, None, None, requires_safety_checker=False)
    pipe.save_pretrained(home / "model")
    return home / "model"


def images(home: Path) -> Path:
    """The same images for both: a folder with captions, and for `datasets` a metadata.jsonl beside them."""
    folder = tiny.images(home / "images", n=12, repeats=1, sizes=((160, 160),)) / "1_colours"
    rows = [{"file_name": f"{i}.png", "text": (folder / f"{i}.txt").read_text()} for i in range(12)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def measured(kind: str, words: list[str], out: Path, environ: dict[str, str]) -> Cost:
    """One run: `kind` and `words` as HOOK takes them. Raises SystemExit with the end of what it said where it failed."""
    times = out.parent / f"{out.name}.json"
    process = subprocess.Popen(
        [sys.executable, "-c", HOOK, kind, str(times), *words], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said.decode()[-2000:])
    steps = json.loads(times.read_text())[FIRST - 1 :]
    cpu_s, wall_s = ([later[i] - earlier[i] for earlier, later in pairwise(steps)] for i in (0, 1))
    return Cost(statistics.fmean(cpu_s), statistics.median(wall_s), usage.ru_maxrss / 1024)


def theirs(script: str, base: Path, folder: Path, out: Path, steps: int, environ: dict[str, str]) -> Cost:
    flags = {
        "pretrained_model_name_or_path": base, "train_data_dir": folder, "caption_column": "text", "resolution": RESOLUTION, "train_batch_size": BATCH,
        "rank": RANK, "max_train_steps": steps, "learning_rate": 1e-4, "lr_scheduler": "constant", "lr_warmup_steps": 0, "seed": 1, "output_dir": out,
        "checkpointing_steps": 100000, "report_to": "tensorboard", "mixed_precision": "no", "cache_dir": out / "cache",
    }  # fmt: skip
    return measured("file", [script, "--center_crop", *(word for k, v in flags.items() for word in (f"--{k}", str(v)))], out, environ)


def ours(row: str, base: Path, folder: Path, out: Path, steps: int, environ: dict[str, str]) -> Cost:
    caches = {"cache_latents": "memory" if row == "cached" else "no", "cache_text": row == "cached"}
    data = {"resolution": RESOLUTION, "batch_size": BATCH, "buckets": False, "workers": 0, **caches}
    table = tiny.settings(out, base, folder.parent, data=data, lora={"rank": RANK, "alpha": float(RANK), "targets": "attention"},
                          optimizer={"learning_rate": 1e-4}, train={"steps": steps, "max_grad_norm": float(row == "clipped")})  # fmt: skip
    out.mkdir(parents=True)
    return measured("module", ["loramon.trainer", str(tiny.toml(table, out / "config.toml"))], out, environ)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    rows = ("diffusers", "unclipped", "clipped", "cached")
    found: dict[str, list[Cost]] = {row: [] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        base, data = model(home), images(home)
        for pair in range(args.pairs):
            first = pair % len(rows)
            for row in rows[first:] + rows[:first]:
                out = home / f"{row}{pair}"
                run = theirs(args.script, base, data, out, args.steps, environ) if row == "diffusers" else ours(row, base, data, out, args.steps, environ)
                found[row].append(run)
    result: dict[str, object] = {"pairs": args.pairs, "steps": args.steps, "resolution": RESOLUTION, "batch_size": BATCH, "rank": RANK}
    for row in rows[1:]:
        for what in ("cpu_s_per_step", "wall_s_per_step", "peak_mib"):
            ratios = sorted(getattr(a, what) / getattr(b, what) for a, b in zip(found[row], found["diffusers"], strict=True))
            result[f"{row}_{what}_ratio"] = [round(x, 3) for x in (statistics.median(ratios), ratios[0], ratios[-1])]
    for row, runs in found.items():
        result[row] = [[round(run.cpu_s_per_step, 4), round(run.wall_s_per_step, 4), round(run.peak_mib)] for run in runs]
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
