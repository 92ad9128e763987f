"""A bar of progress as a row: a thick rule for what is done, a thin one for what is left."""

from __future__ import annotations

from loramon.screens.rows import Row


def gauge(share: float, width: int, style: str = "$primary") -> Row:
    """A bar `width` cells wide, filled to `share` (0 to 1) in half cells."""
    halves = int(min(1.0, max(0.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    done = "━" * full + ("╸" if half else "")
    return ((done, style), ("─" * (width - len(done)), "$faint"))
