"""`oom-ram` while the run goes on: the kernel killed a process of its control group for want of memory.

`oom_kill` of cgroup v2's memory.events (Linux kernel, admin-guide/cgroup-v2). A data loader's worker may be the one that
dies, and the training waits for it for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, TickView

ID = "oom-ram"


class OomRam:
    """Tells `oom-ram` (critical) at each rise. Numbers: `n_oom_kills` since the readings began."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = "host"

    def __init__(self) -> None:
        self._n_seen = 0
        self._first: float | None = None
        self._told = False

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        if view.host_t_s is None or self._told:
            return []
        first, self._n_seen = min(self._n_seen, len(view.host_t_s)), len(view.host_t_s)
        kills = view.host.get("n_oom_kills", np.zeros(0))[first:]
        kills = kills[np.isfinite(kills)]
        if not len(kills):
            return []
        if self._first is None:
            self._first = float(kills[0])  # what was killed before this run is not its own
        n = int(kills.max() - self._first)
        if n <= 0:
            return []
        self._told = True
        step = int(view.step[-1]) if len(view.step) else None
        return [Told(ID, "critical", step, t_s, step, {"n_oom_kills": n})]
