"""A replay on the dashboard: the overview as it was at the cursor, and all curves with the cursor through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize

from loramon.replaying import ReplaySession
from loramon.screens.curve import NAN_IDS
from loramon.screens.main import MainScreen
from loramon.screens.page import Page
from loramon.screens.rows import Row, fit
from loramon.screens.snapshot import Snapshot
from loramon.units import format_bytes, format_count, format_number, format_pct, format_step_time_s
from loramon.widgets.chart_data import ChartData, Floats, Mark, MarkKind
from loramon.widgets.cursor_chart import CursorChart
from loramon.widgets.key_bar import KeyBar
from loramon.widgets.log_pane import LogPane
from loramon.widgets.scrub_bar import ScrubBar
from loramon.widgets.title import Title

if TYPE_CHECKING:
    from loramon.recording.past import Past

SHARE, BIG_SHARE = 0.01, 0.1
"""Of the whole recording: how far an arrow goes, and one with Shift."""

MIN_STRIP_ROWS, MAX_STRIP_ROWS = 5, 9
LOG_ROWS = 4
FEW_ROWS = 4096

KEYS: list[BindingType] = [
    Binding("space", "play", show=False),
    Binding("left", "move(-1)", show=False),
    Binding("right", "move(1)", show=False),
    Binding("shift+left", "leap(-1)", show=False),
    Binding("shift+right", "leap(1)", show=False),
    Binding("comma", "step(-1)", show=False),
    Binding("full_stop", "step(1)", show=False),
    Binding("home", "to(0)", show=False),
    Binding("end", "to(1)", show=False),
    Binding("n", "next_alarm(1)", show=False),
    Binding("p,N", "next_alarm(-1)", show=False),
    Binding("less_than_sign,minus", "speed(-1)", show=False),
    Binding("greater_than_sign,plus", "speed(1)", show=False),
    Binding("r", "curves", show=False),
]


class ReplayPage(Page):
    """The keys that move the cursor, and the bar that shows it."""

    @property
    def replay(self) -> ReplaySession:
        return cast(ReplaySession, self.dashboard.session)

    def scrub_bar(self) -> ScrubBar:
        """The bar, to be mounted."""
        return ScrubBar(self.words, self.dashboard.look.ascii, self.seek, id="scrub")

    def seek(self, second: float) -> None:
        self.replay.seek(second)
        self.dashboard.redraw(anew=True)

    def action_play(self) -> None:
        self.replay.play()
        self.dashboard.redraw()

    def action_move(self, by: int) -> None:
        self.seek(self.replay.position_s + by * SHARE * self.replay.end_s)

    def action_leap(self, by: int) -> None:
        self.seek(self.replay.position_s + by * BIG_SHARE * self.replay.end_s)

    def action_to(self, end: int) -> None:
        self.seek(end * self.replay.end_s)

    def action_step(self, by: int) -> None:
        """To the next row of the steps, or the one before."""
        self.replay.play(False)
        self.replay.step(by)
        self.dashboard.redraw(anew=True)

    def action_speed(self, by: int) -> None:
        self.replay.faster(by)
        self.dashboard.redraw()

    def action_next_alarm(self, by: int) -> None:
        told = self.replay.next_alarm(by)
        if told is None:
            self.dashboard.say(self.words.say("replay.no-more-alarms" if self.replay.sights.alarms else "replay.no-alarms"))
        else:
            from loramon.i18n import finding_text

            title = finding_text(told.id, "", {}, self.words.lang).title
            self.dashboard.say(f"{title}: {self.replay.told_words(told)}")
        self.dashboard.redraw(anew=True)

    def action_curves(self) -> None:
        if isinstance(self, CurvesScreen):
            self.dashboard.go.back()
        else:
            self.dashboard.push_screen(CurvesScreen())


class ReplayMainScreen(MainScreen, ReplayPage):
    """The overview as a watcher saw it."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def on_mount(self) -> None:
        self.query_one("#page", Vertical).mount(self.scrub_bar(), before="#keys")
        say = self.words.say
        space = say("replay.space")
        self.query_one("#keys", KeyBar).say([
            (space, say("replay.key-play"), "screen.play"), ("n", say("replay.key-alarm"), "screen.next_alarm(1)"),
            ("r", say("replay.key-curves"), "screen.curves"), ("< >", say("replay.key-speed"), "screen.speed(1)"), *self._hints()[:3], *self._hints()[-2:],
        ])  # fmt: skip

    def update(self, shot: Snapshot) -> None:
        super().update(shot)
        for bar in self.query("#scrub").results(ScrubBar):
            bar.show_session(self.replay)


@dataclass(frozen=True)
class Strip:
    """One curve by time: its name, its values where it has any, how one of them is written."""

    name: str
    t: Floats
    value: Floats
    said: Any


class CurvesScreen(ReplayPage):
    """Loss, learning rate, speed and telemetry over the whole recording, one cursor through all of them and the log."""

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS, Binding("escape,backspace", "app.back", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._strips: list[Strip] = []
        self._n_told = -1
        self._built: object = None

    def compose(self) -> ComposeResult:
        say = self.words.say
        yield Title(id="title")
        yield self._notice()
        yield Vertical(id="strips")
        yield Title(id="log-title")
        yield LogPane(plain_tail=True, id="tail")
        yield self.scrub_bar()
        yield KeyBar([("Esc", say("key-back"), "app.back"), (say("replay.space"), say("replay.key-play"), "screen.play"),
                      ("n", say("replay.key-alarm"), "screen.next_alarm(1)"), (", .", say("replay.key-step"), "screen.step(1)"),
                      ("< >", say("replay.key-speed"), "screen.speed(1)"),
                      ("?", say("key-help"), "app.page('help')"), ("q", say("key-quit"), "app.quit")], id="keys")  # fmt: skip

    def _notice(self) -> Any:
        from loramon.widgets.lines import Lines

        return Lines(id="notice")

    def on_resize(self, event: Resize) -> None:
        self._built = None
        self.dashboard.redraw(anew=True)

    def update(self, shot: Snapshot) -> None:
        session = self.replay
        if session.past is None:
            return
        self._build(session.past)
        step = self.words.say("step", step=format_count(shot.step)) if shot.step is not None else ""
        name = f" · {fit(shot.name, max(12, self.size.width // 3))}"
        self.query_one("#title", Title).say(((self.words.say("replay.curves"), "bold"), (name, "$muted")), ((step, "bold"),))
        n_told = sum(a.t <= session.position_s for a in session.sights.alarms)
        charts, titles = list(self.query(CursorChart)), list(self.query(".strip-title").results(Title))
        for i, (strip, chart, title) in enumerate(zip(self._strips, charts, titles, strict=False)):
            if i == 0 and n_told != self._n_told:
                chart.show(self._data(strip, session))
            chart.move(session.position_s)
            at = int(np.searchsorted(strip.t, session.position_s, "right")) - 1
            value: Row = ((strip.said(float(strip.value[at])), "bold"),) if at >= 0 else (("-", "$muted"),)
            title.say(((strip.name, "bold"),), value)
        self._n_told = n_told
        self.query_one("#log-title", Title).say(((self.words.say("log"), "bold"),))
        self.query_one("#tail", LogPane).update_log(session.log, self.dashboard.alarm_rows)
        self.query_one("#scrub", ScrubBar).show_session(session)

    def _build(self, past: Past) -> None:
        """As many strips as there is room for, the most telling first."""
        room = self.query_one("#strips").size.height
        key = (id(past), room)
        if self._built == key or not room:
            return
        self._built = key
        found = strips_of(past, self.words.say)
        n = max(1, min(len(found), room // (MIN_STRIP_ROWS + 1)))
        self._strips, self._n_told = found[:n], -1
        holder = self.query_one("#strips", Vertical)
        holder.remove_children()
        for strip in self._strips:
            chart = CursorChart(data=self._data(strip, self.replay), options=self.dashboard.chart_options)
            holder.mount(Title(classes="strip-title"), chart)
        self.call_after_refresh(self.dashboard.redraw, True)

    def _data(self, strip: Strip, session: ReplaySession) -> ChartData:
        marks: list[Mark] = []
        if self._strips and strip is self._strips[0]:
            for alarm in session.sights.alarms:
                if alarm.t <= session.position_s:
                    kind: MarkKind = "nan" if alarm.id in NAN_IDS else "alarm-critical" if alarm.severity == "critical" else "alarm-warning"
                    marks.append(Mark(alarm.t, kind, alarm.id))
            marks += [Mark(t, "checkpoint") for t in session.sights.checkpoints]
        return ChartData(strip.t, strip.value, None, tuple(marks), "time", (0.0, max(session.end_s, 1e-6)))


def strips_of(past: Past, say: Any) -> list[Strip]:
    """The curves that the recording has."""
    found: list[Strip] = []

    def add(name: str, t: Floats, value: Floats, said: Any) -> None:
        if len(t) > 1 and np.isfinite(value).any():
            found.append(Strip(name, np.asarray(t, np.float64), np.asarray(value, np.float64), said))

    loss, steps, lr = past.curve("loss"), past.curve("step"), past.curve("lr")
    if loss is not None:
        add(say("loss"), loss.known, loss.value, lambda v: f"{v:.4g}")
    if steps is not None and len(steps.step) > 2:
        by = np.diff(steps.step)
        took = np.diff(steps.t_s if np.isfinite(steps.t_s).all() else steps.known)
        good = (by > 0) & (took >= 0)
        pace = _rolling(took[good], by[good])
        add(say("replay.pace"), steps.known[1:][good], pace, lambda v: format_step_time_s(v))
    gpu = past.samples.get("gpu")
    if gpu is not None:
        t = gpu.t_s - (past.started_s or 0.0)
        telling: tuple[tuple[str, str, Any], ...] = (
            ("utilization_gpu_pct", "replay.gpu", format_pct), ("memory_used_bytes", "replay.vram", format_bytes),
            ("power_w", "replay.power", lambda v: f"{v:.0f} W"), ("temperature_c", "replay.temperature", lambda v: f"{v:.0f} °C"),
        )  # fmt: skip
        for field, key, said in telling:
            if field in gpu.columns:
                add(say(key), t, gpu.columns[field], said)
    if lr is not None:
        found.insert(min(len(found), 2), Strip(say("replay.lr"), lr.known, lr.value, lambda v: format_number(v)))
    return found


def _rolling(took: Floats, by: Floats) -> Floats:
    """Seconds a step over the newest records: a bar tells whole seconds only."""
    n = max(1, min(8, len(took) // 8))
    a, b = np.cumsum(took), np.cumsum(by)
    a[n:], b[n:] = a[n:] - a[:-n], b[n:] - b[:-n]
    return a / np.maximum(b, 1)
