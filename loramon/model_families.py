"""Model families and kinds of adapters: each trainer's word for them under the contract's names.

Sources: Nerogar/OneTrainer modules/util/enum/ModelType.py; bghira/SimpleTuner simpletuner/helpers/models (model_family);
ostris/ai-toolkit extensions_built_in/diffusion_models (arch); tdrussell/diffusion-pipe docs/supported_models.md;
kohya-ss/sd-scripts and kohya-ss/musubi-tuner script names, library/sai_model_spec.py, `ss_base_model_version`.
"""

from __future__ import annotations

import re

_FAMILIES: tuple[tuple[str, str], ...] = (
    # the narrower name first: what stands above wins
    (r"qwen.?image.?edit", "qwen-image-edit"),
    (r"qwen.?image|^qwen$", "qwen-image"),
    (r"hunyuan.?image", "hunyuan-image"),
    (r"frame.?pack|^fpack", "framepack"),
    (r"hunyuan.?video|^hv(?:.1.5)?$|^hunyuan$", "hunyuan-video"),
    (r"flux.*kontext", "flux-kontext"),
    (r"flux[ .]?2", "flux2"),
    (r"chroma", "chroma"),
    (r"auraflow", "auraflow"),
    (r"flux", "flux"),
    (r"z.?image", "z-image"),
    (r"lumina", "lumina"),
    (r"anima(?!te)", "anima"),
    (r"hi.?dream", "hidream"),
    (r"ltx", "ltx-video"),
    (r"cosmos", "cosmos"),
    (r"krea", "krea"),
    (r"(?:^|\W)wan(?:\d|\W|$)", "wan"),
    (r"pixart", "pixart"),
    (r"sana", "sana"),
    (r"kolors", "kolors"),
    (r"(?:sd|stable.?diffusion).?xl|sdxl|sd xl|illustrious|pony.?diffusion|animagine.?xl|noobai", "sdxl"),
    (r"(?:sd|stable.?diffusion) ?v?3(?:\D|$|5)|sd35", "sd3"),
    (r"(?:sd|stable.?diffusion) ?v?(?:2(?:\D|$)|2[01]\b)|sd2x|^v2.1", "sd2"),
    (r"(?:sd|stable.?diffusion) ?v?1|sd1x|sd15|^v1.5", "sd1"),
)
"""Words of kohya's `ss_base_model_version` and `modelspec.architecture`, ai-toolkit's `model.arch`, OneTrainer's
`model_type`, SimpleTuner's `model_family`, diffusion-pipe's `model.type`, musubi-tuner's script names, and the names that
the models have on the hub."""

_LLM = re.compile(r"llama|mistral|mixtral|qwen ?\d|qwq|gemma|\bphi ?\d|deepseek|tinyllama|falcon|\bopt \d|gpt|olmo|smollm|internlm|baichuan|chatglm|\bglm ")
_NETWORKS = {
    "standard": "lora", "lora": "lora", "qlora": "lora", "locon": "locon", "lora c3lier": "locon", "loha": "loha", "lokr": "lokr", "oft": "oft",
    "oft 2": "oft", "boft": "oft", "dora": "dora", "dylora": "dylora", "lora fa": "lora-fa", "ia3": "ia3", "full": "full", "glora": "glora",
    "adalora": "adalora", "vera": "vera",
}  # fmt: skip


def family_of(word: object, guess: bool = False) -> str | None:
    """The contract's name of a model family in a trainer's words; None where it is no family that is known here.

    `guess`: the word is the name of a model, not of a family (`stabilityai/stable-diffusion-xl-base-1.0`), so language
    models are looked for too.
    """
    name = str(word).strip().lower()
    if guess and (name.count("/") != 1 or name.startswith(("/", "."))):
        name = re.split(r"[/\\]", name.rstrip("/\\"))[-1]  # the folders of a path say nothing
    text = re.sub(r"[-_/\\]+", " ", name)
    for pattern, family in _FAMILIES:
        if re.search(pattern, text):
            return family
    return "llm" if guess and _LLM.search(text) else None


def network_of(word: object) -> str | None:
    """The kind of adapter in a trainer's words: `networks.lora_flux` and `LORA` are `lora`; None where unknown."""
    text = str(word).strip().lower().rpartition(".")[2]
    text = re.sub(r"[-_]+", " ", text)
    # `lora_flux`, `lora_wan`: the second half is the family
    return _NETWORKS.get(text) or _NETWORKS.get(text.partition(" ")[0])
