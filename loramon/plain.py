"""Values as JSON can hold them."""

from __future__ import annotations

import math


def plain(value: object) -> object:
    """A value that JSON can hold: non-finite numbers as words, whole floats as they are."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float) or hasattr(value, "item"):
        number = float(value)  # type: ignore[arg-type]
        if math.isnan(number):
            return "nan"
        return number if math.isfinite(number) else "inf" if number > 0 else "-inf"
    return str(value)


def plain_tree(value: object) -> object:
    """`plain` for what lists and dictionaries hold."""
    if isinstance(value, dict):
        return {key: plain_tree(below) for key, below in value.items()}
    return [plain_tree(below) for below in value] if isinstance(value, list) else plain(value)
