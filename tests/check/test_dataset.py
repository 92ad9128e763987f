"""The data set before the training: no images, broken files, captions, sizes, buckets, and the arithmetic that follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import jpeg, png, webp

from loramon.check.buckets import batches, bucket_sizes, images_per_bucket
from loramon.check.dataset import folders_of
from loramon.check.images import read_header
from loramon.check.look_over import Check, look_over
from loramon.check.plan import plan_of_command, plans_of_file


def kohya(train: Path, *more: str) -> Check:
    words = ["accelerate", "launch", "sdxl_train_network.py", "--pretrained_model_name_or_path=org/base", "--network_module=networks.lora",
             "--network_dim=16", "--network_alpha=8", "--learning_rate=1e-4", "--mixed_precision=bf16", "--lr_scheduler=cosine",
             "--max_data_loader_n_workers=2", f"--train_data_dir={train}", "--resolution=1024,1024", "--caption_extension=.txt", *more]  # fmt: skip
    return look_over(plan_of_command(words, "c"))


def grave(check: Check) -> list[tuple[str, str]]:
    return [(n.id, n.rule) for n in check.notices if n.severity != "note"]


def notes(check: Check) -> list[str]:
    return [n.rule for n in check.notices if n.severity == "note" and n.basis != "experience"]


class TestKohyaFolders:
    def test_images_times_repeats_by_batch_by_epochs(self, images):
        check = kohya(images, "--train_batch_size=2", "--max_train_epochs=3")
        assert grave(check) == []
        sums = check.to_dict()["arithmetic"]
        assert (sums["images"], sums["images_with_repeats"], sums["steps_per_epoch"], sums["steps"], sums["images_seen"]) == (4, 40, 20, 60, 120)

    def test_a_batch_holds_one_bucket_only(self, images):
        for i, size in enumerate([(1024, 1024)] * 3 + [(832, 1216)] * 2):
            (images / "10_sks cat" / f"more{i}.png").write_bytes(png(*size))
            (images / "10_sks cat" / f"more{i}.txt").write_text("x")
        facts = kohya(images, "--enable_bucket", "--train_batch_size=8", "--max_train_epochs=1").facts
        assert facts["images_with_repeats"] == 90 and facts["steps"] == 9 + 3  # 70 of one size, 20 of the other

    def test_regularisation_images_double_the_epoch(self, images, tmp_path):
        (tmp_path / "reg" / "1_cat").mkdir(parents=True)
        (tmp_path / "reg" / "1_cat" / "a.png").write_bytes(png(1024, 1024))
        assert kohya(images, f"--reg_data_dir={tmp_path / 'reg'}", "--max_train_epochs=1").facts["steps"] == 80

    def test_without_regularisation_images_the_trainer_goes_on(self, images, tmp_path):
        (tmp_path / "reg").mkdir()
        assert grave(kohya(images, f"--reg_data_dir={tmp_path / 'reg'}")) == []

    def test_accumulation_makes_fewer_steps_of_the_same_images(self, images):
        sums = kohya(images, "--train_batch_size=2", "--gradient_accumulation_steps=4", "--max_train_epochs=3").to_dict()["arithmetic"]
        assert (sums["steps"], sums["images_seen"]) == (15, 120)

    def test_epochs_count_before_steps(self, images):
        assert kohya(images, "--max_train_epochs=3", "--max_train_steps=9999").facts["steps"] == 120

    def test_the_folder_of_the_images_is_one_too_deep(self, images):
        check = kohya(images / "10_sks cat", "--max_train_epochs=3")
        assert grave(check) == [("no-images", "no-repeat-folders")]

    def test_an_empty_folder_has_no_images(self, tmp_path):
        (tmp_path / "a" / "3_x").mkdir(parents=True)
        assert grave(kohya(tmp_path / "a")) == [("no-images", "no-images")]

    def test_captions_that_lie_under_another_suffix(self, images):
        found = [n for n in kohya(images, "--caption_extension=.caption").notices if n.id == "setting-captions"]
        assert [(n.severity, n.change) for n in found] == [("warning", ("caption_extension", ".txt"))]

    def test_kohya_looks_for_caption_files_unless_told_otherwise(self, images):
        plan = plan_of_command(["train_network.py", f"--train_data_dir={images}", "--pretrained_model_name_or_path=a/b"], "c")
        assert [n.rule for n in look_over(plan).notices if n.severity == "warning"] == ["captions-elsewhere"]

    def test_some_captions_are_missing(self, images):
        (images / "10_sks cat" / "0.txt").unlink()
        check = kohya(images)
        assert grave(check) == [] and notes(check) == ["captions-missing"]
        assert next(n for n in check.notices if n.rule == "captions-missing").numbers["n"] == 1

    def test_small_images_are_enlarged(self, images):
        (images / "10_sks cat" / "0.png").write_bytes(png(400, 500))
        assert notes(kohya(images)) == ["small-images"]
        assert notes(kohya(images, "--bucket_no_upscale")) == []

    def test_a_broken_image_is_named(self, images):
        (images / "10_sks cat" / "0.png").write_bytes(png(1024, 1024, whole=False))
        (images / "10_sks cat" / "1.png").write_bytes(b"<html>")
        found = next(n for n in kohya(images).notices if n.id == "bad-dataset")
        assert (found.severity, found.numbers["n"], found.numbers["files"]) == ("warning", 2, "0.png, 1.png")

    def test_a_thin_bucket_makes_small_batches(self, images):
        (images / "1_odd").mkdir()
        (images / "1_odd" / "a.png").write_bytes(png(2048, 700))
        (images / "1_odd" / "a.txt").write_text("x")
        assert "thin-buckets" in notes(kohya(images, "--enable_bucket", "--train_batch_size=4"))


class TestOtherTrainers:
    def test_a_dataset_config_is_read_subset_by_subset(self, images, tmp_path):
        config = tmp_path / "data.toml"
        config.write_text(
            f'[general]\ncaption_extension=".txt"\n[[datasets]]\nresolution=1024\nbatch_size=4\n[[datasets.subsets]]\nimage_dir="{images / "10_sks cat"}"\n'
            f'num_repeats=5\n[[datasets.subsets]]\nimage_dir="{tmp_path / "gone"}"\nis_reg=true\n'
        )
        (plan,) = plans_of_file(config, "data.toml")
        first, second = folders_of(plan)
        assert (first.n_images, first.repeats, first.batch_size, first.resolution, first.n_without_caption) == (4, 5, 4, (1024, 1024), 0)
        assert second.is_regularisation and not second.found
        assert grave(look_over(plan)) == [("missing-file", "missing-file")]

    def test_ai_toolkit_looks_into_folders_of_folders(self, images, tmp_path):
        config = tmp_path / "job.yaml"
        config.write_text(
            f"job: extension\nconfig:\n  process:\n  - type: sd_trainer\n    datasets:\n    - folder_path: {images}\n      caption_ext: txt\n"
            "      resolution: [512, 1024]\n    train: {steps: 100, batch_size: 1, lr: 1e-4}\n    model: {name_or_path: a/b, arch: flux}\n"
        )
        check = look_over(plans_of_file(config, "job.yaml")[0])
        assert (check.folders[0].n_images, check.facts["steps"], grave(check)) == (4, 100, [])

    def test_a_folder_of_videos_is_no_empty_folder(self, tmp_path):
        (tmp_path / "v").mkdir()
        (tmp_path / "v" / "a.mp4").write_bytes(b"x")
        config = tmp_path / "d.toml"
        config.write_text(f'[[datasets]]\nvideo_directory="{tmp_path / "v"}"\ntarget_frames=[1]\n')
        plan = plans_of_file(config, "d.toml")[0]
        assert not [n for n in look_over(plan).notices if n.id == "no-images"]


class TestAnotherMachine:
    def test_what_lies_on_another_machine_is_not_missing(self):
        check = kohya(Path("/workspace/elsewhere/train"))
        assert grave(check) == []
        assert "not looked at" in check.to_dict()["coverage"]["cannot_tell"][-1]["why"]

    def test_what_is_missing_beside_what_is_there_is_missing(self, images, tmp_path):
        check = kohya(images, f"--vae={tmp_path / 'vae.safetensors'}")
        assert grave(check) == [("missing-file", "missing-file")]


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (png(640, 480), (640, 480, None)),
        (png(640, 480, whole=False), (640, 480, "cut-off")),
        (jpeg(1920, 1080), (1920, 1080, None)),
        (jpeg(1920, 1080, whole=False), (1920, 1080, "cut-off")),
        (webp(1200, 800), (1200, 800, None)),
        (webp(1200, 800)[:-3], (1200, 800, "cut-off")),
        (b"GIF89a" + (20).to_bytes(2, "little") + (10).to_bytes(2, "little"), (20, 10, None)),
        (b"\0\0\0\x1cftypavif" + b"\0" * 30, (None, None, None)),
        (b"", (None, None, "empty")),
        (b"<!DOCTYPE html>", (None, None, "no-image")),
        (b"\x89PNG\r\n\x1a\n", (None, None, "cut-off")),
    ],
)
def test_the_size_of_an_image_by_its_header(data, header, tmp_path):
    (tmp_path / "x").write_bytes(data)
    found = read_header(tmp_path / "x")
    assert (found.width, found.height, found.problem) == header


def test_buckets_are_those_of_sd_scripts():
    """Figures printed by library/model_util.py make_bucket_resolutions((512, 512), 256, 1024, 64)."""
    sizes = bucket_sizes((512, 512))
    assert (len(sizes), sizes[0], sizes[-1]) == (17, (256, 832), (1024, 256)) and {(256, 1024), (512, 512), (448, 576)} <= set(sizes)
    counts = images_per_bucket([(512, 512), (1000, 1000), (3000, 800)], sizes)
    assert counts[(512, 512)] == 2 and sum(counts.values()) == 3
    assert batches(counts, 2) == 2
