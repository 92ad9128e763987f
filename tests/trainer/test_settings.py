"""Settings that cannot be used get a reason of one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loramon.trainer.settings import STEPS_BY_GOAL, SettingsError, from_dict, read

GOOD: dict[str, dict[str, Any]] = {"model": {"path": "base"}, "data": {"folder": "images"}}


def changed(**sections: dict[str, Any]) -> dict[str, Any]:
    return {name: {**GOOD.get(name, {}), **sections.get(name, {})} for name in {**GOOD, **sections}}


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"modle": {}}, r"unknown section \[modle\]; known: model, data, lora, optimizer, scheduler, train, save, sample, heal$"),
        ({"lora": {"rnk": 8}}, r"unknown setting lora\.rnk; known: rank, alpha, dropout, targets, text_encoder$"),
        ({"train": {"rank": 8}}, r"unknown setting train\.rank; known: goal, steps, "),
        ({"optimizer": {"name": "adamw"}}, r"optimizer\.name = 'adamw' is not known; known: AdamW, AdamW8bit, Lion, "),
        ({"scheduler": {"name": "cosine_with_restart"}}, r"known: cosine_with_restarts, constant, "),
        ({"model": {"path": ""}}, r"model\.path is missing"),
        ({"lora": {"rank": 0}}, r"lora\.rank = 0 must be 1 or more"),
        ({"lora": {"rank": "16"}}, r"lora\.rank = '16' must be a whole number"),
        ({"data": {"batch_size": True}}, r"data\.batch_size = True must be a whole number"),
        ({"optimizer": {"learning_rate": float("nan")}}, r"optimizer\.learning_rate = nan must be 0 or more"),
        ({"data": {"caption_dropout": 1.5}}, r"data\.caption_dropout = 1\.5 must be from 0 to below 1"),
        ({"data": {"resolution": 500}}, r"must be multiples of 8"),
        ({"optimizer": {"name": "DAdaptAdam", "text_encoder_lr": 0.5}, "lora": {"text_encoder": True}}, r"DAdaptAdam allows one learning rate for all parts"),
        ({"scheduler": {"warmup_steps": 9000}}, r"scheduler\.warmup_steps = 9000 must be below train\.steps = 5000"),
        ({"sample": {"every": 10}}, r"sample\.prompts is empty"),
        ({"save": {"name": "../x"}}, r"must be a plain file name"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_a_reason(sections: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as told:
        from_dict(changed(**sections))
    assert "\n" not in str(told.value)


def test_a_section_that_is_no_section_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"\[model\] must be a section"):
        from_dict({"model": 3})


def test_defaults_follow_the_hints() -> None:
    settings = from_dict(GOOD)
    assert (settings.lora.rank, settings.lora.alpha, settings.data.workers) == (16, 8.0, 2)
    assert (settings.optimizer.name, settings.scheduler.name, settings.scheduler.warmup_steps) == ("AdamW", "cosine_with_restarts", 250)
    assert not settings.heal.on and settings.data.cache_text is True
    for goal, steps in STEPS_BY_GOAL.items():
        assert from_dict(changed(train={"goal": goal})).train.steps == steps


@pytest.mark.parametrize("sections", [{"data": {"shuffle_caption": True}}, {"lora": {"text_encoder": True}}], ids=["other captions", "learning encoders"])
def test_text_is_not_cached_where_what_the_encoders_say_changes(sections: dict[str, Any]) -> None:
    assert from_dict(changed(**sections)).data.cache_text is False


def test_optimizers_that_find_the_rate_get_one() -> None:
    assert from_dict(changed(optimizer={"name": "Prodigy"})).optimizer.learning_rate == 1.0


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[model]\npath = "m"\n[data]\nfolder = "/d"\n')
    settings = read(str(tmp_path / "c.toml"))
    assert (settings.model.path, settings.data.folder, settings.save.folder) == (str(tmp_path / "m"), "/d", str(tmp_path / "output"))


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot read"), ("a =", "is no TOML")])
def test_a_file_that_is_none_is_refused(content: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=reason):
        read(str(path))


def test_the_example_in_the_documentation_is_right() -> None:
    docs = Path(__file__).parents[2] / "docs"
    settings = read(str(docs / "trainer-example.toml"))
    assert settings.lora.alpha <= settings.lora.rank / 2
