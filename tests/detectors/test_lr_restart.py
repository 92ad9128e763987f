"""A schedule that begins anew re-arms the test for a rise; a learning rate that rises above all before does not."""

from __future__ import annotations

import numpy as np
import pytest
from reading import engine_of, tellings, told_alarms
from tfevents_writer import VERSION, event, record, simple

from loramon.detectors.lr_restart import LrRestarts
from loramon.events import Rows

CYCLE = [1e-4 * 0.5 * (1 + np.cos(np.pi * k / 150)) for k in range(150)]


def restarts(rates: list[float], cuts: tuple[int, ...] = ()) -> list[int]:
    state, out, lo = LrRestarts(), [], 0
    for hi in (*cuts, len(rates)):
        step = np.arange(lo, hi)
        out += state.scan(Rows("lr", "step", step, np.array(rates[lo:hi]), np.full(hi - lo, np.nan), step))
        lo = hi
    return out


@pytest.mark.parametrize("cuts", [(), (1,), (150,), (149, 151, 300), tuple(range(1, 450))])
def test_each_cycle_begins_anew_however_the_rows_come_in(cuts: tuple[int, ...]) -> None:
    assert restarts(CYCLE * 3, cuts) == [150, 300]


@pytest.mark.parametrize(
    "rates",
    [
        [k / 100 for k in range(100)] + CYCLE,  # a warm-up, then one fall
        [1e-4] * 100 + [1e-3] * 100,  # above all before: perhaps the reason for what follows
        [1e-4] * 100 + [0.9e-4, 1e-4] * 50,  # it had not fallen
        [1e-4] * 100 + [float("nan")] * 3 + [1e-4] * 100,
        [0.0] * 400,
    ],
)
def test_what_is_no_restart(rates: list[float]) -> None:
    assert restarts(rates) == []


def kohya(rates: list[float], losses: np.ndarray) -> bytes:
    """Two scalars a step, as sd-scripts writes them: the loss, then the rate of the next step."""
    out = [VERSION]
    for k, loss in enumerate(losses):
        out.append(record(event(k + 1, simple("loss/current", float(loss)), wall_time=1.79e9 + k)))
        out.append(record(event(k + 1, simple("lr/unet", rates[min(k + 1, len(rates) - 1)]), wall_time=1.79e9 + k)))
    return b"".join(out)


def losses(*levels: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.concatenate([level * np.exp(0.3 * rng.standard_normal(150)) for level in levels])


def test_a_loss_that_rises_with_a_restart_is_no_divergence_but_one_that_rises_alone_is() -> None:
    rising = losses(0.1, 0.25)
    assert told_alarms(engine_of(kohya(CYCLE * 2, rising), events_of="runs")) == []
    alarms = told_alarms(engine_of(kohya([1e-4] * 300, rising), events_of="runs"))
    assert [(a[1], a[2]) for a in alarms] == [("loss-divergence", "warning")]


def test_a_rise_at_a_restart_that_no_restart_explains_is_told_with_its_true_level() -> None:
    engine = engine_of(kohya(CYCLE * 3, losses(0.1, 0.25, 4.0)), events_of="runs")
    assert [(a[1], a[2]) for a in told_alarms(engine)] == [("loss-divergence", "warning"), ("loss-divergence", "critical")]
    first = tellings(engine)[0]
    assert first.step is not None and 300 < first.step < 325
    assert first.numbers["level_before"] == pytest.approx(0.25, rel=0.2)
    assert first.numbers["ratio"] == pytest.approx(16, rel=0.3)


def test_a_divergence_soon_behind_a_restart_is_told_against_the_rows_behind_it() -> None:
    loss = np.concatenate([losses(0.1), losses(0.2)[:40], losses(0.6)])
    alarms = told_alarms(engine_of(kohya(CYCLE * 3, loss), events_of="runs"))
    assert [a[1] for a in alarms] == ["loss-divergence"] and 190 < (alarms[0][3] or 0) < 290


def test_what_was_told_before_a_restart_is_still_confirmed_by_the_level_it_rose_from() -> None:
    rates = CYCLE + CYCLE
    loss = np.concatenate([losses(0.1)[:120], losses(2.0), losses(2.0)])
    alarms = told_alarms(engine_of(kohya(rates + rates, loss), events_of="runs"))
    assert [(a[1], a[2]) for a in alarms] == [("loss-divergence", "warning"), ("loss-divergence", "critical")]
    assert (alarms[1][3] or 0) > 150
