"""`loramon export PATH --to FORM`: metrics, telemetry, findings out of a log or recording."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from loramon.commands.options import add_common, formats, language
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.export.tables import Table
    from loramon.replaying import ReplaySession

NAME = "export"
FORMS = ("csv", "parquet", "html", "md", "svg", "lmrec")
WHAT = ("metrics", "telemetry", "alarms")
EXAMPLE = """examples:
  loramon export train.log --to csv > loss.csv
  loramon export my-lora --to csv --what telemetry -o gpu.csv
  loramon export my-lora --to lmrec --redact -o night.lmrec     one file to send to somebody
  loramon export my-lora --to html -o report.html

A job that `loramon run` started is named as `loramon jobs` shows it.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="metrics, telemetry, findings out of a log or recording",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("path", metavar="PATH", help="recording, log, event folder, run folder, or a job's name")
    parser.add_argument("--to", choices=FORMS, required=True, metavar="FORM", help=f"one of {', '.join(FORMS)}")
    parser.add_argument("--what", choices=WHAT, default="metrics", help="which table, for csv and parquet (default: metrics)")
    parser.add_argument("-o", "--out", metavar="FILE", help="where to write (default: standard output; lmrec: NAME.lmrec here)")
    parser.add_argument("--redact", action="store_true", help="lmrec: secrets, names of user and host made unreadable")
    parser.add_argument("--force", action="store_true", help="replace FILE where it exists")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """0; 2 where the source cannot be read or the file cannot be written."""
    if args.out and not args.force and os.path.lexists(args.out) and args.out != os.devnull:
        raise UserError("exists", f"{args.out} exists; give another name, or --force to replace it")
    try:
        if args.to == "lmrec":
            return _portable(args)
        return _write(args, _read(args))
    except OSError as error:
        raise UserError("unwritable", f"{args.out or 'standard output'}: {error.strerror or error}") from None


def _read(args: argparse.Namespace) -> ReplaySession:
    from loramon.clock import SystemClock
    from loramon.commands.replay import named_footage
    from loramon.replaying import ReplaySession

    session = ReplaySession(named_footage(args.path), SystemClock(), language(args), formats(args))
    while session.past is None:
        session.pump(60.0)
    session.seek(session.end_s)
    return session


def _write(args: argparse.Namespace, session: ReplaySession) -> int:
    from loramon.export.pages import html_page, markdown_page, svg_picture
    from loramon.export.tables import alarms, csv_lines, metrics, telemetry

    assert session.past is not None
    try:
        if args.to in ("csv", "parquet"):
            table = alarms(session) if args.what == "alarms" else (telemetry if args.what == "telemetry" else metrics)(session.past)
            if not table.n_rows and args.what != "alarms":
                raise UserError("empty", f"{args.path}: no {args.what} in it")
            if args.to == "parquet":
                _parquet(table, args)
                return 0
            pieces = csv_lines(table)
        else:
            pieces = iter([{"svg": svg_picture, "md": markdown_page, "html": html_page}[args.to](session)])
        if args.out:
            with Path(args.out).open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
        else:
            for piece in pieces:
                sys.stdout.write(piece)
    finally:
        session.close()
    return 0


def _parquet(table: Table, args: argparse.Namespace) -> None:
    try:
        import pyarrow  # type: ignore[import-not-found]
        import pyarrow.parquet  # type: ignore[import-not-found]
    except ImportError:
        raise UserError("missing-module", "parquet needs pyarrow, which is not installed beside loramon; --to csv needs nothing") from None
    if not args.out:
        raise UserError("usage", "parquet is no text: give a file with -o")
    pyarrow.parquet.write_table(pyarrow.table(table.columns), args.out)


def _portable(args: argparse.Namespace) -> int:
    from loramon.commands.replay import named_footage
    from loramon.commands.run import talk
    from loramon.i18n import message
    from loramon.recording.portable import pack_recording

    footage = named_footage(args.path)
    if footage.recording is None:
        raise UserError("no-recording", f"{args.path}: a bare log has no recording; it can be sent as it is")
    target = Path(args.out or f"{Path(footage.name).name.removesuffix('.lmrec')}.lmrec")
    if not args.out and not args.force and target.exists():
        raise UserError("exists", f"{target} exists; give another name with -o, or --force to replace it")
    missing = pack_recording(footage.recording, target, args.redact)
    footage.close()
    lang = language(args)
    for name in missing:
        talk(message("export.missing", lang, source=name))
    talk(message("export.redacted" if args.redact else "export.written", lang, path=target, size=f"{target.stat().st_size / 1e6:.1f}"))
    return 0
