"""`gpu-lost`: the driver says that a GPU is gone, or reports an Xid after which it is.

NVIDIA's Xid catalogue: 79 fallen off the bus, 119 and 120 the GPU's own processor does not answer. Other Xids are faults of
a program or are told by the trainer itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loramon.findings import Told

if TYPE_CHECKING:
    from loramon.detectors.base import Needs, TickView

ID = "gpu-lost"
FATAL_XIDS = (79, 119, 120)


class GpuLost:
    """Tells `gpu-lost` (critical) once. Numbers: `xid` where the driver gave one, `gpu_index`."""

    name = ID
    tells: tuple[str, ...] = (ID,)
    needs: Needs = "gpu"

    def __init__(self) -> None:
        self._n_seen = 0
        self._told = False

    def tick(self, t_s: float, view: TickView) -> list[Told]:
        """What is to be told at second `t_s` of the run, from `view` alone."""
        assert view.gpu_t_s is not None
        first, self._n_seen = min(self._n_seen, len(view.gpu_t_s)), len(view.gpu_t_s)
        if self._told or first == self._n_seen:
            return []
        lost, xid = (view.gpu.get(name, np.zeros(0))[first:] for name in ("lost", "xid"))
        rows = set(np.flatnonzero(lost == 1).tolist()) | set(np.flatnonzero(np.isin(xid, FATAL_XIDS)).tolist())
        if not rows:
            return []
        self._told = True
        row = first + min(rows)
        numbers: dict[str, object] = {}
        for name, shown in (("xid", "xid"), ("index", "gpu_index")):
            column = view.gpu.get(name)
            if column is not None and np.isfinite(column[row]):
                numbers[shown] = int(column[row])
        step = int(view.step[-1]) if len(view.step) else None
        return [Told(ID, "critical", step, t_s, step, numbers)]
