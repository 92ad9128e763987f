"""Lets a benchmark's processes start as an installed loramon does: with its modules compiled.

Where PYTHONDONTWRITEBYTECODE is set (images for containers often set it), an editable checkout is compiled anew at every
start, which a user's installation never is: it doubles the time to the first words.
"""

from __future__ import annotations

import compileall
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def as_installed() -> None:
    """Compiles the package and lets this process's children use what is compiled."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(ROOT / "loramon", quiet=1)
