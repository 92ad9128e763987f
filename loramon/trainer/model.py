"""The base model: its parts, its family and what it predicts, from a diffusers folder or a single file, without the net."""

import os
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler, DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import SafetensorError, safe_open
from transformers import CLIPTextConfig

from .settings import Settings, SettingsError

Conditioning = tuple[torch.Tensor, torch.Tensor | None]  # of a prompt: hidden states, and for SDXL the pooled embedding
FIRST_KEYS = {"sdxl": "conditioner.embedders.1.", "sd2": "cond_stage_model.model.", "sd1": "cond_stage_model.transformer."}
"""How the text encoder's tensors are called in a single file, by family."""


@dataclass
class Base:
    """A loaded base model; `text_encoders` and `tokenizers` in the order of the pipeline, which makes images with the same parts."""

    family: str
    prediction_type: str
    pipeline: StableDiffusionPipeline | StableDiffusionXLPipeline
    noise: DDPMScheduler
    unet: Any
    vae: Any
    text_encoders: list[Any]
    tokenizers: list[Any]

    def encode(self, prompts: list[str]) -> Conditioning:
        """As the family's pipeline does: the last hidden state; SDXL: the last but one of both encoders, side by side."""
        hidden, is_xl = [], self.family == "sdxl"
        for tokenizer, encoder in zip(self.tokenizers, self.text_encoders, strict=True):
            ids = tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
            out = encoder(ids.to(self.unet.conv_in.weight.device), output_hidden_states=is_xl)
            hidden.append(out.hidden_states[-2] if is_xl else out[0])
        return torch.cat(hidden, -1), out[0] if is_xl else None  # of the second encoder: its projection

    def moments(self, pixels: torch.Tensor) -> torch.Tensor:
        """Mean and log variance of the latents of an image batch (values -1 to 1), before scaling; float32."""
        return self.vae.encode(pixels.to(self.vae.encoder.conv_in.weight.device)).latent_dist.parameters.float()


def load(model: Settings, dtype: torch.dtype) -> Base:
    """Everything frozen, on the CPU; U-Net and text encoders in `dtype`, the VAE in float32. Raises SettingsError."""
    if not os.path.exists(model.path):
        raise SettingsError(f"model.path = {model.path} does not exist")
    single = os.path.isfile(model.path)
    family, where, told = _header(model.path) if single else _folder(model.path)
    if model.architecture not in ("auto", family):
        raise SettingsError(f'model.architecture = "{model.architecture}", but {where} says {family}')
    predicts, wanted = told["prediction_type"], model.prediction_type
    if predicts and wanted not in ("auto", predicts):
        raise SettingsError(f'model.prediction_type = "{wanted}", but {where} says {predicts}: training against it would break the model')
    if not predicts and wanted == "auto" and family == "sd2":
        raise SettingsError(f"{where} does not say what it predicts: set model.prediction_type (SD 2: epsilon, its 768: v_prediction)")
    kind = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
    options: dict[str, Any] = {"local_files_only": True, "dtype": dtype, **({"config": model.config} if single and model.config else {})}
    options |= {"add_watermarker": False} if family == "sdxl" else {"safety_checker": None, "requires_safety_checker": False}
    try:
        pipe = (kind.from_single_file if single else kind.from_pretrained)(model.path, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        hint = "; give model.config = a diffusers folder of the same family (only configurations and tokenizers are read)"
        why = str(error).strip().splitlines()[0][:200]
        raise SettingsError(f"cannot load {model.path}: {why}{hint if single and not model.config else ''}") from None
    told["prediction_type"] = predicts or (wanted if wanted != "auto" else pipe.scheduler.config.get("prediction_type", "epsilon"))
    encoders, tokenizers = [pipe.text_encoder], [pipe.tokenizer]
    if family == "sdxl":
        encoders, tokenizers = [*encoders, pipe.text_encoder_2], [*tokenizers, pipe.tokenizer_2]
    for part in (pipe.unet, pipe.vae, *encoders):
        part.requires_grad_(False)
    noise = DDPMScheduler.from_config(pipe.scheduler.config, **told)
    return Base(family, told["prediction_type"], pipe, noise, pipe.unet, pipe.vae.float(), encoders, tokenizers)


def _folder(path: str) -> tuple[str, str, dict[str, Any]]:
    """Family, who tells it, and what is told of the noise (`prediction_type`: None where it is not told)."""
    try:
        kind = DiffusionPipeline.load_config(path)["_class_name"]
        if kind not in ("StableDiffusionPipeline", "StableDiffusionXLPipeline"):
            raise SettingsError(f"{path} holds a {kind}: only Stable Diffusion 1, 2 and XL can be trained")
        noise = DDPMScheduler.load_config(path, subfolder="scheduler")
        width = CLIPTextConfig.from_pretrained(path, subfolder="text_encoder").hidden_size
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"{path} is no diffusers model: {str(error).splitlines()[0]}") from None
    family = "sdxl" if "XL" in kind else "sd2" if width == 1024 else "sd1"
    return family, os.path.join("scheduler", "scheduler_config.json"), {"prediction_type": noise.get("prediction_type")}


def _header(path: str) -> tuple[str, str, dict[str, Any]]:
    """The same of a single file: ModelSpec metadata, and the marker tensors `v_pred` and `ztsnr` of SDXL models."""
    try:
        with safe_open(path, "pt") as file:
            metadata, keys = file.metadata() or {}, set(file.keys())
    except (SafetensorError, OSError):
        raise SettingsError(f"{path} is no .safetensors file, or only a part of one") from None
    family = next((name for name, start in FIRST_KEYS.items() if any(k.startswith(start) for k in keys)), None)
    if family is None:
        raise SettingsError(f"{path} is no whole model of Stable Diffusion 1, 2 or XL")
    word = metadata.get("modelspec.prediction_type", "")
    predicts = "v_prediction" if "v_pred" in keys or word.startswith("v") else "epsilon" if word.startswith("eps") else None
    ends_in_noise = {"rescale_betas_zero_snr": True} if "ztsnr" in keys else {}
    return family, f"the header of {os.path.basename(path)}", {"prediction_type": predicts, **ends_in_noise}
