"""The bundled trainer beside diffusers' own `train_text_to_image_lora.py`: seconds a step and peak memory, on the CPU.

    python benchmarks/trainer.py SCRIPT [--pairs 3] [--steps 40]

SCRIPT is examples/text_to_image/train_text_to_image_lora.py of huggingface/diffusers; it needs `datasets` and `torchvision`
beside the extra `trainer`. Both train the same tiny random model on the same images, with the same layers, rank, batch,
size, optimizer and number format, in turns. Ours runs twice: without caches, as the script does, and with them.

Seconds a step: median over the later half of the steps of the differences of TensorBoard wall times, which both write at
each step. Peak memory: the most resident memory of the process. The figure told is the ratio of each pair, in the middle,
with the lowest and highest pair.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "trainer"))
import tiny

import loramon

RESOLUTION, BATCH, RANK = 48, 2, 8


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


def measured(command: list[str], events: Path, tag: str, environ: dict[str, str]) -> tuple[float, float]:
    """(seconds a step, peak memory in MiB) of one run."""
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said.decode()[-2000:])
    wall = loramon.read_scalars(str(events))[tag].wall_time
    later = (wall[1:] - wall[:-1])[len(wall) // 2 :]
    return statistics.median(later.tolist()), usage.ru_maxrss / 1024


def theirs(script: str, base: Path, folder: Path, out: Path, steps: int, environ: dict[str, str]) -> tuple[float, float]:
    flags = {
        "pretrained_model_name_or_path": base, "train_data_dir": folder, "caption_column": "text", "resolution": RESOLUTION, "train_batch_size": BATCH,
        "rank": RANK, "max_train_steps": steps, "learning_rate": 1e-4, "lr_scheduler": "constant", "lr_warmup_steps": 0, "seed": 1, "output_dir": out,
        "checkpointing_steps": 100000, "report_to": "tensorboard", "mixed_precision": "no", "cache_dir": out / "cache",
    }  # fmt: skip
    command = [sys.executable, script, "--center_crop", *(word for k, v in flags.items() for word in (f"--{k}", str(v)))]
    return measured(command, out / "logs" / "text2image-fine-tune", "train_loss", environ)


def ours(base: Path, folder: Path, out: Path, steps: int, cached: bool, environ: dict[str, str]) -> tuple[float, float]:
    caches = {"cache_latents": "memory", "cache_text": True} if cached else {"cache_latents": "no", "cache_text": False}
    data = {"resolution": RESOLUTION, "batch_size": BATCH, "buckets": False, "workers": 0, **caches}
    table = tiny.settings(out, base, folder.parent, data=data, lora={"rank": RANK, "alpha": float(RANK), "targets": "attention"},
                          optimizer={"learning_rate": 1e-4}, train={"steps": steps})  # fmt: skip
    out.mkdir(parents=True)
    command = [sys.executable, "-m", "loramon.trainer", str(tiny.toml(table, out / "config.toml"))]
    return measured(command, out / "logs" / "lora", "loss/current", environ)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    found: dict[str, list[tuple[float, float]]] = {"diffusers": [], "plain": [], "cached": []}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        base, data = model(home), images(home)
        for pair in range(args.pairs):
            found["diffusers"].append(theirs(args.script, base, data, home / f"theirs{pair}", args.steps, environ))
            found["plain"].append(ours(base, data, home / f"plain{pair}", args.steps, False, environ))
            found["cached"].append(ours(base, data, home / f"cached{pair}", args.steps, True, environ))
    result: dict[str, object] = {"pairs": args.pairs, "steps": args.steps, "resolution": RESOLUTION, "batch_size": BATCH, "rank": RANK}
    for name in ("plain", "cached"):
        for i, what in enumerate(("s_per_step", "peak_mib")):
            ratios = sorted(a[i] / b[i] for a, b in zip(found[name], found["diffusers"], strict=True))
            result[f"{name}_{what}_ratio"] = [round(x, 3) for x in (statistics.median(ratios), ratios[0], ratios[-1])]
    for name, runs in found.items():
        result[name] = [[round(s, 4), round(m)] for s, m in runs]
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
