"""One training: the model with its LoRA, the optimizer, the data, and where it stands; how that is saved and found again."""

from __future__ import annotations

import copy
import glob
import io
import json
import os
import pickle
import shutil
from collections import Counter
from typing import Any

import torch

from . import optimizer as optimizers
from . import weights
from .data import Steps, cache_latents, cache_text
from .files import write_bytes
from .health import Health
from .images import scan
from .model import load
from .settings import Settings, SettingsError
from .signals import Signals, line


class Job:
    """Everything of one training.

    `parts`: the trained ones. `rates`: the settings' learning rates, one a part. `text`: what the encoders say of each
    caption, None where it is not cached. `pieces`: images of a batch that go through the model at once, halved when
    memory runs out. `step`: how many are done. `healed_to`: the step that healing last went back to.
    """

    def __init__(self, settings: Settings) -> None:
        """Loads the model, reads the images, fills the caches, finds the checkpoint to go on from. Raises SettingsError."""
        self.settings, self.folder, wanted = settings, settings.save.folder, settings.train
        self.step, self.n_healed, self.healed_to, self.pieces = 0, 0, 0, settings.data.batch_size
        if wanted.device == "cuda" and not torch.cuda.is_available():
            raise SettingsError(f'train.device = "cuda", but torch {torch.__version__} sees no GPU')
        self.device = torch.device("cuda" if torch.cuda.is_available() and wanted.device != "cpu" else "cpu")
        if wanted.mixed_precision == "auto":
            wanted.mixed_precision = "no" if self.device.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        if wanted.mixed_precision == "fp16" and self.device.type == "cpu":
            raise SettingsError('train.mixed_precision = "fp16" needs a GPU; a CPU has "bf16" and "no"')
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "no": torch.float32}[wanted.mixed_precision]
        print(line("loading", model=settings.model.path), flush=True)
        self.base = base = load(settings.model, self.dtype)
        self.resolution = settings.data.resolution or base.resolution
        self.pictures, self.report = scan(settings.data, self.resolution)

        torch.manual_seed(wanted.seed)
        self.parts = weights.add(base, settings.lora)
        if wanted.gradient_checkpointing:
            checkpoint_gradients(self.parts)
        self.optimizer = optimizers.make(settings, self.parts)
        self.rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.schedule = optimizers.schedule(settings.scheduler, self.optimizer, wanted.steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=wanted.mixed_precision == "fp16")
        self.health = Health(settings.heal.window, settings.heal.factor)

        for part in (base.unet, base.vae, *base.text_encoders):
            part.to(self.device)
        print(line("caching", latents=settings.data.cache_latents, text=settings.data.cache_text, images=self.report.n_images), flush=True)
        self.steps = Steps(settings, self.pictures, cache_latents(base, self.pictures, settings))
        self.text = cache_text(base, self.pictures, settings) if settings.data.cache_text == "yes" else None
        for part in ([base.vae] if self.steps.cache else []) + ([] if self.text is None else base.text_encoders):
            part.to("cpu" if settings.sample.every else "meta")  # without samples nobody needs them any more
        self.signals = Signals(self.folder, settings.save.name, wanted.steps, self.steps.per_epoch)
        if settings.save.resume:
            newest = next((path for _, path in self.checkpoints()), None) if settings.save.resume == "latest" else settings.save.resume
            if newest is None:
                raise SettingsError(f'save.resume = "latest", but {self.folder} holds no checkpoint of {settings.save.name}')
            self.restore(read_state(newest))
            self.set_rates()  # a rate that was changed since holds from here on
            self.signals.back_to(self.step)
        self.initial = copy.deepcopy(self.state()) if settings.heal.on else None  # where no checkpoint is good

    def autocast(self) -> torch.autocast:
        """In which the model computes."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def identity(self) -> dict[str, Any]:
        """What must be as it was, for a training to go on where it stopped."""
        s = self.settings
        return {
            "family": self.base.family, "prediction_type": self.base.prediction_type, "rank": s.lora.rank, "alpha": s.lora.alpha,
            "targets": s.lora.targets, "text_encoder": s.lora.text_encoder, "optimizer": s.optimizer.name, "scheduler": s.scheduler.name,
            "batch_size": s.data.batch_size, "accumulation": s.train.accumulation, "seed": s.train.seed,
            "images": [(os.path.basename(p.path), p.repeats, p.bucket) for p in self.pictures],
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Everything that a training needs to go on exactly from here; order of data and random numbers follow from the step."""
        return {
            "step": self.step, "lora": weights.tensors(self.parts), "optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(), "pieces": self.pieces, "n_healed": self.n_healed, "healed_to": self.healed_to,
            "health": self.health.state(), "identity": self.identity(), "is_good": self.health.is_good,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Goes to where `state` was taken. Raises SettingsError where it is another training's."""
        for key, now in self.identity().items():
            if (was := state["identity"].get(key)) != now:
                what = "other images" if key == "images" else f"{key} = {was!r}, not {now!r}"
                raise SettingsError(f"cannot go on from this checkpoint: it was made with {what}")
        weights.put(self.parts, state["lora"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.health.restore(state["health"])
        self.step, self.pieces, self.n_healed, self.healed_to = (state[key] for key in ("step", "pieces", "n_healed", "healed_to"))

    def set_rates(self) -> None:
        """Learning rates of this step: the settings', lowered by `heal.lr_factor` for each time that was healed."""
        self.schedule.base_lrs = [rate * self.settings.heal.lr_factor**self.n_healed for rate in self.rates]
        for group, base, shape in zip(self.optimizer.param_groups, self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True):
            group["lr"] = base * shape(self.schedule.last_epoch)

    def checkpoints(self) -> list[tuple[int, str]]:
        """Steps and folders of the whole checkpoints of this training's name, newest first."""
        start = glob.escape(os.path.join(self.folder, f"{self.settings.save.name}-step"))
        folders = map(os.path.dirname, glob.glob(os.path.join(start + "[0-9]" * 8, "state.pt")))
        return sorted(((int(folder[-8:]), folder) for folder in folders), reverse=True)

    def save(self) -> bool:
        """Writes a checkpoint, then removes the oldest beyond `save.keep`; False, with a line, where it could not."""
        wanted, state = self.settings.save, self.state()
        path = os.path.join(self.folder, f"{wanted.name}-step{self.step:08d}")
        if not all(bool(torch.isfinite(t).all()) for t in state["lora"].values()):
            self.signals.say("not-saved", "the weights are not finite", step=self.step)
            return False
        try:
            buffer = io.BytesIO()
            torch.save(state, buffer)
            write_bytes(os.path.join(path, "state.pt"), buffer.getbuffer())
        except OSError as error:
            self.signals.say("not-saved", f"{error.strerror}; what was saved before is kept", step=self.step, path=path)
            shutil.rmtree(path, ignore_errors=True)
            return False
        self.write_lora(os.path.join(path, f"{wanted.name}.safetensors"), state["lora"])
        steps, border = [n for n, _ in self.checkpoints()], self.step - self.settings.heal.window
        kept = set(steps[: wanted.keep])
        if self.settings.heal.on:  # healing goes back to the newest from before its window
            kept |= {n for n in steps if n > border} | set([n for n in steps if n <= border][:1])
        for n, old in self.checkpoints():
            if n not in kept:
                shutil.rmtree(old, ignore_errors=True)
        return True

    def write_lora(self, path: str, lora: weights.Tensors) -> bool:
        """The LoRA as a file that tools load; False, with a line that says why, where it is none or could not be written."""
        s, metadata = self.settings, self.metadata()
        try:
            weights.write(path, lora, s.lora.alpha, metadata, s.save.dtype)
            if s.save.diffusers:
                weights.write(f"{path.removesuffix('.safetensors')}_diffusers.safetensors", lora, s.lora.alpha, metadata, s.save.dtype, diffusers=True)
        except (ValueError, OSError) as error:
            self.signals.say("not-saved", getattr(error, "strerror", None) or str(error), step=self.step, path=path)
            return False
        self.signals.say("saved", step=self.step, path=path)
        return True

    def failed(self, why: str) -> int:
        """Says so; what was saved before stays. The exit status."""
        self.signals.say("failed", why, step=self.step)
        return 1

    def metadata(self) -> dict[str, str]:
        """As sd-scripts writes it (48d368fa train_network.py), so that tools show it, and ModelSpec's lines."""
        s, family, v = self.settings, self.base.family, "_v" if self.base.prediction_type == "v_prediction" else ""
        version, architecture = {
            "sd1": (f"sd_v1{v}", "stable-diffusion-v1"), "sd2": (f"sd_v2{v}", f"stable-diffusion-v2-{'768-v' if v else '512'}"),
            "sdxl": ("sdxl_base_v1-0", "stable-diffusion-xl-v1-base"),
        }[family]  # fmt: skip
        tags = Counter(tag.strip() for p in self.pictures for tag in p.caption.split(",") if tag.strip())
        values = {
            "ss_base_model_version": version, "ss_v2": family == "sd2", "ss_sd_model_name": os.path.basename(s.model.path),
            "ss_network_module": "networks.lora", "ss_network_dim": s.lora.rank, "ss_network_alpha": s.lora.alpha, "ss_output_name": s.save.name,
            "ss_learning_rate": s.optimizer.learning_rate, "ss_text_encoder_lr": s.optimizer.text_encoder_lr if s.lora.text_encoder else None,
            "ss_optimizer": s.optimizer.name, "ss_lr_scheduler": s.scheduler.name, "ss_lr_warmup_steps": s.scheduler.warmup_steps,
            "ss_max_train_steps": s.train.steps, "ss_steps": self.step, "ss_seed": s.train.seed, "ss_mixed_precision": s.train.mixed_precision,
            "ss_gradient_checkpointing": s.train.gradient_checkpointing, "ss_gradient_accumulation_steps": s.train.accumulation,
            "ss_batch_size_per_device": s.data.batch_size, "ss_total_batch_size": s.data.batch_size * s.train.accumulation,
            "ss_max_grad_norm": s.train.max_grad_norm, "ss_min_snr_gamma": s.train.min_snr_gamma or None, "ss_noise_offset": s.train.noise_offset or None,
            "ss_resolution": (self.resolution, self.resolution), "ss_enable_bucket": s.data.buckets, "ss_num_train_images": self.report.n_with_repeats,
            "ss_flip_aug": s.data.flip, "ss_shuffle_caption": s.data.shuffle_caption, "ss_cache_latents": s.data.cache_latents != "no",
            "ss_tag_frequency": json.dumps({os.path.basename(s.data.folder): dict(tags)}),
            "modelspec.prediction_type": "v" if v else "epsilon", "modelspec.architecture": f"{architecture}/lora",
        }  # fmt: skip
        return {key: str(value) for key, value in values.items()}


def read_state(path: str) -> dict[str, Any]:
    """The state that a checkpoint's folder holds. Raises SettingsError."""
    try:
        return dict(torch.load(os.path.join(path, "state.pt"), weights_only=True))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise SettingsError(f"{path} is no checkpoint of this trainer: {str(error).splitlines()[0]}") from None


def checkpoint_gradients(parts: dict[str, Any]) -> None:
    """Computes activations again in the backward pass rather than keep them."""
    for name, part in parts.items():
        part.enable_gradient_checkpointing() if name == "unet" else part.gradient_checkpointing_enable({"use_reentrant": False})
