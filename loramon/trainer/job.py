"""One training: the model with its LoRA, the optimizer, the data, and where it stands; how that is saved, found again and healed."""

import copy
import glob
import io
import json
import os
import pickle
import shutil
from collections import Counter
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytorch_optimizer
import torch
from diffusers.optimization import get_scheduler

from . import weights
from .data import Steps, cache_latents, cache_text, scan
from .model import load
from .settings import Settings, SettingsError
from .signals import Health, Signals, say

COUNTS, STATEFUL = ("step", "pieces", "n_healed", "healed_to"), ("optimizer", "schedule", "scaler")
"""Attributes of a job that a checkpoint holds, beside the LoRA."""
OPTIONS: dict[str, dict[str, Any]] = {
    "AdamW": {"fused": True}, "Adafactor": {"relative_step": False, "scale_parameter": False, "betas": (None, 0.999)}}  # fmt: skip
"""AdamW in one piece; Adafactor with the settings' rate, and without momentum."""


class Job:
    """Everything of one training.

    `parts`: the trained ones; `trained`: their LoRA. `wanted_rates`: the settings', by part. `text`: what the encoders say of each caption,
    None where it is not cached. `idle`: parts that steps do without. `pieces`: images of a batch that go through the model at once.
    `step`: how many are done. `healed_to`: the step that healing last went back to.
    """

    def __init__(self, settings: Settings) -> None:
        """Loads the model, reads the images, fills the caches, finds the checkpoint to go on from. Raises SettingsError."""
        s, self.settings, self.folder = settings, settings, settings.save.folder
        self.step, self.n_healed, self.healed_to, self.pieces = 0, 0, 0, s.data.batch_size
        self.device, self.dtype = _place(s.train)
        self.autocast: Any = nullcontext if self.dtype == torch.float32 else partial(torch.autocast, self.device.type, self.dtype)
        say("loading", model=s.model.path)
        self.base = base = load(s.model, self.dtype)
        of_family = 1024 if base.family == "sdxl" else 768 if (base.family, base.prediction_type) == ("sd2", "v_prediction") else 512
        self.resolution = s.data.resolution or of_family
        self.pictures, self.report = scan(s.data, self.resolution)
        torch.manual_seed(s.train.seed)
        self.parts = weights.add(base, s.lora)
        if s.train.gradient_checkpointing:
            base.unet.enable_gradient_checkpointing()
            for encoder in base.text_encoders:
                encoder.gradient_checkpointing_enable({"use_reentrant": False})
        self.trained = list(weights.trainable(self.parts).values())
        self.optimizer = _optimizer(s, self.parts)
        self.wanted_rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.schedule = get_scheduler(s.scheduler.name, self.optimizer, num_warmup_steps=s.scheduler.warmup_steps,
                                      num_training_steps=s.train.steps, num_cycles=s.scheduler.cycles, power=s.scheduler.power)  # fmt: skip
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        self.health = Health(s.heal, [])
        base.pipeline.to(self.device)
        say("caching", latents=s.data.cache_latents, text=s.data.cache_text, images=len(self.pictures))
        self.steps = Steps(s, self.pictures, cache_latents(base, self.pictures, s))
        self.text = cache_text(base, self.pictures, s.data) if s.data.cache_text else None
        self.idle = ([base.vae] if self.steps.cache else []) + (base.text_encoders if s.data.cache_text else [])
        for part in self.idle:
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

    def identity(self) -> dict[str, Any]:
        """What must be as it was, for a training to go on where it stopped."""
        s, images = self.settings, [(os.path.basename(p.path), p.repeats, p.bucket) for p in self.pictures]
        return {"family": self.base.family, "prediction_type": self.base.prediction_type, "rank": s.lora.rank, "alpha": s.lora.alpha,
                "targets": s.lora.targets, "text_encoder": s.lora.text_encoder, "optimizer": s.optimizer.name,
                "scheduler": s.scheduler.name, "batch_size": s.data.batch_size, "accumulation": s.train.accumulation,
                "seed": s.train.seed, "images": images}  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Everything that a training needs to go on exactly from here; order of data and random numbers follow from the step."""
        return {"identity": self.identity(), "lora": weights.tensors(self.parts), "losses": self.health.losses.tolist(),
                "is_good": self.health.is_good, **{name: getattr(self, name) for name in COUNTS},
                **{name: getattr(self, name).state_dict() for name in STATEFUL}}  # fmt: skip

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
        self.health = Health(self.settings.heal, state["losses"])

    def set_rates(self) -> None:
        """Learning rates of this step: the settings', lowered by `heal.lr_factor` for each time that was healed."""
        self.schedule.base_lrs = [rate * self.settings.heal.lr_factor**self.n_healed for rate in self.wanted_rates]
        for group, base, shape in zip(self.optimizer.param_groups, self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True):
            group["lr"] = base * shape(self.schedule.last_epoch)

    def halve(self) -> bool:
        """Memory ran out: half as many images go through the model at once, those of a step stay; False where it was one image."""
        batch, accumulation = self.settings.data.batch_size, self.settings.train.accumulation
        if self.pieces == 1 or not self.settings.heal.on:
            return False
        self.pieces = -(-self.pieces // 2)
        say("heal", "out of memory: the same images in smaller pieces", step=self.step + 1, batch=self.pieces,
            accumulation=-(-batch // self.pieces) * accumulation, effective_batch=batch * accumulation)  # fmt: skip
        return True

    def heal(self, why: str) -> None:
        """Back to the newest good checkpoint from before the trouble, else to the start, at a lower rate; what lies beyond is put aside."""
        at, n_healed, pieces, window = self.step, self.n_healed + 1, self.pieces, self.settings.heal.window
        newest = at - window  # a mean of so many steps shows it: it began among them
        if self.n_healed and at - self.healed_to <= 2 * window:
            newest = min(newest, self.healed_to - 1)  # it came back soon: that checkpoint was in it already
        states = (self.read_state(path) for step, path in self.checkpoints() if step <= newest)
        self.restore(next((s for s in states if s["is_good"] and s["identity"] == self.identity()), self.initial))
        for step, path in self.checkpoints():
            if step > self.step:
                shutil.rmtree(f"{path}-dropped", ignore_errors=True)
                os.replace(path, f"{path}-dropped")
        self.n_healed, self.pieces, self.healed_to = n_healed, pieces, self.step
        self.set_rates()
        self.signals.events.close()
        self.signals.back_to(self.step)
        say("heal", f"{why}: back to step {self.step} with a lower learning rate", step=at, to_step=self.step,
            learning_rate=float(self.schedule.base_lrs[0]), times=n_healed)  # fmt: skip

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
        state, buffer = self.state(), io.BytesIO()
        path = os.path.join(self.folder, f"{self.settings.save.name}-step{self.step:08d}")
        try:
            if weights.fault(state["lora"]) == weights.NOT_FINITE:
                raise ValueError(weights.NOT_FINITE)
            torch.save(state, buffer)
            weights.write_bytes(os.path.join(path, "state.pt"), buffer.getbuffer())
        except (ValueError, OSError) as error:
            why = getattr(error, "strerror", None) or error
            say("not-saved", f"{why}; what was saved before is kept", step=self.step, path=path)
            return False
        self.write_lora(path)
        for _, old in self.checkpoints()[self.settings.save.keep :]:
            shutil.rmtree(old, ignore_errors=True)
        return True

    def write_lora(self, folder: str) -> str | None:
        """The LoRA as files that tools load; None, with a line that says why, where it is none or could not be written."""
        s, path = self.settings, os.path.join(folder, f"{self.settings.save.name}.safetensors")
        lora = {key: tensor.to(weights.DTYPES[s.save.dtype]) for key, tensor in weights.tensors(self.parts).items()}
        try:
            if why := weights.fault(lora):
                raise ValueError(why)
            weights.write(path, lora, s.lora.alpha, self.metadata(), "kohya")
        except (ValueError, OSError) as error:
            say("not-saved", getattr(error, "strerror", None) or str(error), step=self.step, path=path)
            return None
        say("saved", step=self.step, path=path)
        return path

    def metadata(self) -> dict[str, str]:
        """As sd-scripts writes it (48d368fa train_network.py), so that tools show it."""
        s, v = self.settings, "_v" if self.base.prediction_type == "v_prediction" else ""
        version = {"sd1": f"sd_v1{v}", "sd2": f"sd_v2{v}", "sdxl": "sdxl_base_v1-0"}[self.base.family]
        tags = Counter(tag.strip() for p in self.pictures for tag in p.caption.split(",") if tag.strip())
        values = {
            "base_model_version": version, "v2": version.startswith("sd_v2"), "sd_model_name": os.path.basename(s.model.path),
            "network_module": "networks.lora", "network_dim": s.lora.rank, "network_alpha": s.lora.alpha, "output_name": s.save.name,
            "learning_rate": s.optimizer.learning_rate, "text_encoder_lr": s.optimizer.text_encoder_lr if s.lora.text_encoder else None,
            "optimizer": s.optimizer.name, "lr_scheduler": s.scheduler.name, "steps": self.step, "max_train_steps": s.train.steps,
            "batch_size_per_device": s.data.batch_size, "resolution": (self.resolution, self.resolution), "seed": s.train.seed,
            "num_train_images": self.report["n_with_repeats"], "mixed_precision": s.train.mixed_precision,
            "tag_frequency": json.dumps({os.path.basename(s.data.folder): tags}),
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
        name = "bnb_adamw8bit" if wanted.name == "AdamW8bit" else wanted.name
        kind: Any = torch.optim.AdamW if name == "AdamW" else pytorch_optimizer.load_optimizer(name)
    except ImportError as error:
        raise SettingsError(f"optimizer {wanted.name}: {error}; pip install bitsandbytes") from None
    return kind(groups, lr=wanted.learning_rate, weight_decay=wanted.weight_decay, **OPTIONS.get(wanted.name, {}))
