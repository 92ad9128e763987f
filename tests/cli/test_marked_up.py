"""`diagnose --format md|html`: the same report for a page or an issue, with foreign text as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fixture_logs import LOGS
from made_logs import kohya
from shell import loramon as command

NAN_LOG = LOGS / "kohya/nan-adamw-lr6.log"
HOSTILE = "<script>alert(1)</script><img src=x onerror=y> [click](javascript:z) ![i](http://e.e/x) `x` \x1b]52;c;eA==\x07"


class Tags(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_log(folder: Path) -> Path:
    path = folder / "<b>train&.log"
    error = f'Traceback (most recent call last):\n  File "train_network.py", line 3, in <module>\n    x\nValueError: {HOSTILE}\n'
    path.write_bytes(kohya([0.1] * 5, total=50) + b"\n" + error.encode())
    return path


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_markdown_says_verdict_finding_proof_and_what_to_do(lang: str) -> None:
    done = command("diagnose", NAN_LOG, "--format", "md", "--lang", lang)
    assert done.status == 1 and done.text.startswith("# ")
    headings = [line for line in done.text.splitlines() if line.startswith("## ")]
    assert "NaN" in headings[0] and "`loss-nan`" in done.text and "\n1. " in done.text and "\n> " in done.text


def test_html_is_one_page_that_needs_nothing_else() -> None:
    done = command("diagnose", NAN_LOG, "--format", "html")
    page = Tags(done.text)
    assert done.status == 1 and done.text.startswith("<!doctype html>") and {"svg", "polyline", "h1", "ol"} <= page.tags
    assert not page.tags & {"script", "link", "img", "iframe", "object", "a"} and not page.attributes & {"src", "href"}
    assert "loss-nan" in page.text and "24/60" in page.text
    assert "https://" not in done.text


def test_foreign_text_is_text_in_both(tmp_path: Path) -> None:
    path = hostile_log(tmp_path)
    page, markdown = (command("diagnose", path, "--format", form).text for form in ("html", "md"))
    tags = Tags(page)
    assert not tags.tags & {"script", "img", "b>train"} and "onerror" not in tags.attributes and "alert(1)" in tags.text
    assert not re.search(r"(?<!\\)[<\[`]script|(?<!\\)\[click|(?<!\\)!?\[i|(?<!\\)<(?:b|img)", markdown)
    assert "\x1b" not in page + markdown


def test_a_log_without_a_loss_has_a_page_too(tmp_path: Path) -> None:
    done = command("diagnose", LOGS / "kohya/wrong-argument.log", "--format", "html")
    assert done.status == 1 and "svg" in Tags(done.text).tags


def test_html_of_several_paths_is_refused_and_markdown_is_not(tmp_path: Path) -> None:
    refused = command("diagnose", NAN_LOG, NAN_LOG, "--format", "html")
    assert (refused.status, refused.out) == (2, b"") and "one PATH" in refused.said
    assert command("diagnose", NAN_LOG, NAN_LOG, "--format", "md").text.count("# ") >= 2
