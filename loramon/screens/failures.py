"""Errors of ours while the dashboard runs: counted by part, kept in a private file, said in one sentence."""

from __future__ import annotations

from loramon.screens.crash import write_crash
from loramon.screens.words import Words, clean

MAX_FAILURES = 10
"""So many errors in one part, and it is no longer tried."""


class Failures:
    """Which parts failed, and how often."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._n: dict[str, int] = {}

    def is_given_up(self, what: str) -> bool:
        """The part failed too often to be tried again."""
        return self._n.get(what, 0) >= MAX_FAILURES

    def add(self, what: str, error: Exception) -> str:
        """Counts an error of a part; what is to be said of it, empty where it was said before."""
        self._n[what] = self._n.get(what, 0) + 1
        if self._n[what] == 1:
            path = write_crash(what, error)
            key, about = ("trouble-file", {"path": clean(path)}) if path is not None else ("trouble", {})
            return self._words.say(key, what=what, error=clean(f"{type(error).__name__}: {error}", 120), **about)
        if self._n[what] == MAX_FAILURES and what == "pump":
            return self._words.say("stopped-reading")
        return ""

    def __bool__(self) -> bool:
        return bool(self._n)
