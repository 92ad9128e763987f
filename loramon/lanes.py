"""A lane is one source on its way through the engine: its reader, and the scans that run on its series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from loramon.catalogue.match import Catalogue
from loramon.event_tags import hides_nan, tag_of, trainer_of
from loramon.events import Batch, Chunk, Progress, Rows
from loramon.lines import Lines
from loramon.parsers.log import LogParser
from loramon.parsers.taught import Taught
from loramon.sources.tfevents import EventFile, ScalarColumns

MAX_STEP = 1 << 48


class LogLane:
    """A log: bytes to lines to batches."""

    def __init__(self, source: str, catalogue: Catalogue, formats: tuple[Taught, ...] = ()) -> None:
        self.source = source
        self.lines = Lines()
        self.parser = LogParser(source, catalogue, formats)

    def feed(self, chunk: Chunk) -> Iterator[Batch]:
        for region in self.lines.feed(chunk):
            yield from self.parser.feed(region)

    def finish(self) -> Iterator[Batch]:
        for region in self.lines.finish():
            yield from self.parser.feed(region)
        yield from self.parser.finish()

    def quiet(self) -> Iterator[Batch]:
        yield from self.parser.quiet()

    def provisional(self) -> Progress | None:
        """What the newest redraw of the bar says, before the next one confirms it."""
        return self.parser.provisional(self.lines.waiting)


class EventsLane:
    """The event files of one run's folder. Chunks name the file; files are read in the order of their names."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.files: dict[str, EventFile] = {}
        self._kinds: dict[str, tuple[str, str]] = {}
        self._named: dict[str, str] = {}
        self.tags: set[str] = set()

    def feed(self, chunk: Chunk) -> Iterator[Batch]:
        reader = self.files.get(chunk.source)
        if reader is None:
            reader = self.files[chunk.source] = EventFile(chunk.source)
        columns = reader.feed(chunk.data)
        if columns:
            yield self._batch(columns)

    def take(self, columns: Sequence[ScalarColumns]) -> Iterator[Batch]:
        """Columns that were read elsewhere."""
        if columns:
            yield self._batch(list(columns))

    def finish(self) -> Iterator[Batch]:
        return iter(())

    def quiet(self) -> Iterator[Batch]:
        return iter(())

    @property
    def n_corrupt(self) -> int:
        return sum(f.n_corrupt for f in self.files.values())

    def _batch(self, columns: list[ScalarColumns]) -> Batch:
        batch = Batch(self.source)
        steps: ScalarColumns | None = None
        columns = [kept for c in columns if len((kept := _believable(c)).step)]
        self.tags |= {c.tag for c in columns}
        for column in columns:
            tag = tag_of(column.tag)
            # by its first record alone, since nothing may depend on how many of them came together
            kind = "step" if tag.kind == "interval" and int(column.step[0]) in (0, 1) else tag.kind
            # `lr/unet` and `lr/textencoder` are both a learning rate: the first one is it, columns never mix
            name = tag.name if self._named.setdefault(tag.name, column.tag) == column.tag else column.tag
            first = self._kinds.setdefault(column.tag, (name, kind))
            if hides_nan(column.tag):
                batch.nan_hidden = True
            batch.rows.append(Rows(first[0], first[1], column.step, column.value, column.wall_time, column.offset, "wall"))  # type: ignore[arg-type]
            if first[0] == "loss" and steps is None:
                steps = column
        if steps is not None:
            batch.rows.insert(0, Rows("step", "step", steps.step, steps.step.astype(np.float64), steps.wall_time, steps.offset, "wall"))
            last = int(steps.step[-1])
            batch.progress = Progress(step=last if last >= 0 else None)
        if len(self.tags) and "loss" in {k[0] for k in self._kinds.values()}:
            batch.trainer = trainer_of(self.tags)
        return batch


def _believable(column: ScalarColumns) -> ScalarColumns:
    """Without the steps that no training reaches: they are damage, and sums of them would overflow."""
    good = (column.step > -MAX_STEP) & (column.step < MAX_STEP)
    return column if good.all() else ScalarColumns(
        column.tag, column.step[good], column.wall_time[good], column.value[good], column.offset[good]
    )
