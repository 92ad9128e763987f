"""Failure texts that trainers, libraries, launchers and schedulers are known to print: data, and one matcher.

The data are the `*.toml` files here, read in the order of `match.FILES`; within and across them order is meaning,
specific before generic. One `[[row]]`:

- `name`: unique, kebab-case. `id`: the finding id; `severity`: where it differs from the id's usual one.
- `where`: `exception`, matched on an exception's class and message, or `line`, on one stand-alone record.
- `exception`: class names, the last dotted part as printed.
- `frame`: pattern that the innermost `File "…"` frame must hold, where the place tells more than the words.
- `pattern`: begins with `^`, so a caption, prompt or path that merely holds such words does not match. Named groups
  become numbers; `path_2` is a further alternative of `path`.
- `literal`: fixed text, or several of which one must occur: the cheap filter. Empty (exceptions only): no filter.
- `wrapper`: reports another process's failure, so never the cause; `echo`: a mere consequence among ranks.
- `fatal` (default true): ends the run. `harmless`: nothing bad, or survived.
- `traceback`: a traceback that belongs to this line and ended nothing `follows` it or `precedes` it.
- `anatomy`: read the memory figures off the message (`oom.anatomy`). `facts`: fixed numbers.
- `source`: the source line that prints the text, with file and version; a row without one is refused.
- `example`, `example_frames`, `not`: texts that must and must not match (`Class: message` for exceptions).
- `note`: what a reader of the row should know.
"""

from __future__ import annotations

from loramon.catalogue.ids import FINDING_IDS
from loramon.catalogue.match import Catalogue, Match, Row, load

__all__ = ["FINDING_IDS", "Catalogue", "Match", "Row", "load"]
