"""`diagnose --json`: one object a line, ASCII only, so that nothing in it can act on a terminal."""

from __future__ import annotations

import json
from typing import Any

from loramon.errors import UserError


def line(diagnosis: dict[str, Any]) -> str:
    """The object of the contract on one line. Non-finite numbers were made words before (`plain`)."""
    return json.dumps(diagnosis, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def error_line(schema: str, source: str, error: UserError) -> str:
    """The object of a source that could not be read."""
    return json.dumps({"schema": schema, "source": source, "error": {"code": error.code, "message": error.message}}, ensure_ascii=True)
