"""`python -m loramon.trainer CONFIG.toml`: trains; `--convert IN OUT`: rewrites a LoRA file between kohya's and diffusers' format."""

import argparse
import json
import os
import sys
import warnings

from .settings import Settings, SettingsError, read


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 done, 1 failed, 130 or 143 interrupted and saved."""
    parser = argparse.ArgumentParser(prog="python -m loramon.trainer", description="Trains a LoRA for Stable Diffusion 1, 2 or XL.")
    parser.add_argument("config", nargs="?", metavar="CONFIG.toml", help="the settings; docs/trainer.md describes each")
    parser.add_argument("--resume", nargs="?", const="latest", metavar="CHECKPOINT", help="go on from it; the newest where none is named")
    parser.add_argument("--convert", nargs=2, metavar=("IN", "OUT"), help="rewrite a LoRA file in the other format, kohya's or diffusers'")
    args = parser.parse_args(argv)
    if not args.config and not args.convert:
        parser.error("CONFIG.toml is missing")
    # nothing is fetched: a model is a path
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TRANSFORMERS_VERBOSITY="error", DIFFUSERS_VERBOSITY="error")
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    warnings.filterwarnings("ignore", category=FutureWarning)
    status = 1
    try:
        if args.convert:
            from .weights import convert

            print(f"{args.convert[1]}: {convert(*args.convert)} format")
            return 0
        settings = read(args.config)
        settings.save.resume = args.resume or settings.save.resume
        return train(settings)
    except ModuleNotFoundError as error:
        why = f"the trainer needs {error.name}: pip install 'loramon-tui[trainer]'"
    except SettingsError as error:
        why = str(error)
    except OSError as error:
        why = f"{error.filename or ''}: {error.strerror or error}"
    except KeyboardInterrupt:
        status, why = 130, "interrupted"
    print(f"loramon trainer: {why if why.isprintable() else json.dumps(why)[1:-1]}", file=sys.stderr)
    return status


def train(settings: Settings) -> int:
    """A whole training; returns the exit status. Raises SettingsError."""
    import torch
    from diffusers.utils.logging import disable_progress_bar

    from .job import Job
    from .loop import fit
    from .signals import say

    disable_progress_bar()
    os.makedirs(settings.save.folder, exist_ok=True)
    job = Job(settings)
    s, base, report = settings, job.base, job.report
    say("start", architecture=base.family, prediction_type=base.prediction_type, device=job.device.type, torch=torch.__version__)
    say("lora", rank=s.lora.rank, alpha=s.lora.alpha, targets=s.lora.targets, text_encoder=s.lora.text_encoder)
    say("data", folder=s.data.folder, images=report["n_images"], with_repeats=report["n_with_repeats"], broken=len(report["broken"]),
        without_caption=report["n_without_caption"], buckets=len(report["buckets"]), resolution=job.resolution)  # fmt: skip
    for path in report["broken"][:5]:
        say("broken-image", path=path)
    print(f"mean ar error (without repeats): {report['mean_ar_error']:.4g}", flush=True)
    say("optimizer", name=s.optimizer.name, learning_rate=s.optimizer.learning_rate, scheduler=s.scheduler.name,
        warmup_steps=s.scheduler.warmup_steps, mixed_precision=s.train.mixed_precision, max_grad_norm=s.train.max_grad_norm,
        gradient_checkpointing=s.train.gradient_checkpointing)  # fmt: skip
    say("steps", total=s.train.steps, per_epoch=job.steps.per_epoch, batch_size=s.data.batch_size, accumulation=s.train.accumulation,
        seed=s.train.seed, heal=s.heal.on)  # fmt: skip
    if job.step:
        say("resumed", step=job.step)
    manifest = {"settings": settings, "data": report, "model": {"architecture": base.family, "prediction_type": base.prediction_type}}
    job.signals.manifest({**manifest, "status": None})
    try:
        status = fit(job)
    except torch.OutOfMemoryError as error:
        status = job.failed(f"torch.OutOfMemoryError: {str(error).splitlines()[0]}")
    job.signals.manifest({**manifest, "status": status, "step": job.step, "healed": job.n_healed})
    job.signals.events.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
