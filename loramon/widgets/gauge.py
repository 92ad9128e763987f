"""A bar of progress as a row, in eighths of a cell."""

from __future__ import annotations

from loramon.screens.rows import Row

_EIGHTHS = " ▏▎▍▌▋▊▉"


def gauge(share: float, width: int, style: str = "$primary") -> Row:
    """A bar `width` cells wide, filled to `share` (0 to 1)."""
    share = min(1.0, max(0.0, share))
    eighths = int(share * width * 8)
    full, rest = divmod(eighths, 8)
    part = _EIGHTHS[rest] if rest else ""
    empty = width - full - len(part)
    return (("█" * full + part, f"{style} on $faint" if part else style), (" " * empty, "on $faint"))
