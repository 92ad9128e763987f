"""Which parts of the engine are switched off, and why: one that raised, and one that took too long too often."""

from __future__ import annotations

from typing import Protocol

from loramon.run import Run

OVERRAN = "overran"
"""Why, in `Run.off`, where it was no error: it took too long too often."""


class Meter(Protocol):
    """Measures parts while `watching`. Whoever runs the engine live has a clock for it; the engine has none."""

    @property
    def watching(self) -> bool: ...

    def begin(self) -> float: ...

    def overran(self, name: str, began_s: float) -> bool:
        """What this part took since `began_s` was too long, and has been too often."""
        ...


class Switches:
    """The switches of one engine. `slow`: names of parts that stay off in later launches too."""

    def __init__(self) -> None:
        self.meter: Meter | None = None
        self.slow: set[str] = set()

    def launch(self, run: Run) -> None:
        """A new launch begins: what is off for good is said of it too."""
        run.off.update(dict.fromkeys(self.slow, OVERRAN))

    def begin(self) -> float | None:
        """The reading to hand to `overran`; None where nothing is measured."""
        return self.meter.begin() if self.meter is not None and self.meter.watching else None

    def overran(self, run: Run, name: str, began_s: float | None) -> bool:
        """This part took too long too often and is off from now on."""
        if began_s is None or self.meter is None or not self.meter.overran(name, began_s):
            return False
        self.slow.add(name)
        run.off[name] = OVERRAN
        return True


def raised(run: Run, name: str, error: Exception) -> None:
    """This part raised, and is off in this launch."""
    run.off[name] = f"{type(error).__name__}: {error}"
