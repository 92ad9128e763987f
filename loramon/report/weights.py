"""What a LoRA file is, as lines of a report."""

from __future__ import annotations

from typing import Any, Protocol

from loramon.text import sanitise
from loramon.units import format_bytes


class Say(Protocol):
    """A message in the page's language."""

    def __call__(self, key: str, **numbers: object) -> str: ...


def weights_lines(w: dict[str, Any], say: Say) -> list[str]:
    """The file's kind, size, rank and scale, and how large its changes are. `w`: `weights` of `diagnose --json`."""
    dtypes = _joined(f"{sanitise(name)} {n}" if len(w["dtypes"]) > 1 else sanitise(name) for name, n in w["dtypes"].items())
    size = format_bytes(w["size_bytes"])
    if w["kind"] == "model":
        lines = [say("weights.model", n=w["n_tensors"], dtypes=dtypes, size=size)]
    else:
        networks = _joined(f"{say(f'weights.{name}-network')} {n}" for name, n in w["modules_by_network"].items())
        lines = [say("weights.adapter", kind=w["network_type"] or "?", n=w["n_modules"], networks=networks, dtypes=dtypes, size=size)]
        if w["scales"]:
            lines.append(say("weights.rank", ranks=_joined(w["ranks"]), alphas=_joined(w["alphas"]), scales=_joined(f"{s:.4g}" for s in w["scales"])))
        elif w["ranks"]:
            lines.append(say("weights.rank-only", ranks=_joined(w["ranks"])))
        if w["change_rms"]:
            lines.append(say("weights.change", changes=_joined(f"{say(f'weights.{k}-network')} {v:.3g}" for k, v in w["change_rms"].items())))
    if not w["n_not_finite"] and not w["n_missing_bytes"] and not w["not_decoded"]:
        lines.append(say("weights.sound"))
    if w["not_decoded"]:
        lines.append(say("weights.not-decoded", dtypes=_joined(f"{sanitise(k)} {n}" for k, n in w["not_decoded"].items())))
    return lines


def _joined(parts: Any) -> str:
    return ", ".join(f"{p:g}" if isinstance(p, float) else str(p) for p in parts)
