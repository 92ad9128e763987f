"""The tables of a past: metrics by step, telemetry by time, alarms as they were told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loramon.recording.past import Past, PastColumn, PastLaunch
from loramon.text import sanitise

if TYPE_CHECKING:
    from loramon.replaying import ReplaySession


@dataclass
class Table:
    """Columns of equal length, in order. None: the record lacks the value; NaN is one."""

    columns: dict[str, list[Any]]

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def metrics(past: Past) -> Table:
    """A row for each record of each launch: `launch` (from 1), `step`, `t_s` (seconds into the recording), then each tag's
    value. A step that was run again has a row each time. Values that a record lacks are None."""
    parts = [_launch(i, launch) for i, launch in enumerate(past.launches, 1) if launch.columns]
    names = list(dict.fromkeys(name for part in parts for name in part))
    return Table({name: [value for part in parts for value in part.get(name) or [None] * len(part["step"])] for name in names})


def _launch(number: int, launch: PastLaunch) -> dict[str, list[Any]]:
    wanted = [c for c in launch.columns if c.tag != "step" and len(c.step)]
    keys = np.unique(np.concatenate([_keys(c) for c in wanted])) if wanted else np.zeros(0, np.int64)
    t_s = np.full(len(keys), np.nan)
    columns: dict[str, Any] = {}
    for column in wanted:
        at = np.searchsorted(keys, _keys(column))
        values = np.full(len(keys), None, object)
        values[at] = column.value
        name = column.tag if column.tag not in columns else f"{column.tag} ({sanitise(column.source)})"
        columns[name] = values
        unknown = np.isnan(t_s[at])
        t_s[at[unknown]] = column.known[unknown]
    head = {"launch": np.full(len(keys), number), "step": keys & ((1 << TURN_BITS) - 1), "t_s": t_s.round(3)}
    return {name: values.tolist() for name, values in (head | columns).items()}


TURN_BITS = 48


def _keys(column: PastColumn) -> Any:
    """Step and how often the steps had gone back by then as one number that sorts as the rows stand."""
    return (_turns(column) << TURN_BITS) | np.clip(column.step, 0, (1 << TURN_BITS) - 1)


def _turns(column: PastColumn) -> Any:
    """How often the steps had gone back by each row: 0 for the first time through."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(np.diff(column.step) < 0)))


def telemetry(past: Past) -> Table:
    """A row for each sample: `kind` (`gpu`, `host`), `time_s` (Unix), `t_s` (into the recording), then every field that was read."""
    names = list(dict.fromkeys(name for held in past.samples.values() for name, values in held.columns.items() if np.isfinite(values).any()))
    out: dict[str, list[Any]] = {name: [] for name in ("kind", "time_s", "t_s", *names)}
    for kind, held in past.samples.items():
        out["kind"] += [kind] * len(held.t_s)
        out["time_s"] += held.t_s.tolist()
        out["t_s"] += (held.t_s - (past.started_s or 0.0)).round(3).tolist()
        for name in names:
            values = held.columns.get(name)
            out[name] += [None if v != v else v for v in values.tolist()] if values is not None else [None] * len(held.t_s)
    return Table(dict(out))


def alarms(session: ReplaySession) -> Table:
    """A row for each alarm: what, how grave, of which step, when a watcher was told."""
    sights = session.sights.alarms
    return Table({
        "id": [a.id for a in sights], "severity": [a.severity for a in sights], "step": [a.step for a in sights],
        "told_step": [a.told_step for a in sights], "told_t_s": [round(a.t, 3) for a in sights],
        "before_end_s": [round(session.end_s - a.t, 3) for a in sights],
    })  # fmt: skip


def csv_lines(table: Table) -> Iterator[str]:
    """RFC 4180 lines; nan, inf as such, nothing where a record lacks a value."""
    import csv
    import io

    names = list(table.columns)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    for i, row in enumerate(zip(*table.columns.values(), strict=True)):
        writer.writerow(["" if value is None else repr(value) if isinstance(value, float) else _cell(value) for value in row])
        if i % 4096 == 4095:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: object) -> object:
    """Text of strangers that a spreadsheet would run as a formula is quoted (OWASP, CSV injection)."""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@") else value
