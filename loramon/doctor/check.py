"""The result of one check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["ok", "limited", "absent", "broken"]
"""`limited`: works, but not everything is seen. `absent`: not here, and the rest goes on. `broken`: loramon cannot work so."""


@dataclass(frozen=True, slots=True)
class Check:
    """`name`: what was looked at, the words `doctor.title-NAME`. `said`: what was found, `remedy`: what to do about it, both
    keys of messages (the latter may be empty); `numbers` are their figures, and foreign words among them."""

    name: str
    state: State
    said: str
    numbers: Mapping[str, object] = field(default_factory=dict)
    remedy: str = ""
