"""Runs a command in the tests' own process: the same as in another one, in milliseconds. Standard output is a pipe then."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from unittest import mock

from shell import Ended

from loramon.cli import main


def command(*args: str | Path, given: bytes = b"") -> Ended:
    """`loramon ARGS` with these bytes as standard input. What raises through `main` fails the test."""
    out, err = io.BytesIO(), io.BytesIO()
    with (
        mock.patch.object(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8", write_through=True)),
        mock.patch.object(sys, "stderr", io.TextIOWrapper(err, encoding="utf-8", write_through=True)),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given))),
    ):
        try:
            status = main([str(a) for a in args])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        return Ended(status, out.getvalue(), err.getvalue())
