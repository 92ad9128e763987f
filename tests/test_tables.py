"""Tables are read once a machine; the copy never tells anything but the table."""

import json
import os
import tomllib
from pathlib import Path

import pytest

from loramon import tables

PACKAGE = Path(tables.__file__).parent


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LORAMON_HOME", str(tmp_path / "home"))
    tables._folder.cache_clear()
    yield tmp_path / "home"
    tables._folder.cache_clear()


def copies(home):
    return sorted(home.rglob("*.json"))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.toml")), ids=lambda path: path.name)
def test_the_copy_of_every_table_equals_it(path, home):
    direct = tomllib.loads(path.read_text(encoding="utf-8"))
    assert tables.read_table(path) == direct
    assert len(copies(home)) == 1
    assert tables.read_table(path) == direct


def test_a_changed_table_is_read_anew(tmp_path, home):
    table = tmp_path / "t.toml"
    table.write_text("a = 1\n")
    assert tables.read_table(table) == {"a": 1}
    before = table.stat()
    table.write_text("a = 2\n")
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert tables.read_table(table) == {"a": 2}


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"made_from": 1', b'{"table": {"a": 9}}', b"\xff\xfe"])
def test_a_damaged_copy_is_not_believed(damage, tmp_path, home):
    table = tmp_path / "t.toml"
    table.write_text("a = 1\n")
    tables.read_table(table)
    (copy,) = copies(home)
    copy.write_bytes(damage)
    assert tables.read_table(table) == {"a": 1}
    assert json.loads(copy.read_bytes())["table"] == {"a": 1}, "the copy is made anew"


def test_where_nothing_can_be_written_the_table_is_read(tmp_path, home):
    home.parent.joinpath("home").write_text("a file where the folder should be")
    table = tmp_path / "t.toml"
    table.write_text("a = 1\n")
    assert tables.read_table(table) == {"a": 1}


def test_a_table_with_a_date_has_no_copy(tmp_path, home):
    table = tmp_path / "t.toml"
    table.write_text("a = 2020-01-01\n")
    assert tables.read_table(table) == tables.read_table(table)
    assert copies(home) == []
