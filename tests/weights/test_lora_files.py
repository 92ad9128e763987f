"""What `diagnose` says of a LoRA file: its settings, and whether its numbers are sound."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors_writer import bf16, lora, safetensors_bytes

from loramon.diagnosing import diagnose
from loramon.errors import UserError
from loramon.report.text import Style, page

KOHYA = {
    "ss_network_module": "networks.lora", "ss_network_dim": "4", "ss_network_alpha": "2.0", "ss_learning_rate": "0.0001", "ss_unet_lr": "None",
    "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)", "ss_lr_scheduler": "cosine", "ss_steps": "1200", "ss_max_train_steps": "1600",
    "ss_epoch": "6", "ss_num_epochs": "8", "ss_resolution": "(1024, 1024)", "ss_batch_size_per_device": "2", "ss_mixed_precision": "bf16",
    "ss_base_model_version": "sdxl_base_v1-0", "ss_sd_model_name": "sd_xl_base_1.0.safetensors", "ss_sd_scripts_commit_hash": "48d368fa",
    "ss_gradient_checkpointing": "True", "ss_seed": "42", "ss_training_started_at": "1795357080.5", "ss_training_finished_at": "1795359080.0",
    "ss_dataset_dirs": '{"10_cat": {"n_repeats": 10, "img_count": 20}}', "ss_noise_offset": "None", "ss_min_snr_gamma": "5.0",
}  # fmt: skip
"""Names and forms of sd-scripts' train_network.py metadata."""


def put(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None, **more: dict[str, str]) -> Path:
    path.write_bytes(safetensors_bytes(tensors, metadata, **more))
    return path


def said(path: Path) -> dict:
    d = diagnose(path).to_dict()
    json.dumps(d, allow_nan=False)
    return d


def test_a_sound_lora_tells_its_settings_and_how_far_it_was_trained(tmp_path: Path) -> None:
    d = said(put(tmp_path / "a.safetensors", lora(), KOHYA))
    assert (d["verdict"], d["findings"], d["alarms"], d["trainer"], d["status"]) == ("healthy", [], [], "kohya", "unknown")
    assert d["progress"] == {"step": 1200, "total_steps": 1600, "epoch": 6, "total_epochs": 8, "eta_s": None}
    wanted = {
        "architecture": "sdxl", "base_model": "sd_xl_base_1.0.safetensors", "network_type": "lora", "rank": 4, "alpha": 2, "learning_rate": 1e-4,
        "optimizer": "AdamW8bit", "optimizer_args": "weight_decay=0.1", "lr_scheduler": "cosine", "batch_size": 2, "resolution": 1024, "seed": 42,
        "mixed_precision": "bf16", "gradient_checkpointing": True, "max_epochs": 8, "min_snr_gamma": 5, "repeats": 10,
    }  # fmt: skip
    assert {k: d["settings"].get(k) for k in wanted} == wanted
    assert "unet_lr" not in d["settings"] and "noise_offset" not in d["settings"]
    assert d["time"]["started"] is not None and d["coverage"]["cannot_tell"] == []
    w = d["weights"]
    assert (w["ranks"], w["alphas"], w["scales"], w["n_modules"], w["dtypes"]) == ([4], [2.0], [0.5], 12, {"F32": 24})


def test_the_change_of_a_layer_is_that_of_the_product_itself(tmp_path: Path) -> None:
    tensors = lora(n=1, rank=4, alpha=2.0)
    up, down = (next(v for k, v in tensors.items() if part in k) for part in ("lora_up", "lora_down"))
    w = said(put(tmp_path / "a.safetensors", tensors))["weights"]
    assert w["change_rms"]["model"] == pytest.approx(np.sqrt(np.mean((0.5 * up @ down) ** 2)), rel=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_makes_the_file_useless(bad: float, tmp_path: Path) -> None:
    tensors = lora()
    list(tensors.values())[4][3, 2] = bad
    d = said(put(tmp_path / "a.safetensors", tensors, KOHYA))
    assert (d["verdict"], d["primary"], d["weights"]["n_not_finite"]) == ("critical", "weights-nan", 1)
    (finding,) = d["findings"]
    assert list(tensors)[4] in finding["explanation"] and finding["remedies"]


@pytest.mark.parametrize("form", ["fp32", "fp16", "bf16", "fp8"])
def test_the_same_is_found_in_every_type_of_number(form: str, tmp_path: Path) -> None:
    good = {k: v for k, v in lora().items() if not k.endswith("alpha")}
    name = next(iter(good))
    made, dtypes = dict(good), {}
    bad = made[name] = made[name].copy()
    bad[0, 0] = np.nan
    if form == "fp16":
        made = {k: v.astype(np.float16) for k, v in made.items()}
    elif form == "bf16":
        made = {k: bf16(v) for k, v in made.items()}
    elif form == "fp8":
        made = {k: np.full(v.shape, 0x30, np.uint8) for k, v in made.items()}
        made[name][0, 0] = 0x7F
        dtypes = dict.fromkeys(made, "F8_E4M3")
    d = said(put(tmp_path / "a.safetensors", made, dtypes=dtypes))
    assert d["primary"] == "weights-nan" and d["weights"]["n_tensors_not_finite"] == 1


def test_large_finite_numbers_whose_squares_overflow_are_sound(tmp_path: Path) -> None:
    d = said(put(tmp_path / "a.safetensors", {"x.lora_A.weight": np.full((2, 8), 3e38, np.float32), "x.lora_B.weight": np.ones((8, 2), np.float32)}))
    assert d["weights"]["n_not_finite"] == 0 and d["verdict"] == "healthy"


ZERO = [
    ("kohya", {"lora_unet_a.lora_down.weight": 1, "lora_unet_a.lora_up.weight": 0}),
    ("peft", {"base_model.model.a.lora_A.weight": 1, "base_model.model.a.lora_B.weight": 0}),
    ("diffusers", {"unet.a.lora.down.weight": 1, "unet.a.lora.up.weight": 0}),
    ("loha", {"lycoris_a.hada_w1_a": 1, "lycoris_a.hada_w1_b": 1, "lycoris_a.hada_w2_a": 0, "lycoris_a.hada_w2_b": 1}),
    ("lokr", {"lycoris_a.lokr_w1": 1, "lycoris_a.lokr_w2": 0}),
    ("lokr-factored", {"lycoris_a.lokr_w1": 1, "lycoris_a.lokr_w2_a": 1, "lycoris_a.lokr_w2_b": 0}),
]


@pytest.mark.parametrize(("form", "tensors"), ZERO, ids=[form for form, _ in ZERO])
def test_an_adapter_that_is_as_it_began_was_not_trained(form: str, tensors: dict[str, int], tmp_path: Path) -> None:
    made = {k: np.full((8, 8), v, np.float32) for k, v in tensors.items()}
    d = said(put(tmp_path / "a.safetensors", made))
    assert (d["primary"], d["verdict"]) == ("nothing-trained", "critical")
    assert "learning_rate" in [r["setting"] for r in d["findings"][0]["remedies"]]
    trained = {k: np.full((8, 8), 1, np.float32) for k in tensors}
    assert said(put(tmp_path / "b.safetensors", trained))["verdict"] == "healthy"


def test_a_text_encoder_that_was_left_alone_is_a_note(tmp_path: Path) -> None:
    te = {k.replace("lora_unet_down_blocks", "lora_te1_text_model_encoder_layers"): v for k, v in lora(n=6, up=0.0).items()}
    d = said(put(tmp_path / "a.safetensors", {**lora(n=20), **te}))
    assert d["verdict"] == "healthy" and [f["id"] for f in d["findings"]] == ["weights-partly-zero"]
    assert "6 of 26" in d["findings"][0]["explanation"] and d["weights"]["modules_by_network"] == {"model": 20, "text_encoder": 6}


def test_a_layer_that_ran_away_is_a_note_that_says_how_it_was_judged(tmp_path: Path) -> None:
    tensors = lora(n=40)
    list(tensors.values())[61][:] *= 60
    d = said(put(tmp_path / "a.safetensors", tensors))
    assert [f["id"] for f in d["findings"]] == ["weights-norm"] and d["verdict"] == "healthy"
    assert "median" in d["findings"][0]["explanation"] and 50 < d["weights"]["out_of_line"][0]["ratio"] < 70
    assert said(put(tmp_path / "b.safetensors", lora(n=40)))["findings"] == []


def test_layers_whose_sizes_spread_by_nature_are_not_out_of_line(tmp_path: Path) -> None:
    tensors, rng = lora(n=60), np.random.default_rng(1)
    for name in [n for n in tensors if "lora_up" in n]:
        tensors[name] *= np.float32(10 ** rng.normal(0, 0.5))
    assert said(put(tmp_path / "a.safetensors", tensors))["findings"] == []


def test_a_cut_file_is_said_to_be_cut(tmp_path: Path) -> None:
    path = put(tmp_path / "a.safetensors", lora())
    path.write_bytes(path.read_bytes()[:-100])
    d = said(path)
    assert d["primary"] == "corrupt-weights" and "100 bytes" in d["findings"][0]["explanation"]


@pytest.mark.parametrize("name", ["model.pt", "model.ckpt", "pytorch_lora.bin", "optimizer.pth"])
def test_a_pickle_is_never_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(UserError, match=r"pickle.*safetensors") as error:
        diagnose(tmp_path / name)
    assert error.value.code == "binary"


def test_peft_keeps_alpha_beside_the_file(tmp_path: Path) -> None:
    tensors = {f"base_model.model.model.layers.{i}.self_attn.q_proj.lora_{ab}.weight": np.ones((16, 8) if ab == "B" else (8, 16), np.float32)
               for i in range(3) for ab in "AB"}  # fmt: skip
    (tmp_path / "adapter_config.json").write_text('{"r": 8, "lora_alpha": 32, "peft_type": "LORA", "base_model_name_or_path": "meta-llama/Llama-3.2-1B"}')
    d = said(put(tmp_path / "adapter_model.safetensors", tensors, {"format": "pt"}))
    assert d["weights"]["scales"] == [4.0] and d["settings"]["alpha"] == 32 and d["settings"]["architecture"] == "llm"
    assert d["settings"]["base_model"] == "meta-llama/Llama-3.2-1B"


OTHERS = [
    ("ai-toolkit", {"software": '{"name": "ai-toolkit", "version": "0.1"}', "training_info": '{"step": 250, "epoch": 3}', "ss_base_model_version": "flux1"},
     {"architecture": "flux"}, 250),
    ("musubi", {"ss_network_module": "networks.lora_wan", "ss_num_train_items": "40", "ss_steps": "30", "ss_discrete_flow_shift": "3.0"},
     {"flow_shift": 3, "num_images": 40}, 30),
    ("onetrainer", {"ot_branch": "master", "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
                    "ot_config": '{"base_model_name": "x/y", "training_method": "LORA", "learning_rate": 0.0003, "lora_rank": 16}'},
     {"architecture": "sdxl", "learning_rate": 3e-4}, None),
    (None, {"format": "pt", "lora_adapter_metadata": '{"transformer.r": 16, "transformer.lora_alpha": 8, "transformer.use_rslora": false}'},
     {"alpha": 8}, None),
]  # fmt: skip


@pytest.mark.parametrize(("trainer", "metadata", "wanted", "step"), OTHERS, ids=[str(o[0]) for o in OTHERS])
def test_other_writers_forms(trainer: str | None, metadata: dict[str, str], wanted: dict[str, object], step: int | None, tmp_path: Path) -> None:
    d = said(put(tmp_path / "a.safetensors", lora(), metadata))
    assert d["trainer"] == trainer and d["progress"]["step"] == step
    assert {k: d["settings"].get(k) for k in wanted} == wanted


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl"), (1000, None)])
def test_the_family_is_told_by_the_text_that_cross_attention_reads(width: int, family: str | None, tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    d = said(put(tmp_path / "a.safetensors", {f"{name}.lora_down.weight": np.ones((4, width)), f"{name}.lora_up.weight": np.ones((64, 4))}))
    assert d["settings"].get("architecture") == family


def test_metadata_that_lies_or_is_hostile_does_no_harm(tmp_path: Path) -> None:
    hostile = {**dict.fromkeys(KOHYA, "\x1b]52;c;eA==\x07[@click=app.quit]x"), "ss_steps": "1e400", "ss_datasets": "[" * 5000, "ss_optimizer": "(" * 5000,
               "ss_training_started_at": "-inf", "ss_learning_rate": "hf_abcdefghijklmnopqrstuvwxyz"}  # fmt: skip
    tensors = {"\x1b[31mx.lora_down.weight": np.full((2, 4), np.nan), "\x1b[31mx.lora_up.weight": np.ones((4, 2))}
    diagnosis = diagnose(put(tmp_path / "a.safetensors", tensors, hostile))
    text = page(diagnosis, Style(80)) + json.dumps(diagnosis.to_dict(), ensure_ascii=False)
    assert "\x1b" not in text and "hf_abcdef" not in text and diagnosis.run.progress.step is None


def test_a_model_is_read_in_little_memory(tmp_path: Path) -> None:
    path = put(tmp_path / "model.safetensors", {f"w{i}": np.ones(1 << 21, np.float32) for i in range(6)})
    tracemalloc.start()
    d = said(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert d["weights"]["kind"] == "model" and d["verdict"] == "healthy"
    assert peak < 32 << 20 < path.stat().st_size


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_page_says_what_the_file_is(lang: str, tmp_path: Path) -> None:
    text = page(diagnose(put(tmp_path / "a.safetensors", lora(), KOHYA), lang=lang, name="a.safetensors"), Style(80, lang=lang))
    assert "rank 4 · alpha 2" in text and "0.5" in text and max(map(len, text.splitlines())) <= 80
