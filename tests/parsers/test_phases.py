"""What a launch spent its time on: other bars before the training, pauses within it."""

from __future__ import annotations

import pytest
from made_logs import bar
from reading import engine_of, segment_ends

from loramon.run_figures import phases_of


def training(n: int, t_s: float, total: int = 40) -> str:
    return bar("steps", n, total, t_s, f"avr_loss={0.1 + n / 1000:.3f}")


def phases(text: str) -> dict[str, float]:
    """By phase, read at once; read redraw by redraw it must be the same."""
    data = text.encode()
    whole = phases_of(engine_of(data).run)
    assert phases_of(engine_of(data, segment_ends(data)).run) == whole
    return whole


def test_bars_before_the_training_have_their_own_clocks() -> None:
    text = bar("Loading checkpoint shards", 2, 2, 8.0) + "\n" + bar("Caching latents", 24, 24, 30.0) + "\n" + "".join(training(n, 2.0 * n) for n in range(21))
    assert phases(text + "\n") == pytest.approx({"load": 8, "cache": 30, "train": 40})


def test_the_same_bar_drawn_again_counts_again() -> None:
    sampling = "".join(bar("Sampling", n, 20, float(n)) for n in (0, 10, 20))
    text = sampling + "\n" + sampling + "\n" + "".join(training(n, 2.0 * n) for n in range(21))
    assert phases(text + "\n")["sample"] == 40


def test_a_pause_is_what_the_steps_around_it_do_not_explain() -> None:
    before = "".join(training(n, 2.0 * n) for n in range(11))
    images = "\n" + "".join(bar("", n, 20, n / 2) for n in (0, 20)) + "\n"
    after = "".join(training(n, 2.0 * n + 30.0) for n in range(11, 21))
    assert phases(before + images + after + "\n") == pytest.approx({"sample": 30, "train": 40})


def test_a_line_names_the_pause_where_no_bar_does() -> None:
    before = "".join(training(n, 2.0 * n) for n in range(11))
    after = "".join(training(n, 2.0 * n + 12.0) for n in range(11, 21))
    assert phases(before + "\nsaving checkpoint: out/cat-000001.safetensors\n" + after + "\n") == pytest.approx({"save": 12, "train": 40})


def test_a_save_that_took_no_time_is_none() -> None:
    text = "".join(training(n, 2.0 * n) + ("\nsaving checkpoint: out/cat.safetensors\n" if n == 10 else "") for n in range(21))
    assert phases(text + "\n") == pytest.approx({"train": 40})
