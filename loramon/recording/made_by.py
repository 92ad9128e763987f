"""What worked something out: the version, and the state of the code that reads and judges."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from loramon import __version__


@cache
def made_by() -> str:
    """Differs as soon as any module or text of loramon does: what was kept by another one is worked out anew."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted((*root.rglob("*.py"), *root.rglob("*.toml"))):
        status = path.stat()
        digest.update(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{__version__}+{digest.hexdigest()[:16]}"
