"""What an exit status says of a run: the same happenings as a log's own words, for the same judgement."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from loramon.events import End, Fact, Failure, Place, ProcessEvent

INTERRUPT = 2
FULL_BYTES = 1 << 16
"""With less left on the disk of its output a job had no room for its last words."""


def said_by_status(event: ProcessEvent, place: Place) -> Iterator[Fact | Failure | End]:
    """The happenings of a process that was seen to exit. Nothing for one that ended in order: its log says what it reached."""
    code, number = event.exit_code, event.signal
    if number is None and code is not None and 128 < code < 160:
        number, code = code - 128, code  # as a shell passes a signal on
    if code is not None:
        yield Fact("exit_code", code, place)
    if number is None:
        if code:
            text = f"exit status {code}"
            if event.output_free_bytes is not None and event.output_free_bytes < FULL_BYTES:
                told = f"{text}; {event.output_free_bytes} bytes were left on the disk of its output"
                yield Failure("disk-full", "exit-status-disk-full", "critical", place, told, wrapper=True, numbers={"exit_code": code})
            yield Failure("crash-unknown", "exit-status", "critical", place, text, wrapper=True, numbers={"exit_code": code})
            yield End("exited", place, text, exit_code=code)
        return
    yield Fact("signal", number, place)
    text = f"ended by {name_of(number)}"
    if number == INTERRUPT:
        yield End("interrupted", place, text, signal=number)
    elif event.n_oom_kills:
        yield Failure("oom-ram", "exit-status", "critical", place, f"{text}; the kernel killed {event.n_oom_kills} for want of memory (cgroup oom_kill)",
                      numbers={"signal": number, "n_oom_kills": event.n_oom_kills})  # fmt: skip
    else:
        yield Failure("killed", "exit-status", "critical", place, text, numbers={"signal": number})


def name_of(number: int) -> str:
    """`SIGKILL (signal 9)`."""
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"
