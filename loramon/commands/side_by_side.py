"""Many sources read on all cores, their reports printed in the order in which the sources were given."""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

Read = Callable[[str, argparse.Namespace], tuple[int, str]]
"""Prints a report of the path, and returns its exit status and a word for it. A function of a module, to be sent over."""

AHEAD = 64
"""So many reports may wait for the one before them: a folder of a million logs is not held in memory."""


def printed_by_all(read: Read, paths: Sequence[str], args: argparse.Namespace) -> Iterator[tuple[int, str]]:
    """What `read` returns for each path, after what it prints was printed here. Raises what `read` raises.

    A process that dies (killed for memory, say) costs no report: what is left is read here, one after the other.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if min(n_cores, len(paths)) < 2:
        yield from (read(path, args) for path in paths)
        return
    n_done = 0
    try:
        with ProcessPoolExecutor(min(n_cores, len(paths)), _context(), _leave_ctrl_c_to_the_parent) as pool:
            waiting: list[Future[tuple[tuple[int, str], str, str]]] = []
            for path in paths:
                waiting.append(pool.submit(_captured, read, path, args))
                while waiting and (waiting[0].done() or len(waiting) >= AHEAD):
                    yield _printed(waiting.pop(0))
                    n_done += 1
            while waiting:
                yield _printed(waiting.pop(0))
                n_done += 1
    except BrokenProcessPool:
        yield from (read(path, args) for path in paths[n_done:])


def _context() -> multiprocessing.context.BaseContext:
    """`fork` where there is one: what is loaded already is loaded in all. Nothing here runs threads before."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else None)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _captured(read: Read, path: str, args: argparse.Namespace) -> tuple[tuple[int, str], str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = read(path, args)
    return found, out.getvalue(), err.getvalue()


def _printed(done: Future[tuple[tuple[int, str], str, str]]) -> tuple[int, str]:
    found, out, err = done.result()
    sys.stdout.write(out)
    sys.stdout.flush()
    sys.stderr.write(err)
    sys.stderr.flush()
    return found
