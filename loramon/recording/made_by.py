"""What worked something out: the version, and the state of the code that reads and judges."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

from loramon import __version__


@cache
def made_by() -> str:
    """Differs as soon as any module or text of loramon does: what was kept by another one is worked out anew."""
    root = Path(__file__).parents[1]
    digest = 0  # nobody tries to be taken for another version
    for path in sorted((*root.rglob("*.py"), *root.rglob("*.toml"))):
        status = path.stat()
        digest = zlib.crc32(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n".encode(), digest)
    return f"{__version__}+{digest:08x}"
