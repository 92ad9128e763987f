"""Many paths are read on all cores and told in the order given, as if they had been read one after the other."""

import argparse
import multiprocessing
import os
import signal
import sys

import pytest
from fixture_logs import LOGS
from shell import loramon

from loramon.commands.side_by_side import printed_by_all
from loramon.errors import UserError

ARGS = argparse.Namespace(mark="said")


def said(path, args):
    print(f"{args.mark} {path}")
    print(f"of {path}", file=sys.stderr)
    return len(path), path


def killed_on_the_way(path, args):
    if path == "c" and multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return said(path, args)


def refused(path, args):
    if path == "b":
        raise UserError("usage", "not this one")
    return said(path, args)


def test_reports_come_in_the_order_given(capsys):
    paths = ["long" * i for i in range(1, 150)]
    assert list(printed_by_all(said, paths, ARGS)) == [(len(path), path) for path in paths]
    printed = capsys.readouterr()
    assert printed.out == "".join(f"said {path}\n" for path in paths)
    assert printed.err == "".join(f"of {path}\n" for path in paths)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_process_that_is_killed_costs_no_report(capsys):
    paths = list("abcdef")
    assert [word for _, word in printed_by_all(killed_on_the_way, paths, ARGS)] == paths
    assert capsys.readouterr().out == "".join(f"said {path}\n" for path in paths)


def test_what_reading_raises_is_raised():
    with pytest.raises(UserError, match="not this one"):
        list(printed_by_all(refused, list("abcd"), ARGS))


def test_diagnose_says_the_same_of_many_logs_as_of_each(tmp_path):
    paths = [*sorted((LOGS / "kohya").glob("*.log"))[:5], tmp_path / "missing.log", *sorted((LOGS / "hostile").glob("*.log"))[:3]]
    many = loramon("diagnose", "--json", *paths)
    each = [loramon("diagnose", "--json", path) for path in paths]
    assert many.text == "".join(one.text for one in each)
    assert many.said == "".join(one.said for one in each)
    assert many.status == max(one.status for one in each) == 2
