"""Rules that the source keeps: nothing is ever executed that a file holds, and only the clock module asks for the time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "loramon"
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "trainer" not in p.relative_to(PACKAGE).parts)
EXECUTING_MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "runpy"}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
EXECUTING_METHODS = {
    ("torch", "load"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("numpy", "load"),
    ("np", "load"),
    ("os", "system"),
    ("os", "popen"),
}
TIME_OF = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime", "ctime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def name_of(node: ast.expr) -> str:
    """`a.b.c` as text; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}".lstrip(".")
    return ""


def broken_rules(tree: Iterator[ast.AST]) -> list[str]:
    """What of a module may execute foreign data, each with its line."""
    found = []
    for node in tree:
        if isinstance(node, ast.Import):
            found += [f"{node.lineno}: imports {a.name}" for a in node.names if a.name.partition(".")[0] in EXECUTING_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in EXECUTING_MODULES and not node.level:
            found.append(f"{node.lineno}: imports {node.module}")
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in EXECUTING_CALLS:
                found.append(f"{node.lineno}: calls {node.func.id}")
            called = tuple(name_of(node.func).split(".")[-2:])
            if called in EXECUTING_METHODS:
                found.append(f"{node.lineno}: calls {'.'.join(called)}")
            found += [
                f"{node.lineno}: shell=True"
                for k in node.keywords
                if k.arg == "shell" and not (isinstance(k.value, ast.Constant) and not k.value.value)
            ]
    return found


def asks_for_time(tree: Iterator[ast.AST]) -> list[str]:
    found = []
    for node in tree:
        if isinstance(node, ast.Call):
            owner, _, called = name_of(node.func).rpartition(".")
            # `time.localtime(x)` of a given time reads no clock
            if called in TIME_OF.get(owner.rpartition(".")[2], ()) and not (called in ("localtime", "gmtime", "ctime") and node.args):
                found.append(f"{node.lineno}: {owner}.{called}")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [f"{node.lineno}: from time import {a.name}" for a in node.names if a.name in TIME_OF["time"]]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_that_a_file_holds_is_ever_executed(path: Path) -> None:
    assert broken_rules(nodes(path)) == []


def test_only_the_clock_asks_for_the_time() -> None:
    asking = {str(p.relative_to(PACKAGE)): found for p in FILES if (found := asks_for_time(nodes(p)))}
    assert set(asking) == {"clock.py"}, asking


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "eval(x)",
        "import os; os.system(x)",
        "torch.load(p)",
        "yaml.load(f)",
        "run(x, shell=True)",
        "run(x, shell=flag)",
    ],
)
def test_the_rules_see_what_they_forbid(source: str) -> None:
    assert broken_rules(ast.walk(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["import time; time.time()", "datetime.datetime.now()", "from time import monotonic", "time.localtime()"]
)
def test_the_rules_see_who_asks_for_the_time(source: str) -> None:
    assert asks_for_time(ast.walk(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["datetime.datetime.fromtimestamp(x)", "time.localtime(x)", "time.mktime(x)", "event.wait(2)", "json.load(f)", "run(x, shell=False)"],
)
def test_the_rules_leave_the_rest_alone(source: str) -> None:
    assert broken_rules(ast.walk(ast.parse(source))) == asks_for_time(ast.walk(ast.parse(source))) == []
