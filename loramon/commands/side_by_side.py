"""Many sources read on all cores, their reports printed in the order in which the sources were given."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

Read = Callable[[str, argparse.Namespace], tuple[int, str]]
"""Prints a report of the path, and returns its exit status and a word for it. A function of a module, to be sent over."""

_Batch = tuple[list[tuple[tuple[int, str], str, str]], Exception | None]

BATCH = 8
"""So many paths are sent to a process at once where there are many: sending one costs a tenth of reading a small log."""

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
    size = max(1, min(BATCH, len(paths) // (16 * n_cores)))
    gc.collect()
    gc.freeze()  # what is loaded stays shared: a collection in a process would touch, and so copy, all of it
    try:
        with ProcessPoolExecutor(min(n_cores, len(paths)), _context(), _leave_ctrl_c_to_the_parent) as pool:
            waiting: deque[Future[_Batch]] = deque()
            for first in range(0, len(paths), size):
                waiting.append(pool.submit(_captured, read, paths[first : first + size], args))
                while waiting and (waiting[0].done() or len(waiting) * size >= AHEAD):
                    for found in _printed(waiting.popleft()):
                        n_done += 1
                        yield found
            while waiting:
                for found in _printed(waiting.popleft()):
                    n_done += 1
                    yield found
    except BrokenProcessPool:
        yield from (read(path, args) for path in paths[n_done:])


def _context() -> multiprocessing.context.BaseContext:
    """`fork` where there is one: what is loaded already is loaded in all. Nothing here runs threads before."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else None)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _captured(read: Read, paths: Sequence[str], args: argparse.Namespace) -> _Batch:
    """What reading each of them gave and printed, up to the first that raised, and what it raised."""
    done: list[tuple[tuple[int, str], str, str]] = []
    for path in paths:
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                found = read(path, args)
        except Exception as error:
            return done, error
        done.append((found, out.getvalue(), err.getvalue()))
    return done, None


def _printed(future: Future[_Batch]) -> Iterator[tuple[int, str]]:
    done, error = future.result()
    for found, out, err in done:
        sys.stdout.write(out)
        sys.stdout.flush()
        sys.stderr.write(err)
        sys.stderr.flush()
        yield found
    if error is not None:
        raise error
