"""The loss curve with what happened along it, as the chart takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loramon.diagnosis import Diagnosis
from loramon.series import Series
from loramon.widgets.chart_data import EMPTY, ChartData, Mark, MarkKind, XUnit

OLD_COLUMNS = 1000
NAN_IDS = ("loss-nan", "loss-nan-transient", "nan-latents")


class Curve:
    """Makes the chart's data, and gives the same object again while nothing changed."""

    def __init__(self) -> None:
        self._key: object = None
        self._data = EMPTY

    def of(self, diagnosis: Diagnosis, d: dict[str, Any], x_unit: XUnit) -> ChartData:
        """The loss of the run: the best series there is. Falls back to steps where times are not known."""
        series = diagnosis.run.best("loss")
        if series is None:
            return EMPTY
        if x_unit == "time" and not has_times(series):
            x_unit = "step"
        alarms = tuple((a["id"], a["severity"], a["step"]) for a in d["alarms"])
        told = (c.step for c in diagnosis.run.checkpoints if c.step is not None)
        on_disk = (s.step for s in diagnosis.saves.placed if s.step is not None)
        checkpoints = tuple(sorted({*told, *on_disk}))
        breaks = tuple((b["kind"], b["step"], b["from_step"]) for b in d["breaks"])
        key = (id(series), series.n_rows, series.last, alarms, checkpoints, breaks, x_unit)
        if key != self._key:
            self._key = key
            self._data = _data(series, alarms, checkpoints, breaks, x_unit, diagnosis.run.setting("resume"))
        return self._data


def has_times(series: Series) -> bool:
    """The rows' times are known and move on, so that they can be an axis."""
    t = series.t_s
    return len(t) > 1 and bool(np.isfinite(t).all()) and float(t[-1]) > float(t[0])


def _data(series: Series, alarms: tuple[tuple[str, str, int | None], ...], checkpoints: tuple[int, ...],
          breaks: tuple[tuple[str, int, int | None], ...], x_unit: XUnit, resumed_from: object) -> ChartData:  # fmt: skip
    steps, values, times = series.step.astype(np.float64), series.value, series.t_s
    if x_unit == "time":
        x = np.maximum.accumulate(times) - times[0]
    else:
        x = steps
        if series.n_rows > len(steps):  # what was thinned stands before the rows held in full
            old_x, old_y = (np.array(part) for part in series.curve(OLD_COLUMNS))
            before = old_x < steps[0] if len(steps) else np.ones(len(old_x), bool)
            x, values = np.concatenate((old_x[before], x)), np.concatenate((old_y[before], values))
    marks = [Mark(_at(step, steps, x, x_unit), "checkpoint", str(step)) for step in checkpoints]
    for id, severity, step in alarms:
        if step is not None and severity != "note":
            kind: MarkKind = "nan" if id in NAN_IDS else "alarm-critical" if severity == "critical" else "alarm-warning"
            marks.append(Mark(_at(step, steps, x, x_unit), kind, id))
    for what, step, from_step in breaks:
        is_gap = what in ("skip", "pause")
        at = _at(from_step if is_gap and from_step is not None else step, steps, x, x_unit)
        # the first loss may be told some steps behind the start
        marks.append(Mark(max(at, float(x[0])) if len(x) and not is_gap else at, "gap" if is_gap else "resume", what))
    if resumed_from and len(x) and not any(b[0] == "start" for b in breaks):
        marks.append(Mark(float(x[0]), "resume"))
    return ChartData(x, values, None, tuple(marks), x_unit)


def _at(step: int, steps: NDArray[np.float64], x: NDArray[np.float64], x_unit: XUnit) -> float:
    """Where the step stands on the axis."""
    if x_unit == "step" or not len(steps):
        return float(step)
    i = min(int(np.searchsorted(steps, step)), len(x) - 1)
    return float(x[i])
