"""`loramon diagnose PATH…`: reads everything at once, says what went wrong and what to do."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from loramon.commands.options import add_common, formats, language, wants_ascii, wants_colour
from loramon.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loramon.diagnosis import Diagnosis
    from loramon.fix.proposal import Proposal

NAME = "diagnose"
CURVE_COLUMNS = 2000
SIDE_BY_SIDE = 4
"""So many paths are read on all cores; fewer are read before the other processes have started."""

EXAMPLE = """examples:
  loramon diagnose train.log
  loramon diagnose output/my_lora --json
  loramon diagnose train.log --telemetry gpu.csv
  loramon diagnose train.log --fix --run-config my_lora.toml
  pbpaste | loramon diagnose -
  loramon diagnose train.log --unknown
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = sub.add_parser(NAME, help="read a log, event files or a run folder: what went wrong, and what to do",
                            epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("paths", nargs="+", metavar="PATH", help="log file, TensorBoard file or folder, run folder; - reads a pasted log")
    parser.add_argument("--telemetry", metavar="FILE", help="GPU telemetry of the same time (nvidia-smi CSV), with one PATH")
    parser.add_argument("--run-config", metavar="FILE", help="the training's own settings file, where the log does not show them")
    parser.add_argument("--fix", action="store_true", help="also print the run's own command line or settings with the first remedy done, as a diff")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="one JSON object a line, one for each PATH")
    how.add_argument("--format", choices=("text", "short", "md", "html"), default="text",
                     help="a page (default), one line for each PATH, Markdown, or one HTML page that needs nothing else")  # fmt: skip
    how.add_argument("--summary", action="store_true", help="one line for each PATH, and how many of each verdict")
    parser.add_argument("--unknown", action="store_true", help="the commonest shapes of lines that loramon does not know: what to send with a report")
    add_common(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """2 where a source was unreadable or usage wrong; else 1 for a warning or critical finding; else 0."""
    if args.telemetry and len(args.paths) > 1:
        raise UserError("usage", "--telemetry belongs to one PATH; give one log at a time")
    if args.format == "html" and len(args.paths) > 1:
        raise UserError("usage", "--format html makes one page; give one PATH (md takes several)")
    if args.paths.count("-") > 1:
        raise UserError("usage", "standard input can be read once only; give - once")
    status = 0
    counts: dict[str, int] = {}
    for read_status, word in _read_all(_without_twins(args.paths), args):
        status = max(status, read_status)
        counts[word] = counts.get(word, 0) + 1
    if args.summary:
        print("  ".join(f"{word} {n}" for word, n in counts.items()))
    return status


def _read_all(paths: list[str], args: argparse.Namespace) -> Iterator[tuple[int, str]]:
    """The exit status and the word of each path, after what is to be said of it was printed, in the order given."""
    from loramon.commands.side_by_side import printed_by_all

    if len(paths) < SIDE_BY_SIDE or "-" in paths:
        yield from (_read(path, args) for path in paths)
        return
    import loramon.diagnosing
    import loramon.report.text  # noqa: F401  once, before the processes part
    from loramon.catalogue.match import load

    load()
    args.no_color = not wants_colour(args)  # asked of the terminal, which the other processes do not write to
    yield from printed_by_all(_read, paths, args)


def _read(path: str, args: argparse.Namespace) -> tuple[int, str]:
    """Prints what is to be said of one path; its exit status, and its verdict or `unreadable`."""
    try:
        diagnosis = _diagnose(path, args)
    except UserError as error:
        _refuse(path, error, args)
        return 2, "unreadable"
    _show(diagnosis, args, _proposal(path, diagnosis, args) if args.fix else None)
    if "parser" in diagnosis.run.off:
        _say(f"{path}: read in part only, its reader failed ({diagnosis.run.off['parser']}); please report it")
    if diagnosis.run.is_blank and not diagnosis.earlier:
        _say(f"{path}: nothing of a training is recognised in it; is this the file that the output was redirected to?")
    return int(diagnosis.verdict != "healthy"), diagnosis.verdict


def _diagnose(path: str, args: argparse.Namespace) -> Diagnosis:
    from loramon.diagnosing import diagnose

    with _readable(path) as place:
        return diagnose(place, telemetry=args.telemetry, lang=language(args), name=path, run_config=args.run_config, formats=formats(args))


@contextlib.contextmanager
def _readable(path: str) -> Iterator[Path]:
    if path != "-":
        yield Path(path)
        return
    from loramon.sources.stdin import spill_stdin

    spool = spill_stdin()
    try:
        yield spool.path
    finally:
        spool.close()


def _without_twins(paths: list[str]) -> list[str]:
    """NAME.out and NAME.err given together are one source, under the name that came first."""
    from loramon.sources.discover import pair

    seen: set[Path] = set()
    kept = []
    for path in paths:
        both = pair(Path(path)) if path != "-" else []
        if len(both) == 2:
            if both[0].resolve() in seen:
                continue
            seen.add(both[0].resolve())
        kept.append(path)
    return kept


def _refuse(path: str, error: UserError, args: argparse.Namespace) -> None:
    if args.json:
        from loramon.diagnosis import SCHEMA
        from loramon.report.json import error_line

        print(error_line(SCHEMA, path, error), flush=True)
    else:
        _say(error.message)


def _say(text: str) -> None:
    from loramon.text import sanitise

    print(f"loramon: {sanitise(text)}", file=sys.stderr)


def _proposal(path: str, diagnosis: Diagnosis, args: argparse.Namespace) -> Proposal:
    from loramon.fix.proposal import proposal_of
    from loramon.sources.discover import discover

    source = discover(Path(path), path) if path != "-" else None
    return proposal_of(diagnosis, source, Path(args.run_config) if args.run_config else None)


def _show(diagnosis: Diagnosis, args: argparse.Namespace, proposal: Proposal | None) -> None:
    if args.json:
        from loramon.report.json import line

        said = diagnosis.to_dict()
        if args.unknown:
            said["coverage"]["unknown_shapes"] = [shape.to_dict() for shape in diagnosis.unknown_shapes()]
        if proposal is not None:
            said["fix"] = proposal.to_dict()
        print(line(said), flush=True)
        return
    if args.format in ("md", "html") and not (args.summary or args.unknown):
        sys.stdout.write(_marked_up(diagnosis, args.format))
        return
    import shutil

    from loramon.report.text import Style, page, short

    width = max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))
    style = Style(width, wants_ascii(args), wants_colour(args), language(args))
    if args.unknown:
        from loramon.report.unknown import unknown_page

        sys.stdout.write(unknown_page(diagnosis, style))
        return
    one_line = args.summary or args.format == "short"
    sys.stdout.write(short(diagnosis, style) if one_line else page(diagnosis, style))
    if proposal is not None and not one_line:
        from loramon.report.fix import fix_page

        sys.stdout.write("\n" + fix_page(proposal, style))
    if not one_line and len(args.paths) > 1:
        print()


def _marked_up(diagnosis: Diagnosis, form: str) -> str:
    """Markdown, or a page with the picture of the loss."""
    from loramon.report.markup import html_page, markdown

    d = diagnosis.to_dict()
    if form == "md":
        return markdown(d, diagnosis.lang) + "\n"
    import numpy as np

    from loramon.report.picture import loss_picture

    loss = diagnosis.run.best("loss")
    steps, values = (np.array(column) for column in loss.curve(CURVE_COLUMNS)) if loss is not None and loss.n_rows else (None, None)
    titles = {f["id"]: f["title"] for f in d["findings"]}
    marks = [(a["id"], a["severity"], a["step"], titles.get(a["id"], "")) for a in d["alarms"] if a["step"] is not None]
    return html_page(d, diagnosis.lang, loss_picture(steps, values, marks, diagnosis.lang))
