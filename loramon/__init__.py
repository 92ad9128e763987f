"""loramon: the doctor for LoRA training. Importing it is instant; what it offers is loaded on first use."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
"""Type checkers take it for True; importing `typing` would cost as much as all the rest of an import of loramon."""

if TYPE_CHECKING:
    from loramon.diagnosing import diagnose
    from loramon.diagnosis import Diagnosis
    from loramon.sources.scalars import Scalars, ScalarSet, read_scalars

__all__ = ["Diagnosis", "ScalarSet", "Scalars", "__version__", "diagnose", "read_scalars"]

_HOME = {
    "diagnose": "loramon.diagnosing",
    "Diagnosis": "loramon.diagnosis",
    "read_scalars": "loramon.sources.scalars",
    "ScalarSet": "loramon.sources.scalars",
    "Scalars": "loramon.sources.scalars",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'loramon' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
