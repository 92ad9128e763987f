"""`--headless`: a plain line for each alarm as it is told, for pipes, cron and Slurm. No screen is loaded."""

from __future__ import annotations

import argparse
import sys
import time

from loramon.commands.options import language, wants_ascii
from loramon.plain import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.diagnosis import Diagnosis
    from loramon.findings import Alarm
    from loramon.live import LiveSession

SCHEMA = "loramon.alarm/1"
SEVERITY = {"healthy": 0, "warning": 1, "critical": 2}
IDLE_S = 0.1
LONG_IDLE_S = 0.5
"""Between two looks: while something came within the last 30 s, and when nothing did."""

LONG_AFTER = 300
LOOK_EVERY = 10
"""So many looks at nothing new between two questions whether the training has ended."""

EXIT_INTERRUPTED = 130


def add_headless(parser: argparse.ArgumentParser) -> None:
    """Adds the options that dashboards share."""
    group = parser.add_argument_group("without a screen")
    group.add_argument("--headless", action="store_true", help="no screen: a plain line for each alarm (so too where standard output is no terminal)")
    group.add_argument("--json", action="store_true", help="with --headless: a JSON object a line for each alarm")
    group.add_argument("--fail-on", choices=("warning", "critical"), help="with --headless: exit 1 at the first alarm of this severity or above,"
                       " or where the verdict at the end is as grave")  # fmt: skip


def is_headless(args: argparse.Namespace) -> bool:
    """No screen was asked for, or there is no terminal to draw one on."""
    return bool(args.headless or args.json or args.fail_on) or not sys.stdout.isatty()


def show(session: LiveSession, args: argparse.Namespace) -> int:
    """The session as a dashboard or, headless, as lines; the exit status of the command. Closes the session."""
    try:
        if is_headless(args):
            return Headless(session, args).run()
        from loramon.commands.opening import opening

        with opening(session, args):
            from loramon.dashboard import run_dashboard

        return run_dashboard(session, args)
    finally:
        session.close()


class Headless:
    """Tells what a session tells, line by line: alarms on standard output, the rest on standard error."""

    def __init__(self, session: LiveSession, args: argparse.Namespace) -> None:
        self._session = session
        self._json = bool(args.json)
        self._fail_on: str | None = args.fail_on
        self._lang = language(args)
        self._ascii = wants_ascii(args)
        self._n_alarms = 0
        self._newest_notice: object = None

    def run(self) -> int:
        """Until the input or the training ends (0), an alarm of `--fail-on` comes (1), or Ctrl-C (130)."""
        session = self._session
        if session.is_recording:
            self._talk(session.recording_note)
        n_idle, revision = 0, -1
        try:
            while True:
                more = session.pump()
                self._tell_notices()
                if self._tell_alarms():
                    return self._end(1)
                if more:
                    continue
                if session.ended:
                    session.pump()  # what the end itself tells
                    self._tell_notices()
                    self._tell_alarms()
                    return self._end(self._final_status())
                if n_idle % LOOK_EVERY == 1 and session.training_ended:
                    from loramon.i18n import message

                    self._talk(message("headless.training-ended", self._lang))
                    return self._end(self._final_status())
                n_idle = 0 if session.revision != revision else n_idle + 1
                revision = session.revision
                time.sleep(IDLE_S if n_idle < LONG_AFTER else LONG_IDLE_S)
        except KeyboardInterrupt:
            return self._end(EXIT_INTERRUPTED)

    def _final_status(self) -> int:
        """1 where `--fail-on` is given and what is to be said in the end is as grave."""
        return int(self._fail_on is not None and SEVERITY[self._session.diagnosis(fresh=True).verdict] >= SEVERITY[self._fail_on])

    def _tell_alarms(self) -> bool:
        """Writes the alarms that are new; True where one of them reaches `--fail-on`."""
        alarms = self._session.alarms()
        new = alarms[self._n_alarms :]
        self._n_alarms = len(alarms)
        reached = False
        for alarm in new:
            diagnosis = self._session.diagnosis()
            self._print(_json_line(self._session, alarm, diagnosis) if self._json else self._line(alarm, diagnosis))
            reached = reached or alarm.severity == "critical" or self._fail_on == "warning"
        return reached and self._fail_on is not None

    def _line(self, alarm: Alarm, diagnosis: Diagnosis) -> str:
        title, remedy, _ = _words(alarm, diagnosis)
        step = f"step {alarm.step}" if alarm.step is not None else "-"
        parts = [self._session.told_at_words(alarm), alarm.severity, alarm.id, step, title]
        if said := self._session.told_words_of(alarm):
            parts.append(said)
        return "  ".join([*parts, f"→ {remedy}"] if remedy else parts)

    def _tell_notices(self) -> None:
        notices = self._session.notices
        known = next((i for i, notice in enumerate(notices) if notice is self._newest_notice), -1)
        for notice in notices[known + 1 :]:
            self._talk(notice.text(self._lang))
        if notices:
            self._newest_notice = notices[-1]

    def _end(self, status: int) -> int:
        """The verdict on what was read, as the last line."""
        from loramon.notices import Notice
        from loramon.report.text import Style, short

        if not self._session.has_data:
            self._talk(Notice("nothing-read", self._session.name, "notice.nothing-read", 0.0).text(self._lang))
            return status
        said = short(self._session.diagnosis(fresh=True), Style(ascii_only=self._ascii, lang=self._lang)).rstrip("\n")
        if self._json:
            self._talk(said)
        else:
            self._print(said)
        return status

    def _print(self, text: str) -> None:
        print(_plain(text) if self._ascii else text, flush=True)

    def _talk(self, text: str) -> None:
        print(f"loramon: {_plain(text) if self._ascii else text}", file=sys.stderr, flush=True)


def _words(alarm: Alarm, diagnosis: Diagnosis) -> tuple[str, str | None, dict[str, object] | None]:
    """Title, first remedy and its object for an alarm: from today's finding, else from the text of its id."""
    found = next((f for f in diagnosis.to_dict()["findings"] if f["id"] == alarm.id), None)
    if found is not None:
        remedies = found["remedies"]
        return found["title"], remedies[0]["action"] if remedies else None, remedies[0] if remedies else None
    from loramon.i18n import finding_text

    return finding_text(alarm.id, "", {}, diagnosis.lang).title, None, None


def _json_line(session: LiveSession, alarm: Alarm, diagnosis: Diagnosis) -> str:
    from loramon.report.json import line

    title, _, remedy = _words(alarm, diagnosis)
    told = {**alarm.to_dict(), "t_s": plain(alarm.t_s)}
    return line({"schema": SCHEMA, "source": session.name, **told, "told_s": round(session.told_s(alarm), 3), "title": title, "remedy": remedy})


def _plain(text: str) -> str:
    return text.replace("→", "->").replace("…", "...").encode("ascii", "replace").decode()
