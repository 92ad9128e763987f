"""A traceback whose exception is not shown, one that another program passed on, and an exception that begins with a line break.

Samples are made from what CPython traceback.py, IPython core/ultratb.py and bitsandbytes 0.41 cextension.py print.
"""

from __future__ import annotations

import pytest
from reading import engine_of

from loramon.events import Failure
from loramon.failures import failures_of
from loramon.run import Run
from loramon.triage import Opinion, opinion

FRAMES = 'Traceback (most recent call last):\n  File "/s/train.py", line 12, in <module>\n    main()\n'


def read(text: str) -> tuple[Opinion, Run]:
    run = engine_of(text.encode()).run
    return opinion(run, run.alarm_log(), None, False, True), run


def failures(text: str) -> list[Failure]:
    return [failure for _, failure in failures_of(read(text)[1])]


def bar(n: int) -> str:
    return f"steps:  {n}%|#         | {n}/100 [00:{n:02d}<10:00,  1.00s/it, avr_loss=0.1]\r"


@pytest.mark.parametrize("end", ["", '  File "/s/tr', '  File "/s/loop.py", line 3, in main\n    step(\n    ^^^^^', "    raise ValueError(\n\n"])
def test_a_log_that_ends_within_a_traceback_is_a_crash_and_says_where_it_stops(end: str) -> None:
    said, run = read(FRAMES + end)
    assert (said.status, said.verdict, said.primary) == ("crashed", "critical", "crash-unknown")
    assert not any(f.id == "truncated-log" for f in said.findings)
    last = 'File "/s/loop.py", line 3, in main' if "loop" in end else None
    found = next(f for f in said.findings if f.id == "crash-unknown")
    assert found.numbers["cut_off_at"] == last or (last is None and str(found.numbers["cut_off_at"]).startswith('File "/s/tr'))
    assert [alarm.id for alarm in run.alarm_log().alarms] == ["crash-unknown"]


def test_its_header_alone_is_enough() -> None:
    assert read("starting\nTraceback (most recent call last):\n")[0].primary == "crash-unknown"


def test_a_cause_that_was_shown_before_needs_no_second_name() -> None:
    said, _ = read(FRAMES + "ModuleNotFoundError: No module named 'toml'\n" + FRAMES)
    assert [f.id for f in said.findings] == ["missing-module"]


def test_a_traceback_that_lines_and_steps_followed_is_not_cut_off() -> None:
    assert read(bar(1) + "\n" + FRAMES + "".join(bar(n) for n in range(2, 9)) + "\n")[0].verdict == "healthy"


def test_a_traceback_after_its_exception_is_told_once() -> None:
    assert [f.row for f in failures(FRAMES + "KeyError: 'x'\n")] == ["unknown-exception"]


@pytest.mark.parametrize(
    ("kind", "verdict", "primary"),
    [("KeyboardInterrupt", "healthy", "interrupted"), ("LocalTokenNotFoundError", "critical", "hub-auth"), ("WorldError", "critical", "crash-unknown")],
)
def test_where_ipython_names_the_exception_in_the_header_it_is_known_though_its_message_is_cut(kind: str, verdict: str, primary: str) -> None:
    text = f"{'-' * 75}\n{kind:<42}Traceback (most recent call last)\nCell In[3], line 1\n----> 1 trainer.train()\n      2 x = 1\n"
    said, _ = read(text)
    assert (said.verdict, said.primary) == (verdict, primary)
    assert [f.exception for f in failures(text)] == [kind]


def test_a_mark_that_a_supervisor_puts_before_each_line_is_taken_off() -> None:
    lines = [*FRAMES.splitlines(), "ModuleNotFoundError: No module named 'toml'"]
    assert read("".join(f"[node 3] TRAINER: {line}\n" for line in lines))[0].primary == "missing-module"


def test_an_exception_whose_message_begins_with_a_line_break_is_known_without_its_traceback() -> None:
    text = "RuntimeError: \n        CUDA Setup failed despite GPU being available. Please run the following command:\n\n        python -m x\n"
    assert read(text)[0].primary == "bnb-setup"
    assert failures("RuntimeError:\n    something of nobody's\n") == []


def test_an_exception_line_that_a_paste_marked_up_is_known() -> None:
    text = "**torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 28.00 MiB. GPU 1 has a total capacity of 8.00 GiB**\n"
    assert read(text)[0].primary == "oom-vram"


def test_a_header_that_is_quoted_in_a_list_of_texts_puts_no_mark_before_the_lines_behind_it() -> None:
    quoted = '    "prompts": [\n      "Traceback (most recent call last):",\n      "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",\n    ],\n'
    said, run = read(quoted + "".join(bar(n) for n in range(1, 9)) + "\n")
    assert (said.verdict, run.alarm_log().alarms) == ("healthy", []) and not list(failures_of(run))


BOX = """\
╭─────────── Traceback (most recent call last) ───────────╮
│ C:\\s\\train.py:12 in <module>                            │
│                                                         │
│ ❱ 12 │   main()                                         │
"""


@pytest.mark.parametrize("before", ["", bar(3), "[rank1]: "])
def test_a_box_of_rich_that_is_cut_off_is_a_crash(before: str) -> None:
    text = "".join(f"{before}{line}\n" for line in BOX.splitlines()) if before.startswith("[") else before + BOX
    said, _ = read(text)
    assert (said.verdict, said.primary) == ("critical", "crash-unknown")


@pytest.mark.parametrize("pad", ["", "    "])
def test_a_header_quoted_in_a_prompt_is_no_traceback(pad: str) -> None:
    text = '{\n    "prompts": [\n        "Traceback (most recent call last):",\n        "a cat"\n    ]\n}\nSaved to /o\n'
    said, _ = read("".join(f"{pad}{line}\n" for line in text.splitlines()))
    assert said.verdict == "healthy"


@pytest.mark.parametrize("rank", ["", "[rank1]: "])
def test_half_a_box_without_its_header_is_a_traceback(rank: str) -> None:
    half = "".join(f"{rank}{line}\n" for line in BOX.splitlines()[1:])
    assert read(half)[0].primary == "crash-unknown"
    assert read(f"{half}{rank}╰──────╯\n{rank}ModuleNotFoundError: No module named 'prodigyopt'\n")[0].primary == "missing-module"
