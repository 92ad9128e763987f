"""Where in the log the findings' evidence stands: rows that can be jumped to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loramon.events import SEVERITIES
from loramon.log_view import LogView


def row_of(evidence: dict[str, Any], log: LogView, sources: Iterable[str]) -> int | None:
    """Number of the row that shows this evidence; None where it stands in no log, or is no longer held.

    Evidence names no source: where there is one log the byte decides (a line may hold a bar and what came after it),
    where there are several the line does, in the first log that has it.
    """
    if evidence["line"] is None:
        return None
    names = list(sources)
    if len(names) == 1 and evidence["offset"] is not None:
        return log.row_of_offset(evidence["offset"], names[0])
    return log.row_of_line(evidence["line"])


def alarm_rows(findings: Iterable[dict[str, Any]], log: LogView, sources: Iterable[str]) -> dict[int, str]:
    """Rows that warnings and worse rest on, each with the gravest severity: what `]` and `[` jump between."""
    names = list(sources)
    rows: dict[int, str] = {}
    for finding in findings:
        if finding["severity"] == "note":
            continue
        for evidence in finding["evidence"]:
            row = row_of(evidence, log, names)
            if row is not None:
                held = rows.get(row, "note")
                rows[row] = max(held, finding["severity"], key=SEVERITIES.index)
    return rows
