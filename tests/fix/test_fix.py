"""`diagnose --fix`: the run's own settings with the remedy done, as a diff that does what it says; no file is changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from in_process import command
from made_logs import kohya

from loramon.advice.advisor import advise
from loramon.check.plan import plan_of_command, plans_of_file
from loramon.config_document import parse_document
from loramon.config_settings import settings_of
from loramon.findings import Change, Finding
from loramon.fix.command_edits import changed_words
from loramon.fix.document_edits import edits_of
from loramon.fix.edit import CannotChange, applied
from loramon.fix.proposal import propose
from loramon.settings import flag

TOML = """# my settings
[network]
network_module = "networks.lora"   # plain
network_dim = 32

[training]
train_batch_size = 4 # as the card allows
learning_rate = 1e-4
resolution = "1024,1024"
sdpa = false
xformers = true
cache_latents = false
"""
YAML = """job: extension
config:
  name: x
  process:
    - type: sd_trainer
      train:
        batch_size: 4  # as the card allows
        lr: !!float 1e-4
        steps: 100
      model:
        name_or_path: a/b
        quantize: false
"""
JSON = '{\n  "base_model_name": "a/b",\n  "training_method": "LORA",\n  "batch_size": 4,\n  "learning_rate": 0.0003\n}\n'


def change(trainer: str, setting: str, suggested: object, current: object = None) -> Change:
    return Change(setting, flag(setting, trainer, suggested), current, suggested)


def edited(text: str, kind: str, trainer: str, *changes: Change) -> str:
    for one in changes:
        document = parse_document(text, kind, "x")  # type: ignore[arg-type]
        text = applied(text, edits_of(document, trainer, one))
    return text


def lines_of(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ, as (before, after)."""
    return [(b, a) for b, a in zip(before.splitlines(), after.splitlines(), strict=False) if a != b]


class TestFiles:
    def test_one_value_changes_and_the_comment_stays(self):
        after = edited(TOML, "toml", "kohya", change("kohya", "batch_size", 2))
        assert lines_of(TOML, after) == [("train_batch_size = 4 # as the card allows", "train_batch_size = 2 # as the card allows")]

    def test_a_pair_stays_a_pair(self):
        assert 'resolution = "768,768"' in edited(TOML, "toml", "kohya", change("kohya", "resolution", 768))

    def test_what_is_not_there_becomes_a_line_of_its_own(self):
        after = edited(TOML, "toml", "kohya", change("kohya", "gradient_checkpointing", True), change("kohya", "gradient_accumulation_steps", 2))
        assert after.splitlines()[-2:] == ["gradient_checkpointing = true", "gradient_accumulation_steps = 2"]

    def test_a_switch_is_turned_and_its_rival_too(self):
        after = edited(TOML, "toml", "kohya", change("kohya", "attention", "sdpa"))
        assert "sdpa = true" in after and "xformers = false" in after

    def test_yaml_keeps_its_indent(self):
        after = edited(YAML, "yaml", "ai-toolkit", change("ai-toolkit", "batch_size", 2), change("ai-toolkit", "quantization", True),
                       change("ai-toolkit", "gradient_checkpointing", True))  # fmt: skip
        assert "        batch_size: 2  # as the card allows" in after and "        quantize: true" in after
        assert "        steps: 100\n        gradient_checkpointing: true\n      model:" in after

    def test_json_stays_json(self):
        after = edited(JSON, "json", "onetrainer", change("onetrainer", "learning_rate", 1e-4), change("onetrainer", "max_grad_norm", 1.0))
        assert '"learning_rate": 0.0001,\n  "clip_grad_norm": 1.0\n}' in after
        parse_document(after, "json", "x")

    @pytest.mark.parametrize(("text", "kind", "trainer"), [(TOML, "toml", "kohya"), (YAML, "yaml", "ai-toolkit"), (JSON, "json", "onetrainer")])
    @pytest.mark.parametrize(("setting", "value"), [("batch_size", 1), ("learning_rate", 2e-5), ("gradient_checkpointing", True), ("max_grad_norm", 1.0)])
    def test_what_is_written_is_read_back(self, text, kind, trainer, setting, value):
        after = parse_document(edited(text, kind, trainer, change(trainer, setting, value)), kind, "x")
        assert value in [g.value for g in settings_of(after, trainer) if g.setting == setting]

    def test_a_change_without_a_figure_is_refused(self):
        with pytest.raises(CannotChange, match="no-figure"):
            edits_of(parse_document(TOML, "toml", "x"), "kohya", Change("blocks_to_swap", "--blocks_to_swap", None, None))
        with pytest.raises(CannotChange, match="not-there"):
            edits_of(parse_document(TOML, "toml", "x"), "kohya", change("kohya", "compile", False))


class TestCommands:
    WORDS = ("accelerate", "launch", "train_network.py", "--train_batch_size", "4", "--learning_rate=1e-4", "--xformers", "--full_fp16", "--resolution=512,512")

    def test_values_switches_and_new_options(self):
        words = list(self.WORDS)
        for setting, value in (("batch_size", 2), ("learning_rate", 5e-5), ("attention", "sdpa"), ("resolution", 384), ("gradient_checkpointing", True)):
            words = changed_words(words, "kohya", change("kohya", setting, value))
        assert words == ["accelerate", "launch", "train_network.py", "--train_batch_size", "2", "--learning_rate=5e-05", "--full_fp16",
                         "--resolution=384,384", "--sdpa", "--gradient_checkpointing"]  # fmt: skip

    def test_a_switch_is_taken_away(self):
        words = changed_words(self.WORDS, "kohya", Change("full_half_precision", "--full_fp16", "fp16", False))
        assert "--full_fp16" not in words and len(words) == len(self.WORDS) - 1

    def test_the_text_encoder_is_left_out_by_a_switch_of_its_own(self):
        assert changed_words(self.WORDS, "kohya", change("kohya", "train_text_encoder", False))[-1] == "--network_train_unet_only"

    def test_what_is_not_there_cannot_be_taken_away(self):
        with pytest.raises(CannotChange):
            changed_words(self.WORDS, "kohya", change("kohya", "compile", False))


def proposed(plan, trainer="kohya", **more):
    finding = Finding("oom-vram", "critical", 1.0)
    finding.remedies = advise(finding, plan.settings, trainer, more)
    return propose([finding], "oom-vram", plan, trainer)


class TestProposals:
    def test_what_belongs_together_is_one_diff(self):
        plan = plan_of_command(["accelerate", "launch", "train_network.py", "--network_module", "networks.lora", "--train_batch_size", "4"], "c")
        found = proposed(plan)
        assert found.remedy is not None and found.remedy.row == "batch-size-down"
        assert [(c.setting, c.suggested) for c in found.changes] == [("batch_size", 2), ("gradient_accumulation_steps", 2)]
        added = [line for line in found.diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
        assert added == ["+  --train_batch_size 2 \\", "+  --gradient_accumulation_steps 2"]
        assert [r.row for r in found.later][:1] == ["cache-latents"]

    def test_the_datasets_own_file_is_changed_where_it_says_it(self, tmp_path):
        (tmp_path / "data.toml").write_text('[general]\nbatch_size = 4\n[[datasets]]\nimage_directory = "/d"\n')
        argv = f"accelerate launch wan_train_network.py --dit w.safetensors --sdpa --dataset_config {tmp_path / 'data.toml'}".split()
        found = proposed(plan_of_command(argv, "c"), "musubi")
        assert f"--- {tmp_path / 'data.toml'}" in found.diff and "-batch_size = 4" in found.diff and "+batch_size = 2" in found.diff
        assert "--gradient_accumulation_steps 2" in found.diff

    @pytest.mark.parametrize(
        ("name", "text", "line"),
        [
            ("train.sh", "accelerate launch \\\n  train_network.py \\\n  --train_batch_size 4 \\\n  --full_fp16\necho done\n", "  --train_batch_size 2 \\"),
            ("train.bat", "accelerate launch ^\n  train_network.py ^\n  --train_batch_size=4 ^\n  --full_fp16\n", "  --train_batch_size=2 ^"),
            ("train.ps1", "accelerate launch `\n  train_network.py `\n  --train_batch_size 4 `\n  --full_fp16\n", "  --train_batch_size 2 `"),
        ],
    )
    def test_a_script_keeps_its_form(self, name, text, line, tmp_path):
        (tmp_path / name).write_text(text)
        found = proposed(plans_of_file(tmp_path / name, str(tmp_path / name))[0])
        assert f"+{line}" in found.diff.splitlines()
        patched = subprocess.run(["patch", "-p0", "-o", "-", str(tmp_path / name)], input=found.diff + "\n", capture_output=True, text=True, check=True)
        (tmp_path / f"new-{name}").write_text(patched.stdout)
        assert plans_of_file(tmp_path / f"new-{name}", "n")[0].settings == {
            **plans_of_file(tmp_path / name, "o")[0].settings, "batch_size": 2, "gradient_accumulation_steps": 2,
        }  # fmt: skip
        assert (tmp_path / name).read_text() == text

    def test_what_a_variable_holds_is_shown_as_a_command(self, tmp_path):
        (tmp_path / "t.sh").write_text("BATCH=4\naccelerate launch train_network.py --train_batch_size $BATCH\n")
        assert proposed(plans_of_file(tmp_path / "t.sh", str(tmp_path / "t.sh"))[0]).target == "command"

    def test_without_settings_it_says_so(self):
        finding = Finding("oom-vram", "critical", 1.0)
        finding.remedies = advise(finding, {"batch_size": 4}, "kohya", {})
        found = propose([finding], "oom-vram", None, "kohya")
        assert found.diff == "" and found.cannot == [("fix.no-settings", {})]


class TestTheCommand:
    def test_the_diff_stands_below_the_page_and_nothing_is_written(self, tmp_path: Path):
        (tmp_path / "train.log").write_bytes(kohya([0.1] * 60 + [float("nan")] * 5))
        (tmp_path / "my.toml").write_text('pretrained_model_name_or_path = "a/b"\nnetwork_module = "networks.lora"\nlearning_rate = 1e-3\n')
        before = {p: p.read_bytes() for p in tmp_path.iterdir()}
        done = command("diagnose", tmp_path / "train.log", "--fix", "--run-config", tmp_path / "my.toml")
        assert done.status == 1 and "-learning_rate = 1e-3" in done.text and "+learning_rate = 0.0002" in done.text
        (made,) = command("diagnose", tmp_path / "train.log", "--fix", "--json", "--run-config", tmp_path / "my.toml").objects
        assert made["fix"]["remedy"] == "lr-down-nan" and made["fix"]["changes"][0]["flag"] == "--learning_rate"
        assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before

    def test_a_healthy_run_has_nothing_to_change(self, tmp_path: Path):
        (tmp_path / "train.log").write_bytes(kohya([0.1] * 5))
        assert "No remedy here" in command("diagnose", tmp_path / "train.log", "--fix").text

    def test_secrets_do_not_stand_in_the_diff(self, tmp_path: Path):
        (tmp_path / "t.log").write_bytes(kohya([0.1] * 60 + [float("nan")] * 5))
        (tmp_path / "my.toml").write_text('network_module = "networks.lora"\nlearning_rate = 1e-3\nhuggingface_token = "hf_abcdefghijklmnopqrstuvwxyz"\n')
        done = command("diagnose", tmp_path / "t.log", "--fix", "--run-config", tmp_path / "my.toml")
        assert "hf_abc" not in done.text and "+learning_rate" in done.text
