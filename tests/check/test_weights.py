"""What a weights file's header tells, and that nothing else of it is read."""

import struct

import pytest
from conftest import safetensors

from loramon.check.look_over import look_over
from loramon.check.plan import plan_of_command
from loramon.check.weights import read_weights

UNET = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
FAMILIES = [
    ({UNET: [320, 768]}, "sd1"),
    ({UNET: [320, 1024]}, "sd2"),
    ({"model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 2048]}, "sdxl"),
    ({"double_blocks.0.img_attn.norm.key_norm.scale": [8], "img_in.weight": [8, 4]}, "flux"),
    ({"double_blocks.0.img_attn.norm.key_norm.scale": [8], "distilled_guidance_layer.norms.0.scale": [8], "img_in.weight": [8, 4]}, "chroma"),
    ({"joint_blocks.0.context_block.attn.qkv.weight": [8]}, "sd3"),
    ({"model.diffusion_model.cap_embedder.1.weight": [3840, 2]}, "z-image"),
    ({"cap_embedder.1.weight": [2304, 2]}, "lumina"),
    ({"head.modulation": [1, 2], "blocks.0.cross_attn.k.weight": [2]}, "wan"),
    ({"net.blocks.0.mlp.layer1.weight": [2], "net.llm_adapter.out_proj.weight": [2]}, "anima"),
    ({"txt_norm.weight": [2], "transformer_blocks.0.attn.add_k_proj.weight": [2]}, "qwen-image"),
    ({"something.else": [2]}, None),
]


@pytest.mark.parametrize(("shapes", "family"), FAMILIES)
def test_the_family_by_names_and_shapes(shapes, family, tmp_path):
    assert read_weights(safetensors(tmp_path / "m.safetensors", shapes)).family == family


def test_how_it_predicts(tmp_path):
    marked = read_weights(safetensors(tmp_path / "a.safetensors", {UNET: [320, 2048], "v_pred": [1], "ztsnr": [1]}))
    told = read_weights(safetensors(tmp_path / "b.safetensors", {UNET: [320, 2048]}, {"modelspec.prediction_type": "epsilon"}))
    silent = read_weights(safetensors(tmp_path / "c.safetensors", {UNET: [320, 2048]}))
    assert (marked.prediction, told.prediction, silent.prediction) == ("v", "epsilon", None)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<!DOCTYPE html><html>", "no-weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 6938040682\n", "no-weights"),
        (b"PK\x03\x04" + b"\0" * 60, "no-weights"),
        (struct.pack("<Q", 50_000) + b"{" * 3000, "cut-off"),
        (struct.pack("<Q", 1 << 50) + b"{}" * 900, "no-weights"),
        (struct.pack("<Q", 2) + b"[]" + b" " * 2000, "no-weights"),
        (b"", "no-weights"),
    ],
)
def test_what_is_no_weights_file(data, problem, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(data)
    assert read_weights(tmp_path / "m.safetensors").problem == problem


def test_a_download_that_stopped_halfway(tmp_path):
    assert read_weights(safetensors(tmp_path / "m.safetensors", {UNET: [320, 768]}, cut=10)).problem == "cut-off"


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "m.ckpt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert read_weights(tmp_path / "m.ckpt") is None


def kohya(script, base, *more):
    words = f"accelerate launch {script} --network_module=networks.lora --network_dim=16 --learning_rate=1e-4 --mixed_precision=bf16".split()
    return look_over(plan_of_command([*words, f"--pretrained_model_name_or_path={base}", *more], "c"))


def test_weights_of_another_family_are_warned_of(tmp_path):
    sdxl = safetensors(tmp_path / "m.safetensors", {UNET: [640, 2048]})
    found = [n for n in kohya("train_network.py", sdxl).to_dict()["findings"] if n["rule"] == "weights-of-another-family"]
    assert found[0]["severity"] == "warning" and "sdxl" in found[0]["explanation"] and "sd1" in found[0]["explanation"]
    assert not [n for n in kohya("sdxl_train_network.py", sdxl).notices if n.severity != "note"]


def test_a_v_prediction_file_whatever_its_name(tmp_path):
    base = safetensors(tmp_path / "my_merge.safetensors", {UNET: [640, 2048], "v_pred": [1]})
    check = kohya("sdxl_train_network.py", base)
    assert [n.rule for n in check.notices if n.severity == "warning"] == ["v-base-without-v"]
    assert check.card.id == "sdxl-v"
    assert not [n for n in kohya("sdxl_train_network.py", base, "--v_parameterization").notices if n.severity != "note"]


def test_a_lora_is_no_base(tmp_path):
    lora = safetensors(tmp_path / "l.safetensors", {"lora_unet_x.lora_up.weight": [4, 4], "lora_unet_x.lora_down.weight": [4, 4], "lora_unet_x.alpha": [1]})
    assert "base-is-a-lora" in [n.rule for n in kohya("sdxl_train_network.py", lora).notices if n.severity == "warning"]


def test_a_broken_base_is_critical(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"<html>" + b" " * 2000)
    assert [n.id for n in kohya("sdxl_train_network.py", tmp_path / "m.safetensors").notices if n.severity == "critical"] == ["corrupt-weights"]


def test_families_that_share_their_layers_are_not_strangers(tmp_path):
    hunyuan = safetensors(tmp_path / "fp.safetensors", {"txt_in.individual_token_refiner.blocks.0.norm1.weight": [2]})
    framepack = f"accelerate launch fpack_train_network.py --dit {hunyuan} --dataset_config d.toml --sdpa --network_dim 32"
    assert not [n for n in look_over(plan_of_command(framepack.split(), "c")).notices if n.rule == "weights-of-another-family"]
    chroma = safetensors(tmp_path / "c.safetensors", {"distilled_guidance_layer.norms.0.scale": [2]})
    told = [n.rule for n in kohya("flux_train_network.py", chroma, "--model_type=chroma").notices]
    assert "weights-of-another-family" not in told and "chroma-t5-mask" in told
    assert "weights-of-another-family" in [n.rule for n in kohya("flux_train_network.py", chroma).notices]
