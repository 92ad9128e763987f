"""Config files as values with places: what the format says, and where in the text it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loramon.config_document import MAX_BYTES, parse_document, read_document
from loramon.config_settings import settings_of, trainer_of
from loramon.errors import UserError

TOML = """\
rank = 4  # small
"odd key" = "a # b"
[optimizer]
lr = 2e-5
betas = [
  0.9,  # first
  0.99,
]
[[datasets]]
resolution = [512, 768]
  [[datasets.subsets]]
  image_dir = 'C:\\cats'
  [[datasets.subsets]]
  image_dir = 'C:\\dogs'
[[datasets]]
  [[datasets.subsets]]
  image_dir = 'C:\\cows'
"""
YAML = """\
config:
  process:
  - train: {lr: 1e-4, dtype: no}
    datasets:
    - folder_path: "/a b"
      resolution: [512, 768]
    - folder_path: /c
"""
JSON = '{"a": {"b": [1, 2], "c\\u00e9": "x"},\n\t"list": [{"d": -1.5e-3}, {"d": null}]}'


@pytest.mark.parametrize(("text", "kind"), [(TOML, "toml"), (YAML, "yaml"), (JSON, "json")])
def test_every_value_knows_its_place(text, kind):
    document = parse_document(text, kind, "f")
    for entry in document.entries:
        assert entry.span is not None
        alone = document.text[slice(*entry.span)]
        again = parse_document(f"x = {alone}" if kind == "toml" else f'{{"x": {alone}}}' if kind == "json" else f"{{x: {alone}}}", kind, "f")
        assert again.entries[0].value == entry.value


def test_arrays_of_tables_are_told_apart():
    document = parse_document(TOML, "toml", "f")
    folders = [(e.path, e.value, document.line_of(e)) for e in document.entries if e.path[-1] == "image_dir"]
    assert folders == [
        (("datasets", 0, "subsets", 0, "image_dir"), r"C:\cats", 12),
        (("datasets", 0, "subsets", 1, "image_dir"), r"C:\dogs", 14),
        (("datasets", 1, "subsets", 0, "image_dir"), r"C:\cows", 17),
    ]


def test_yaml_words_are_read_as_their_authors_mean_them():
    """PyYAML follows YAML 1.1, in which `no` is false and `1e-4` a text."""
    values = {e.key: e.value for e in parse_document(YAML, "yaml", "f").entries}
    assert values["config.process.train.lr"] == 1e-4
    assert values["config.process.train.dtype"] == "no"


def test_windows_line_ends_change_nothing():
    made = parse_document(TOML.replace("\n", "\r\n"), "toml", "f")
    assert made == parse_document(TOML, "toml", "f")


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("a: [1,\nb", "yaml", "line 2"),
        ("a: b: c", "yaml", "line 1"),
        ('{"a":', "json", "line 1"),
        ("a =", "toml", "Invalid value"),
        ("[" * 100_000, "json", "nested too deeply"),
        ("", "json", "not valid JSON"),
        ("\x00", "yaml", "YAML"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_place(text, kind, says):
    with pytest.raises(UserError) as told:
        parse_document(text, kind, "train.cfg")
    assert told.value.code == "bad-config" and says in told.value.message
    assert told.value.message.startswith("train.cfg: ") and "\n" not in told.value.message


def test_aliases_cannot_blow_a_config_up():
    layers = "".join(f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}, r: *a{i - 1}}}\n" for i in range(1, 40))
    with pytest.raises(UserError, match="too many values"):
        parse_document("a0: &a0 {x: 1}\n" + layers, "yaml", "f")


def test_files_that_are_no_configs_are_refused(tmp_path):
    (tmp_path / "big.json").write_bytes(b" " * (MAX_BYTES + 1))
    (tmp_path / "a.cfg").write_text("x")
    for name, code in (("big.json", "too-large"), ("none.toml", "not-found"), ("a.cfg", "bad-config")):
        with pytest.raises(UserError) as told:
            read_document(tmp_path / name)
        assert told.value.code == code


@given(st.text(max_size=60), st.sampled_from(["toml", "yaml", "json"]))
def test_no_text_is_an_internal_error(text, kind):
    try:
        document = parse_document(text, kind, "f")
    except UserError:
        return
    assert all(e.span is None or 0 <= e.span[0] <= e.span[1] <= len(document.text) for e in document.entries)


class TestSettings:
    def test_a_key_means_what_its_whole_path_says(self):
        text = "job: extension\nconfig:\n  process:\n  - save: {dtype: float16}\n    train: {dtype: bf16, lr: 1e-4}\n"
        document = parse_document(text, "yaml", "f")
        assert trainer_of(document) == "ai-toolkit"
        assert {g.setting: g.value for g in settings_of(document, "ai-toolkit")} == {"mixed_precision": "bf16", "learning_rate": 1e-4}

    def test_kohya_ignores_the_names_of_sections(self):
        document = parse_document('[net]\nnetwork_module = "networks.lora"\nnetwork_dim = 16\n[x]\nunet_lr = 1e-4\n', "toml", "f")
        assert trainer_of(document) == "kohya"
        assert {g.setting: g.value for g in settings_of(document, "kohya")} == {"network_type": "lora", "rank": 16, "unet_lr": 1e-4}

    def test_a_form_of_kohya_ss_has_empty_fields_that_mean_nothing(self):
        text = '{"LoRA_type": "Standard", "pretrained_model_name_or_path": "m", "network_dim": 8, "max_train_epochs": 0, "epoch": 10,'
        text += '"xformers": "xformers", "full_fp16": false, "optimizer": "AdamW8bit", "max_resolution": "512,512", "vae": ""}'
        document = parse_document(text, "json", "f")
        found = {g.setting: g.value for g in settings_of(document, "kohya")}
        assert found["max_epochs"] == 10 and found["attention"] == "xformers" and found["resolution"] == 512
        assert found["optimizer"] == "AdamW8bit" and not {"vae_fix", "full_half_precision"} & set(found)

    @pytest.mark.parametrize(
        ("text", "kind", "trainer"),
        [
            ('{"__version": 11, "base_model_name": "m", "training_method": "LORA"}', "json", "onetrainer"),
            ('{"--model_family": "sdxl", "--data_backend_config": "d.json"}', "json", "simpletuner"),
            ("dataset = 'd.toml'\n[model]\ntype = 'wan'\n[adapter]\ntype = 'lora'\n", "toml", "diffusion-pipe"),
            ("base_model: m\nadapter: qlora\n", "yaml", "axolotl"),
            ('[model]\npath = "m"\n[data]\nfolder = "f"\n', "toml", "loramon"),
            ("model_name_or_path: m\nstage: sft\nfinetuning_type: lora\n", "yaml", "llamafactory"),
            ("model_name_or_path: m\nuse_peft: true\nlora_r: 16\n", "yaml", "trl"),
            ('dit = "w.safetensors"\nnetwork_module = "networks.lora_wan"\n', "toml", "musubi"),
            ('[[datasets]]\nimage_directory = "d"\n', "toml", "musubi"),
            ('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "d"\n', "toml", "kohya"),
            ("a: 1\n", "yaml", None),
        ],
    )
    def test_a_config_is_known_by_its_keys(self, text, kind, trainer):
        assert trainer_of(parse_document(text, kind, "f")) == trainer


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("STABLE_DIFFUSION_15", "sd1"), ("STABLE_DIFFUSION_XL_10_BASE", "sdxl"), ("STABLE_DIFFUSION_35", "sd3"), ("FLUX_DEV_1", "flux"),
        ("sd1x", "sd1"), ("wan22_14b", "wan"), ("zimage", "z-image"), ("z_image", "z-image"), ("qwen_image", "qwen-image"), ("flux2", "flux2"),
        ("qwen_image_edit", "qwen-image-edit"), ("hunyuan-video", "hunyuan-video"), ("CHROMA_1", "chroma"), ("sdxl", "sdxl"), ("something", None),
    ],
)  # fmt: skip
def test_a_family_is_known_under_each_trainers_name(name, family):
    from loramon.model_families import family_of

    assert family_of(name) == family
