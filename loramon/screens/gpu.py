"""The GPUs: their figures now, and over the time of the run beside its seconds a step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from loramon.gpu_past import Floats, GpuPast
from loramon.gpu_view import GpuMoment, GpuView
from loramon.samples import GpuSample
from loramon.screens.page import Page
from loramon.screens.rows import Row, cells, fitting, flush, hanging, tail
from loramon.screens.snapshot import Snapshot
from loramon.screens.words import Words
from loramon.units import format_duration_s
from loramon.widgets.gpu_rows import card_rows, card_title, host_rows, label_cells, tile_rows, why_not
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.lines import Lines
from loramon.widgets.pager import Pager
from loramon.widgets.time_graph import graph_rows, labelled
from loramon.widgets.title import Title

TILE_CELLS = 38
MAX_GRAPH_ROWS = 6


class GpuScreen(Page):
    """`chosen`: the number of the card whose figures are shown, None for the run's first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.back", show=False),
        Binding("up,left,k,p", "choose(-1)", show=False),
        Binding("down,right,j,n", "choose(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.chosen: int | None = None
        self._cards: tuple[GpuSample, ...] = ()

    def compose(self) -> ComposeResult:
        say = self.words.say
        yield Title(id="title")
        yield Lines(id="notice")
        yield Pager(id="body", max_width=1000)
        yield KeyBar([("Esc", say("key-back"), "app.back"), ("n", say("gpu.choose"), "screen.choose(1)"), ("PgDn", say("key-scroll"), "screen.page(1)"),
                      ("?", say("key-help"), "app.page('help')"), ("q", say("key-quit"), "app.quit")], id="keys")  # fmt: skip

    def update(self, shot: Snapshot) -> None:
        say, moment = self.words.say, shot.gpus
        self._cards = moment.cards
        mode: Row = ((say("recording"), "bold"),) if shot.is_recording else ()
        if moment.age_s is not None:
            mode = ((say("gpu.stale-why", age_s=moment.age_s), "bold $warning"),)
        self.query_one("#title", Title).say(((say("gpu.title"), "bold"), (f" · {tail(shot.name, max(12, self.size.width // 4))}", "$muted")), mode)
        body = self.query_one("#body", Pager)
        view, height, ascii_only = self.dashboard.session.gpus, body.size.height or self.size.height - 2, self.dashboard.look.ascii
        chosen = self._chosen(moment)
        body.fill(lambda width: page_rows(moment, chosen, view, shot, self.words, (width, height), ascii_only))

    def _chosen(self, moment: GpuMoment) -> int:
        """Place among the cards."""
        if self.chosen is None or not 0 <= self.chosen < len(moment.cards):
            return moment.cards.index(moment.own[0]) if moment.cards else 0
        return self.chosen

    def action_choose(self, by: int) -> None:
        if len(self._cards) > 1:
            now = self.chosen if self.chosen is not None else self._chosen(self.dashboard.session.gpu_moment())
            self.chosen = (now + by) % len(self._cards)
            self.dashboard.redraw(anew=True)

    def action_page(self, pages: int) -> None:
        self.query_one("#body", Pager).scroll_pages(pages)


def page_rows(moment: GpuMoment, chosen: int, view: GpuView, shot: Snapshot, words: Words, size: tuple[int, int], ascii_only: bool) -> list[Row]:
    """The page: tiles where there are several cards, the figures of the chosen one, its past in what room is left."""
    width, height = size
    say = words.say
    if not moment.cards:
        return no_card_rows(moment, words, width)
    card = moment.cards[chosen]
    rows = tiles(moment.cards, chosen, words, width) if len(moment.cards) > 1 else []
    if rows:
        rows.append(())
    title, own = card_title(card, words)
    rows.append(flush(((" ", ""), *title), (*own, (" ", "")), width))
    rows += card_rows(card, words, width)
    if moment.host is not None:
        rows += host_rows(moment.host, words, width)
    rows += time_rows(shot, words, width)
    past = view.past.get(card.index if card.index is not None else -1)
    if past is not None:
        room = height - len(rows)
        rows += past_rows(past, view, words, (width, max(room, 6)), ascii_only)
    return rows if rows else [((say("gpu.nothing-yet"), "$muted"),)]


def no_card_rows(moment: GpuMoment, words: Words, width: int) -> list[Row]:
    """Why there is nothing to show."""
    if not moment.is_asked:
        return [*hanging(words.say("gpu.no-telemetry-here"), width, "", " "), *hanging(words.say("gpu.no-telemetry-hint"), width, "$muted", " ")]
    said = words.say("gpu.none", why=why_not(moment, words)) if moment.why else words.say("gpu.looking")
    rows = hanging(said, width, "", " ")
    return rows + host_rows(moment.host, words, width) if moment.host is not None else rows


def tiles(cards: tuple[GpuSample, ...], chosen: int, words: Words, width: int) -> list[Row]:
    """All cards, as many beside each other as fit."""
    n = max(1, min(len(cards), width // TILE_CELLS))
    each = width // n
    rows: list[Row] = []
    for first in range(0, len(cards), n):
        beside = [tile_rows(card, words, each - 2, first + i == chosen) for i, card in enumerate(cards[first : first + n])]
        for parts in zip(*beside, strict=True):
            row: list[tuple[str, str]] = []
            for part in parts:
                row += [*part, (" " * max(0, each - cells(part)), "")]
            rows.append(tuple(row))
    return rows


def time_rows(shot: Snapshot, words: Words, width: int) -> list[Row]:
    """Where the time went, by phase, the longest first."""
    phases = {name: value for name, value in shot.d["time"]["by_phase_s"].items() if isinstance(value, (int, float)) and value > 0}
    whole = sum(phases.values())
    if not phases:
        return []
    parts: list[Row] = []
    for place, (name, value) in enumerate(sorted(phases.items(), key=lambda each: -each[1])):
        key = "time-share" if place and place == 1 else "time-phase"
        parts.append(((words.say(f"gpu.{key}", phase=words.say(f"phase.{name}"), lasted=format_duration_s(value), whole=format_duration_s(whole)), ""),))
    lead = words.say("gpu.time")
    gap = " " * (label_cells(words) - cell_len(lead))
    return [((" ", ""), (lead + gap, "$muted"), ("  ", ""), *fitting(parts, width - label_cells(words) - 4))]


def past_rows(past: GpuPast, view: GpuView, words: Words, size: tuple[int, int], ascii_only: bool) -> list[Row]:
    """Graphs over the same time: how full, how busy, how much power, how slow. One that has no value is left out."""
    width, height = size
    say = words.say
    graphs: list[tuple[str, Floats, Floats, float, str]] = []
    for field, key in (("memory_pct", "memory"), ("utilization_gpu_pct", "compute"), ("power_pct", "power")):
        t_s, values = past.curve(field)
        graphs.append((say(f"gpu.{key}"), t_s, values, 100.0, "0–100 %"))
    t_s, values = past.curve("memory_shared_bytes")
    if np.nanmax(values, initial=0.0) > 0:
        top = float(np.nanmax(values))
        graphs.append((say("gpu.shared"), t_s, values, top, f"0–{top / (1 << 30):.1f} GiB"))
    t_s, values = view.pace.curve()
    if len(values):
        top = float(values.max())
        graphs.append((say("gpu.pace"), t_s, values, top, f"0–{top:.3g}"))
    graphs = [graph for graph in graphs if np.isfinite(graph[2]).any()]
    times = [t for graph in graphs for t in (graph[1][0], graph[1][-1])]
    if not graphs or max(times) <= min(times):
        return []
    each = min(MAX_GRAPH_ROWS, (height - 1) // len(graphs))
    if each < 1:
        each = 1
    span, names = (min(times), max(times)), label_cells(words)
    rows: list[Row] = []
    for label, t_s, values, top, scale in graphs:
        drawn = graph_rows(t_s, values, span, (width - names - 4, each), top, ascii_only)
        rows += labelled(label, scale, drawn, names)
    ago = say("gpu.ago", time=format_duration_s(span[1] - span[0]))
    return [*rows, flush(((" " * (names + 3), ""), (ago, "$muted")), ((say("gpu.now"), "$muted"), (" ", "")), width)]
