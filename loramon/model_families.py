"""The model families of the contract, recognised by what trainers, scripts and files call them.

Sources: Nerogar/OneTrainer modules/util/enum/ModelType.py; bghira/SimpleTuner simpletuner/helpers/models (model_family);
ostris/ai-toolkit extensions_built_in/diffusion_models (arch); tdrussell/diffusion-pipe docs/supported_models.md;
kohya-ss/sd-scripts and kohya-ss/musubi-tuner script names.
"""

from __future__ import annotations

import re

_NAMES = (
    ("sdxl", r"sdxl|stable_?diffusion_?xl.*|sd_?xl.*|kolors"),
    ("sd3", r"sd_?3\d?|sd3_?5?|stable_?diffusion_?3\d?|sd_?35"),
    ("sd2", r"sd2x?|sd_?2\d?|stable_?diffusion_?2\d?"),
    ("sd1", r"sd1x?|sd_?15?|sd_?1\d|sd15|stable_?diffusion_?1\d|sd"),
    ("flux2", r"flux_?2.*"),
    ("flux-kontext", r"flux_?(?:1_?)?kontext"),
    ("flux", r"flux|flux_?1|flux_dev_1|flux_?(?:dev|schnell)|flux_fill_dev_1"),
    ("chroma", r"chroma.*"),
    ("qwen-image-edit", r"qwen_?(?:image_?)?edit.*"),
    ("qwen-image", r"qwen(?:_image)?"),
    ("wan", r"wan.*"),
    ("hunyuan-video", r"hunyuan_?video.*|hv|hv_1_5"),
    ("hunyuan-image", r"hunyuan_?image.*"),
    ("framepack", r"frame_?pack|fpack"),
    ("z-image", r"z_?image.*"),
    ("lumina", r"lumina.*"),
    ("anima", r"anima"),
    ("hidream", r"hi_?dream.*"),
    ("ltx-video", r"ltx.*"),
    ("cosmos", r"cosmos.*"),
    ("krea", r"krea.*"),
    ("llm", r"llm"),
)
_COMPILED = tuple((family, re.compile(pattern)) for family, pattern in _NAMES)


def family_of(name: object) -> str | None:
    """The contract's name of what a trainer calls a model type (`STABLE_DIFFUSION_XL_10_BASE`, `sd1x`, `wan22_14b`)."""
    word = re.sub(r"[\s.:/-]+", "_", str(name).strip().lower())
    return next((family for family, pattern in _COMPILED if pattern.fullmatch(word)), None)
