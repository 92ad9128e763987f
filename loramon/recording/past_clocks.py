"""From bytes of sources to seconds into a recording: by the times of arrival, else by the clocks that the sources show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loramon.recording.past import Floats, PastColumn, PastLaunch
from loramon.recording.past_parts import CLOCK, ColumnSoFar, LaunchSoFar, SourceSoFar

ALL = "*"
TAIL_S = 1.0
"""What stands behind the last step of a log without times of arrival is known so long after it."""


class Clocks:
    """From bytes of a source to seconds into the recording."""

    def __init__(self, sources: Mapping[str, SourceSoFar], launches: Sequence[LaunchSoFar], is_timed: bool, offset_s: float | None) -> None:
        self._maps: dict[str, tuple[Floats, Floats]] = {}
        self.has_times = True
        self.started_s: float | None = None
        self.is_timed = is_timed
        self._launches, self._offset_s = launches, offset_s
        self._axis: tuple[NDArray[np.int64], Floats] | None = None
        """(steps, seconds) of the log, by which event files that lie beside it are placed."""
        if is_timed:
            for name, source in sources.items():
                rows = source.rows
                self._maps[name] = np.array([r[0] for r in rows], np.float64), np.maximum.accumulate([r[1] for r in rows])
            return
        logs = [s for s in sources.values() if s.folder is None]
        if logs:
            self._axis = self._log(logs)
        for source in sources.values():
            if source.folder is not None:
                self._events(source)

    def _log(self, logs: list[SourceSoFar]) -> tuple[NDArray[np.int64], Floats] | None:
        """The clock of the log's own bar, launch by launch; without one a second for each step."""
        positions: dict[str, list[Floats]] = {s.name: [np.zeros(1)] for s in logs}
        seconds: dict[str, list[Floats]] = {s.name: [np.zeros(1)] for s in logs}
        base, n_known, last = 0.0, 0, None
        for launch in self._launches:
            column = next((c for (name, tag), c in launch.columns.items() if tag == "step" and name in positions), None)
            column = column or next((c for (name, _), c in launch.columns.items() if name in positions), None)
            if column is None:
                continue
            t_s = np.concatenate([rows.t_s for rows in column.parts])
            step = np.concatenate([rows.step for rows in column.parts])
            good = np.isfinite(t_s)
            n_known += int(good.sum())
            if good.any():
                t_s = np.interp(np.arange(len(t_s)), np.flatnonzero(good), t_s[good])
                t_s = np.maximum.accumulate(t_s) - t_s[0]
            else:
                t_s = np.arange(len(t_s), dtype=np.float64)
            at = np.concatenate(column.at)
            positions[column.source].append(at)
            seconds[column.source].append(t_s + base)
            last = (step, t_s + base)
            base += float(t_s[-1]) + TAIL_S
        self.has_times = n_known > 0
        self.started_s = self._offset_s
        for source in logs:
            at, t_s = np.concatenate(positions[source.name]), np.concatenate(seconds[source.name])
            end = float(source.position)
            if end > at[-1]:
                at, t_s = np.append(at, end), np.append(t_s, (t_s[-1] if len(t_s) > 1 else base) + TAIL_S)
            if len(at) > 2:  # what stands before the first step was there when it came
                at, t_s = at[1:], t_s[1:]
            self._maps[source.name] = at, np.maximum.accumulate(t_s)
        return last

    def _events(self, source: SourceSoFar) -> None:
        axis = self._axis
        columns = [c for launch in self._launches for (name, _), c in launch.columns.items() if name == source.name]
        self._maps[source.name] = np.array([0.0, max(1.0, float(source.position))]), np.array([0.0, 0.0])
        if not columns:
            return
        rows = columns[0].parts
        t_s, step = np.concatenate([r.t_s for r in rows]), np.concatenate([r.step for r in rows])
        good = np.isfinite(t_s)
        if not good.any():
            return
        if axis is None:
            self.started_s = float(t_s[good].min()) if self.started_s is None else self.started_s
            end = float(t_s[good].max()) - self.started_s
        else:
            order = np.argsort(axis[0], kind="stable")
            end = float(np.interp(step[-1], axis[0][order], axis[1][order]))
        self._maps[source.name] = np.array([0.0, max(1.0, float(source.position))]), np.array([0.0, max(0.0, end)])

    def map_of(self, name: str) -> tuple[Floats, Floats]:
        """(bytes, seconds), both ascending."""
        return self._maps.get(name, (np.zeros(1), np.zeros(1)))

    def seconds(self, name: str, at: Floats) -> Floats:
        """When these bytes of a source were there. Ascending where the bytes are."""
        if name == CLOCK:
            return at
        held = self._maps.get(name)
        if held is None or not len(held[0]):
            return np.zeros(len(at))
        position, t_s = held
        if self.is_timed:  # a byte came with the piece that it lies in
            found: Floats = t_s[np.minimum(np.searchsorted(position, at, "left"), len(t_s) - 1)]
            return found
        return np.interp(at, position, t_s)

    def rows(self, column: ColumnSoFar, at: Floats) -> Floats:
        """When the rows of a series were known."""
        if self.is_timed or column.rows.t_from != "wall":
            return np.maximum.accumulate(self.seconds(column.source, at))
        axis = self._axis
        if axis is not None:
            order = np.argsort(axis[0], kind="stable")
            step = np.concatenate([r.step for r in column.parts])
            return np.maximum.accumulate(np.interp(step, axis[0][order], axis[1][order]))
        t_s = np.concatenate([r.t_s for r in column.parts])
        good = np.isfinite(t_s)
        if not good.any():
            return np.zeros(len(t_s))
        filled = np.interp(np.arange(len(t_s)), np.flatnonzero(good), t_s[good])
        return np.maximum.accumulate(np.maximum(0.0, filled - (self.started_s or 0.0)))


def made_launch(launch: LaunchSoFar, clocks: Clocks) -> PastLaunch:
    def second(at: tuple[str, float]) -> float:
        return float(clocks.seconds(at[0], np.array([at[1]]))[0])

    made = PastLaunch(begun=second(launch.at))
    for (source, tag), column in launch.columns.items():
        parts, first = column.parts, column.rows
        step, offset = np.concatenate([rows.step for rows in parts]), np.concatenate([rows.offset for rows in parts])
        value, t_s = np.concatenate([rows.value for rows in parts]), np.concatenate([rows.t_s for rows in parts])
        known, steps_known = clocks.rows(column, np.concatenate(column.at)), all(rows.steps_known for rows in parts)
        made.columns.append(PastColumn(source, tag, first.kind, first.t_from, steps_known, step, value, t_s, offset, known))
    last = made.begun
    for at, applied in launch.applied:
        last = max(last, second(at))
        made.applied.append(applied)
        made.applied_known.append(last)
    last = made.begun
    for at, progress in launch.progress:
        last = max(last, second(at))
        made.progress.append(progress)
        made.progress_known.append(last)
    newest: dict[str, float] = {}
    steps = {c.tag: c for c in made.columns}
    for at, lane, told in launch.told:
        t: float = second(at)
        loss = steps.get("loss") or steps.get("loss_mean")
        if not clocks.is_timed and told.step is not None and loss is not None and loss.t_from == "wall":
            t = float(loss.known[min(int(np.searchsorted(loss.step, told.step)), len(loss.known) - 1)])
        # the order of a lane stands; of lanes without times of arrival each has its own clock
        key = ALL if clocks.is_timed else lane
        last = newest[key] = max(newest.get(key, made.begun), t)
        made.told.append((lane, told))
        made.told_known.append(last)
    if not clocks.is_timed:
        order = sorted(range(len(made.told)), key=lambda i: made.told_known[i])
        made.told, made.told_known = [made.told[i] for i in order], [made.told_known[i] for i in order]
    last = made.begun
    for at, break_s in launch.breaks:
        last = max(last, second(at))
        made.breaks_t_s.append(break_s)
        made.breaks_known.append(last)
    return made

