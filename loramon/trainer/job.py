"""One training: the model with its LoRA, the optimizer, the data, and where it stands; how that is saved and found again."""

import copy
import glob
import inspect
import io
import json
import os
import pickle
import shutil
from collections import Counter
from functools import partial
from typing import Any

import pytorch_optimizer
import torch
from diffusers.optimization import get_scheduler

from . import weights
from .data import Steps, cache_latents, cache_text, scan
from .healing import Health
from .model import load
from .settings import Settings, SettingsError, meant
from .signals import Signals, say

COUNTS, STATEFUL = ("step", "pieces", "n_healed", "healed_to"), ("optimizer", "schedule", "scaler", "health")
"""Attributes of a job that a checkpoint holds, beside the LoRA."""
ADAFACTOR = {"relative_step": False, "scale_parameter": False, "betas": (None, 0.999)}
"""A rate of its own and no momentum: the rate is what the settings say, and the memory is why one takes it."""


class Job:
    """Everything of one training.

    `parts`: the trained ones. `wanted_rates`: the settings' learning rates, one a part. `text`: what the encoders say of each
    caption, None where it is not cached. `pieces`: images of a batch that go through the model at once, halved when
    memory runs out. `step`: how many are done. `healed_to`: the step that healing last went back to.
    """

    def __init__(self, settings: Settings) -> None:
        """Loads the model, reads the images, fills the caches, finds the checkpoint to go on from. Raises SettingsError."""
        s, self.settings, self.folder = settings, settings, settings.save.folder
        self.step, self.n_healed, self.healed_to, self.pieces = 0, 0, 0, s.data.batch_size
        self.device, self.dtype = _place(s.train)
        self.autocast = partial(torch.autocast, self.device.type, self.dtype, enabled=self.dtype != torch.float32)
        say("loading", model=s.model.path)
        self.base = base = load(s.model, self.dtype)
        of_family = 1024 if base.family == "sdxl" else 768 if (base.family, base.prediction_type) == ("sd2", "v_prediction") else 512
        self.resolution = s.data.resolution or of_family
        self.pictures, self.report = scan(s.data, self.resolution)

        torch.manual_seed(s.train.seed)
        self.parts = weights.add(base, s.lora)
        if s.train.gradient_checkpointing:
            self.checkpoint_gradients()
        self.optimizer = _optimizer(s, self.parts)
        self.wanted_rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.schedule = get_scheduler(s.scheduler.name, self.optimizer, num_warmup_steps=s.scheduler.warmup_steps,
                                      num_training_steps=s.train.steps, num_cycles=s.scheduler.cycles, power=s.scheduler.power)  # fmt: skip
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.health = Health(s.heal.window, s.heal.factor)

        for part in (base.unet, base.vae, *base.text_encoders):
            part.to(self.device)
        say("caching", latents=s.data.cache_latents, text=s.data.cache_text, images=len(self.pictures))
        self.steps = Steps(s, self.pictures, cache_latents(base, self.pictures, s))
        self.text = cache_text(base, self.pictures, s.data) if s.data.cache_text == "yes" else None
        for part in ([base.vae] if self.steps.cache else []) + ([] if self.text is None else base.text_encoders):
            part.to("cpu" if s.sample.every else "meta")  # without samples nobody needs them any more
        if s.save.resume:
            paths = [path for _, path in self.checkpoints()] if s.save.resume == "latest" else [s.save.resume]
            if not paths:
                raise SettingsError(f'save.resume = "latest", but {self.folder} holds no checkpoint of {s.save.name}')
            self.restore(self.read_state(paths[0]))
            self.set_rates()  # a rate that was changed since holds from here on
        self.signals = Signals(self.folder, s.save.name, s.train.steps, self.steps.per_epoch, self.step)
        self.initial = copy.deepcopy(self.state()) if s.heal.on else {}  # where no checkpoint is good

    def rates(self) -> dict[str, float]:
        """Learning rates by part; with `d*`, what an optimizer that finds the rate itself makes of it."""
        groups = list(zip(self.parts, self.optimizer.param_groups, strict=True))
        return {name: float(g["lr"]) for name, g in groups} | {f"d*{name}": float(g["d"] * g["lr"]) for name, g in groups if "d" in g}

    def failed(self, why: str) -> int:
        """Says so; what was saved before stays. The exit status."""
        say("failed", why, step=self.step)
        return 1

    def checkpoint_gradients(self) -> None:
        """From here on activations are computed again in the backward pass rather than kept."""
        self.settings.train.gradient_checkpointing = True
        for name, part in self.parts.items():
            part.enable_gradient_checkpointing() if name == "unet" else part.gradient_checkpointing_enable({"use_reentrant": False})

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
            "identity": self.identity(), "is_good": self.health.is_good, "lora": weights.tensors(self.parts),
            **{name: getattr(self, name) for name in COUNTS}, **{name: getattr(self, name).state_dict() for name in STATEFUL},
        }  # fmt: skip

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Goes to where `state` was taken. Raises SettingsError where it is another training's."""
        for key, now in self.identity().items():
            if (was := state["identity"].get(key)) != now:
                what = "other images" if key == "images" else f"{key} = {was!r}, not {now!r}"
                raise SettingsError(f"cannot go on from this checkpoint: it was made with {what}")
        for key, parameter in weights.trainable(self.parts).items():
            parameter.copy_(state["lora"][key])
        for name in STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        for name in COUNTS:
            setattr(self, name, state[name])

    def set_rates(self) -> None:
        """Learning rates of this step: the settings', lowered by `heal.lr_factor` for each time that was healed."""
        self.schedule.base_lrs = [rate * self.settings.heal.lr_factor**self.n_healed for rate in self.wanted_rates]
        for group, base, shape in zip(self.optimizer.param_groups, self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True):
            group["lr"] = base * shape(self.schedule.last_epoch)

    def checkpoints(self) -> list[tuple[int, str]]:
        """Steps and folders of the whole checkpoints of this training's name, newest first."""
        start = glob.escape(os.path.join(self.folder, f"{self.settings.save.name}-step"))
        folders = map(os.path.dirname, glob.glob(os.path.join(start + "[0-9]" * 8, "state.pt")))
        return sorted(((int(folder[-8:]), folder) for folder in folders), reverse=True)

    @staticmethod
    def read_state(folder: str) -> dict[str, Any]:
        """The state that a checkpoint's folder holds. Raises SettingsError."""
        try:
            return dict(torch.load(os.path.join(folder, "state.pt"), weights_only=True))
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise SettingsError(f"{folder} is no checkpoint of this trainer: {str(error).splitlines()[0]}") from None

    def save(self) -> bool:
        """Writes a checkpoint, then removes the oldest beyond `save.keep`; False, with a line, where it could not."""
        wanted, heals, state, buffer = self.settings.save, self.settings.heal, self.state(), io.BytesIO()
        path = os.path.join(self.folder, f"{wanted.name}-step{self.step:08d}")
        try:
            if weights.fault(state["lora"]) == weights.NOT_FINITE:
                raise ValueError(weights.NOT_FINITE)
            torch.save(state, buffer)
            weights.write_bytes(os.path.join(path, "state.pt"), buffer.getbuffer())
        except (ValueError, OSError) as error:
            why = getattr(error, "strerror", None) or error
            say("not-saved", f"{why}; what was saved before is kept", step=self.step, path=path)
            shutil.rmtree(path, ignore_errors=True)
            return False
        self.write_lora(path)
        before_window = [old for n, old in self.checkpoints() if n <= self.step - heals.window * heals.on]
        for _, old in self.checkpoints()[wanted.keep :]:
            if old in before_window[1:]:  # healing goes back to the newest of them
                shutil.rmtree(old, ignore_errors=True)
        return True

    def write_lora(self, folder: str) -> str | None:
        """The LoRA as files that tools load; None, with a line that says why, where it is none or could not be written."""
        s, start = self.settings, os.path.join(folder, self.settings.save.name)
        lora = {key: tensor.to(weights.DTYPES[s.save.dtype]) for key, tensor in weights.tensors(self.parts).items()}
        try:
            if why := weights.fault(lora):
                raise ValueError(why)
            for ending, form in (("", "kohya"), ("_diffusers", "diffusers"))[: 1 + s.save.diffusers]:
                weights.write(f"{start}{ending}.safetensors", lora, s.lora.alpha, self.metadata(), form)
        except (ValueError, OSError) as error:
            say("not-saved", getattr(error, "strerror", None) or str(error), step=self.step, path=f"{start}.safetensors")
            return None
        say("saved", step=self.step, path=f"{start}.safetensors")
        return f"{start}.safetensors"

    def metadata(self) -> dict[str, str]:
        """As sd-scripts writes it (48d368fa train_network.py), so that tools show it."""
        s, v = self.settings, "_v" if self.base.prediction_type == "v_prediction" else ""
        version = {"sd1": f"sd_v1{v}", "sd2": f"sd_v2{v}", "sdxl": "sdxl_base_v1-0"}[self.base.family]
        tags = Counter(tag.strip() for p in self.pictures for tag in p.caption.split(",") if tag.strip())
        values = {
            "base_model_version": version, "v2": version.startswith("sd_v2"), "sd_model_name": os.path.basename(s.model.path),
            "network_module": "networks.lora", "network_dim": s.lora.rank, "network_alpha": s.lora.alpha, "output_name": s.save.name,
            "learning_rate": s.optimizer.learning_rate, "text_encoder_lr": s.optimizer.text_encoder_lr if s.lora.text_encoder else None,
            "optimizer": s.optimizer.name, "lr_scheduler": s.scheduler.name, "lr_warmup_steps": s.scheduler.warmup_steps,
            "max_train_steps": s.train.steps, "steps": self.step, "seed": s.train.seed, "mixed_precision": s.train.mixed_precision,
            "gradient_checkpointing": s.train.gradient_checkpointing, "gradient_accumulation_steps": s.train.accumulation,
            "batch_size_per_device": s.data.batch_size, "total_batch_size": s.data.batch_size * s.train.accumulation,
            "max_grad_norm": s.train.max_grad_norm, "min_snr_gamma": s.train.min_snr_gamma or None,
            "noise_offset": s.train.noise_offset or None, "resolution": (self.resolution, self.resolution), "flip_aug": s.data.flip,
            "num_train_images": self.report["n_with_repeats"], "enable_bucket": s.data.buckets, "shuffle_caption": s.data.shuffle_caption,
            "cache_latents": s.data.cache_latents != "no", "tag_frequency": json.dumps({os.path.basename(s.data.folder): tags}),
        }  # fmt: skip
        return {f"ss_{key}": str(value) for key, value in values.items()} | {"modelspec.prediction_type": "v" if v else "epsilon"}


def _place(wanted: Settings) -> tuple[torch.device, torch.dtype]:
    """Where and in which numbers `[train]` wants it; "auto" is settled. Raises SettingsError."""
    if wanted.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(f'train.device = "cuda", but torch {torch.__version__} sees no GPU')
    device = torch.device("cuda" if torch.cuda.is_available() and wanted.device != "cpu" else "cpu")
    if wanted.mixed_precision == "auto":
        wanted.mixed_precision = "no" if device.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if wanted.mixed_precision == "fp16" and device.type == "cpu":
        raise SettingsError('train.mixed_precision = "fp16" needs a GPU; a CPU has "bf16" and "no"')
    return device, {"bf16": torch.bfloat16, "fp16": torch.float16, "no": torch.float32}[wanted.mixed_precision]


def _optimizer(settings: Settings, parts: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer of the trained parts, one group a part. Raises SettingsError."""
    wanted = settings.optimizer
    rates = {name: wanted.learning_rate if name == "unet" else wanted.text_encoder_lr for name in parts}
    groups = [{"params": list(weights.trainable({name: part}).values()), "lr": rates[name]} for name, part in parts.items()]
    try:
        name = "bnb_adamw8bit" if wanted.name == "AdamW8bit" else wanted.name.lower()
        kind: Any = torch.optim.AdamW if name == "adamw" else pytorch_optimizer.load_optimizer(name)
    except ImportError as error:
        raise SettingsError(f"optimizer {wanted.name}: {error}; pip install bitsandbytes") from None
    known = inspect.signature(kind).parameters
    for key in wanted.args:
        if key not in known:
            raise SettingsError(f"optimizer.args: {wanted.name} has no {key}{meant(key, tuple(known))}")
    options = ADAFACTOR if wanted.name == "Adafactor" else {}
    try:
        return kind(groups, **{"lr": wanted.learning_rate, "weight_decay": wanted.weight_decay, **options, **wanted.args})
    except (TypeError, ValueError) as error:
        raise SettingsError(f"optimizer.args do not fit {wanted.name}: {error}") from None
