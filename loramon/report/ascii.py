"""Text for terminals and pipes that can only show ASCII."""

from __future__ import annotations

_ASCII = str.maketrans({"·": "|", "→": "->", "…": "...", "–": "-", "×": "x", "÷": "/", "≥": ">=", "≤": "<=", "“": '"', "”": '"', "’": "'"})


def to_ascii(text: str) -> str:
    """Signs that ASCII lacks become their nearest ASCII form, all others a question mark."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()
