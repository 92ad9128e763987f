"""What happened to the sources themselves, for the status line and standard error: one line each, never a dead screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loramon.events import SourceEvent
from loramon.i18n import Language, message
from loramon.text import sanitise

NoticeKind = Literal["waiting", "appeared", "deleted", "rotated", "truncated", "replaced", "unreadable", "lost", "dropped",
                     "several-runs", "new-run", "clock", "switched-off", "ended", "nothing-read"]  # fmt: skip
REASONS = ("permission", "directory", "not-a-file", "binary")


@dataclass(frozen=True, slots=True)
class Notice:
    """One happening. `key` names the sentence in `messages.toml`, `numbers` its figures; `t_s` is Unix time.

    `standing`: it describes a state that lasts (waiting, unreadable, deleted) until the source is read again.
    """

    kind: NoticeKind
    source: str
    key: str
    t_s: float
    numbers: Mapping[str, object] = field(default_factory=dict)

    @property
    def standing(self) -> bool:
        return self.kind in ("waiting", "unreadable", "deleted")

    def text(self, lang: Language) -> str:
        """The sentence, sanitised: names of files are foreign text."""
        source = message("notice.stdin", lang) if self.source == "-" else self.source
        words = {name: message(f"job.{value}", lang) if name == "job_state" else value for name, value in self.numbers.items()}
        return sanitise(message(self.key, lang, source=source, **words))


def notices_of(event: SourceEvent, name: str, t_s: float) -> list[Notice]:
    """What to say of a source's event. `name`: what the user calls it."""
    change = event.change
    if change == "unreadable":
        if event.detail == "missing":
            return [Notice("waiting", name, "notice.waiting", t_s)]
        if event.detail in REASONS:
            return [Notice("unreadable", name, f"notice.unreadable-{event.detail}", t_s)]
        return [Notice("unreadable", name, "notice.unreadable", t_s, {"why": event.detail.removeprefix("error: ")})]
    if change == "dropped":
        return [Notice("dropped", name, "notice.dropped", t_s, {"n_bytes": event.n_bytes or 0})]
    if change == "stopped":
        return [Notice("switched-off", name, f"recording.stopped-{event.detail.partition(' ')[0]}", t_s)]
    said: list[Notice] = []
    if change in ("deleted", "rotated", "truncated", "replaced"):
        said.append(Notice(change, name, f"notice.{change}", t_s))
    if change in ("truncated", "replaced") and event.n_bytes:
        said.append(Notice("lost", name, "notice.lost", t_s, {"n_bytes": event.n_bytes}))
    if change == "ended":
        said.append(Notice("ended", name, "notice.ended", t_s))
    return said
