"""Runs loramon as a user does: another process, its status, what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NEUTRAL = ("LORAMON_LANG", "NO_COLOR", "TERM", "LC_ALL", "LANG", "PYTHONIOENCODING", "PYTHONUTF8", "COLUMNS", "FORCE_COLOR",
           "LORAMON_CONFIG")  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How it ended. `out`, `err`: bytes, as a terminal or a pipe would get them."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def said(self) -> str:
        return self.err.decode()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment without what changes texts and colours."""
    env = {k: v for k, v in os.environ.items() if k not in NEUTRAL}
    return env | {"LANG": "C.UTF-8", "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)} | more


def loramon(*args: str | Path, given: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    """`loramon ARGS` with these bytes as standard input."""
    return python("-m", "loramon", *args, given=given, env=env, cwd=cwd)


def python(*args: str | Path, given: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    done = subprocess.run(
        [sys.executable, *map(str, args)], input=given, capture_output=True, env=environment(**(env or {})), cwd=cwd, timeout=120
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def assert_one_line(text: str) -> str:
    """One clear line for a user's mistake, and no traceback."""
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]
