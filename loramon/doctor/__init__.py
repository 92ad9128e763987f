"""What loramon can and cannot see on this machine, and why: one check a thing, each with what is to be done about it."""

from __future__ import annotations

from loramon.clock import Clock
from loramon.doctor.check import Check


def checkup(clock: Clock) -> list[Check]:
    """All checks, in the order in which they are told. Takes a few seconds at most, also where a driver hangs."""
    from loramon.doctor import gpu, machine

    return [*machine.own(), *gpu.gpus(clock), *machine.processes(), *machine.terminal(), *machine.files()]
