"""loramon's own configuration: where it is looked for, what it may hold, and one clear line for what is not right."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import assert_one_line, loramon

from loramon.config import Config, default_path, load
from loramon.errors import UserError


def written(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(str(path), {})
    assert "\n" not in caught.value.message and str(path) in caught.value.message
    return caught.value.message


def test_without_a_file_everything_is_as_by_default(tmp_path: Path) -> None:
    assert load(None, {"LORAMON_HOME": str(tmp_path)}) == Config()


def test_the_option_comes_before_the_variable_and_that_before_the_default_place(tmp_path: Path) -> None:
    home = written(tmp_path, "ascii = true")
    named = written(tmp_path, 'lang = "ja"', "named.toml")
    given = written(tmp_path, 'lang = "en"', "given.toml")
    environ = {"LORAMON_HOME": str(tmp_path)}
    assert default_path(environ) == home
    assert load(None, environ).ascii
    environ["LORAMON_CONFIG"] = str(named)
    assert load(None, environ).lang == "ja"
    assert load(str(given), environ).lang == "en"


def test_the_default_place_is_the_platforms_own() -> None:
    assert default_path({}).name == "config.toml" and default_path({}).parent.name == "loramon"


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfascii = true\r\n")
    assert load(str(path), {}).ascii


def test_tables_become_objects_in_their_order(tmp_path: Path) -> None:
    text = "".join(f"[[format]]\nname = '{n}'\npattern = 'p'\nsample = 's'\n" for n in ("a", "b"))
    assert [table.name for table in load(str(written(tmp_path, text)), {}).format] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lnag = 'ja'", "unknown key `lnag`; did you mean `lang`?"),
        ("zzz = 1", "unknown key `zzz`; known are "),
        ("path = '/etc/passwd'", "unknown key `path`"),
        ("lang = 'de'", "`lang` is 'de'; it must be one of en, ja"),
        ("ascii = 'yes'", "`ascii` must be true or false"),
        ("ascii = 1", "`ascii` must be true or false"),
        ("format = 'x'", "`format` must be [[format]]"),
        ("[[format]]\nname = 'a'\npatern = 'p'\nsample = 's'", "unknown key `patern` in format[1]; did you mean `pattern`?"),
        ("[[format]]\nname = 'a'\npattern = 'p'", "`sample` is missing in format[1]"),
        ("[[format]]\nname = 3\npattern = 'p'\nsample = 's'", "`format[1].name` must be text in quotes"),
        ("lang = ", "no valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(written(tmp_path, text))


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert "no such configuration file" in refused(tmp_path / "gone.toml")


def test_a_folder_or_bytes_that_are_no_text_are_no_configuration(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path)
    path = tmp_path / "c.toml"
    path.write_bytes(b"lang = '\xff\xfe'")
    assert "not UTF-8" in refused(path)
    path.write_bytes(b"#" * (1 << 21))
    assert "larger than 1 MiB" in refused(path)


def test_a_command_speaks_the_language_of_the_configuration(tmp_path: Path) -> None:
    config = written(tmp_path, 'lang = "ja"')
    japanese = loramon("explain", "loss-nan", "--config", config)
    assert japanese.status == 0 and any("\u3040" <= c <= "\u30ff" for c in japanese.text)
    assert loramon("explain", "loss-nan", "--config", config, "--lang", "en").text.isascii()
    by_variable = loramon("explain", "loss-nan", "--config", config, env={"LORAMON_LANG": "en"})
    assert by_variable.text.isascii()


def test_a_command_ends_with_one_line_for_a_broken_configuration(tmp_path: Path) -> None:
    done = loramon("explain", "loss-nan", env={"LORAMON_CONFIG": str(written(tmp_path, "lang = "))})
    assert done.status == 2 and done.out == b""
    assert "config.toml" in assert_one_line(done.said)
