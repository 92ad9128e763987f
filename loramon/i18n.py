"""Words for people: finding texts, explanations and messages in English and Japanese, made at the edge.

Texts lie in TOML beside what they belong to: `detectors/*.toml` and `catalogue/texts/*.toml` hold one table per finding
id (language-free facts at the top, `en` and `ja` below), `messages*.toml` the few words of commands and reports. Nothing
is read before it is asked for, and of the text files only the one that holds the id is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from loramon.tables import read_table

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")

_HERE = Path(__file__).parent
TEXT_FOLDERS = (_HERE / "detectors", _HERE / "catalogue" / "texts")
_HEADER = re.compile(r"^\[([a-z0-9][a-z0-9-]*)\]\s*$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_GENERIC_PREFIXES = {"setting-": "setting"}
"""Ids with such a prefix and no text of their own share the text of the prefix."""


@dataclass(frozen=True, slots=True)
class FindingText:
    """What a reader is told of one finding: a short title and the sentences whose figures are known."""

    title: str
    explanation: str


@dataclass(frozen=True, slots=True)
class ExplainText:
    """All that is written about an id, figures left out. `hold_s`: seconds the symptom must last before it is told."""

    id: str
    title: str
    explanation: str
    meaning: str
    check: tuple[str, ...]
    false_positives: tuple[str, ...]
    sources: tuple[str, ...]
    explains: tuple[str, ...]
    echo_of: tuple[str, ...]
    hold_s: float


# ---------------------------------------------------------------- which language


def pick_language(option: str | None, environ: Mapping[str, str], locale_name: str | None) -> Language:
    """The language to speak: the option, else `LORAMON_LANG`, else the locale variables, else the system's locale.

    `locale_name` is the system's own word (`ja_JP.UTF-8`, Windows: `Japanese_Japan.932`). As in POSIX, the first of
    LC_ALL, LC_MESSAGES and LANG that is not empty decides; a language that we do not have is English. Raises ValueError
    for an option that names no language of ours: a typing mistake should be heard of.
    """
    if option:
        chosen = _language_of(option)
        if chosen is None:
            raise ValueError(f"unknown language {option!r}: choose one of {', '.join(LANGUAGES)}")
        return chosen
    ours = _language_of(environ.get("LORAMON_LANG", ""))
    if ours is not None:
        return ours
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return _language_of(environ[name]) or "en"
    return _language_of(locale_name or "") or "en"


def _language_of(name: str) -> Language | None:
    word = re.split(r"[_.@-]", name.strip().lower(), maxsplit=1)[0]
    if word in ("ja", "japanese"):
        return "ja"
    return "en" if word in ("en", "english") else None


# ---------------------------------------------------------------- templates


class _Figures(Formatter):
    """Fills `{name}` and `{name:.3g}`; never reaches into attributes or items of a foreign value."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if not _NAME.fullmatch(field_name):
            raise ValueError(f"not a plain placeholder: {field_name!r}")
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if not format_spec:
            return str(value)
        try:
            number = float(value)
        except (TypeError, ValueError):
            return str(value)  # a foreign word where a figure was expected is shown as it was given
        if format_spec.endswith("g") and 1000 <= abs(number) < 1e7:
            return f"{number:.0f}"  # 1234, not 1.23e+03
        return format(number, format_spec)


_FIGURES = _Figures()


def placeholders(template: str) -> tuple[str, ...]:
    """Names that the template asks for, in order of appearance, with their format (`ratio:.3g`)."""
    fields = ((name, spec) for _, name, spec, _ in Formatter().parse(template) if name is not None)
    return tuple(f"{name}:{spec}" if spec else name for name, spec in fields)


def fill(template: str, numbers: Mapping[str, object]) -> str | None:
    """The sentence with its figures, or None where one of them is unknown (absent or None)."""
    wanted = {name.partition(":")[0] for name in placeholders(template)}
    if any(numbers.get(name) is None for name in wanted):
        return None
    return _FIGURES.vformat(template, (), numbers)


def fill_all(templates: list[str], numbers: Mapping[str, object], lang: str) -> str:
    """The sentences whose figures are known, as one text."""
    said = [s for s in (fill(t, numbers) for t in templates) if s]
    return ("" if lang == "ja" else " ").join(said)


# ---------------------------------------------------------------- texts of findings


@cache
def _index() -> dict[str, Path]:
    """Finding id -> the file that holds its text. Only headings are looked for; nothing is parsed."""
    found: dict[str, Path] = {}
    for folder in TEXT_FOLDERS:
        for path in sorted(folder.glob("*.toml")):
            for name in _HEADER.findall(path.read_text(encoding="utf-8")):
                found.setdefault(name, path)
    return found


@cache
def _load(path: Path) -> dict[str, Any]:
    return read_table(path)


def known_ids() -> tuple[str, ...]:
    """Every id that has a text, in alphabetical order; `setting` stands for each `setting-*` without one of its own."""
    return tuple(sorted(_index()))


def raw_text(finding_id: str) -> dict[str, Any] | None:
    """The whole table of an id (both languages), its prefix's where it has none, or None."""
    for name in (finding_id, *(g for p, g in _GENERIC_PREFIXES.items() if finding_id.startswith(p))):
        path = _index().get(name)
        if path is not None:
            table: dict[str, Any] = _load(path)[name]
            return table
    return None


def variant_of(finding_id: str, variant: str, numbers: Mapping[str, object]) -> str:
    """The variant to speak of: the given one, or where it is empty the first that the id's `pick` rules choose.

    A rule is `[number, words, variant]`: the number's value is one of the words, or a dotted name below one of them.
    """
    table = raw_text(finding_id)
    if variant or table is None:
        return variant
    for number, words, chosen in table.get("pick", ()):
        value = str(numbers.get(number)).lower()
        if any(value == word or value.startswith(f"{word}.") for word in words):
            return str(chosen)
    return ""


def finding_text(finding_id: str, variant: str, numbers: Mapping[str, object], lang: str) -> FindingText:
    """Title and explanation of a finding. A variant may bring a title of its own, and adds its sentences to the others.

    An id without a text (a plugin's) is its own title; a variant without a text adds nothing, `survived` says so.
    """
    table = raw_text(finding_id)
    if table is None:
        return FindingText(finding_id, "")
    own = table[lang]
    extra = own.get("variants", {}).get(variant_of(finding_id, variant, numbers), {})
    sentences = [*own["explanation"], *extra.get("explanation", [])]
    if variant == "survived" and not extra:
        sentences.append(message("finding.survived", lang))
    for name in ("phase", "moment"):
        if has_message(key := f"{name}.{numbers.get(name)}", lang):
            numbers = {**numbers, name: message(key, lang, **numbers)}
    said = fill_all(sentences, numbers, lang)
    about_save = _about_save(numbers, lang)
    return FindingText(extra.get("title", own["title"]), ("" if lang == "ja" else " ").join(part for part in (said, about_save) if part))


def _about_save(numbers: Mapping[str, object], lang: str) -> str:
    """Which save can be gone back to, where saves are known."""
    if numbers.get("last_save") is not None:
        key = "finding.last-save-sound" if numbers.get("last_save_sound") else "finding.last-save"
        return message(key, lang, save=numbers["last_save"], step=numbers["last_save_step"])
    return message("finding.no-save", lang) if numbers.get("no_save") else ""


def explain_text(finding_id: str, lang: str) -> ExplainText:
    """All that is written about an id. Raises KeyError for an id without a text."""
    table = raw_text(finding_id)
    if table is None:
        raise KeyError(finding_id)
    own = table[lang]
    return ExplainText(
        id=finding_id,
        title=own["title"],
        explanation=fill_all(own["explanation"], {}, lang),
        meaning=own["meaning"],
        check=tuple(own["check"]),
        false_positives=tuple(own["false_positives"]),
        sources=tuple(table["sources"]),
        explains=tuple(table.get("explains", ())),
        echo_of=tuple(table.get("echo_of", ())),
        hold_s=float(table.get("hold_s", 0)),
    )


# ---------------------------------------------------------------- words of commands and reports


@cache
def _message_file(name: str) -> dict[str, dict[str, dict[str, str]]]:
    return read_table(_HERE / name)


APART = {"gpu": "messages_gpu.toml", "telemetry": "messages_gpu.toml", "doctor": "messages_doctor.toml"}
"""Groups of words that few commands need, and the file that each is in."""


def _messages() -> dict[str, dict[str, dict[str, str]]]:
    """All of them, of every file."""
    files = [_message_file(name) for name in ("messages.toml", *dict.fromkeys(APART.values()))]
    return {lang: {group: words for file in files for group, words in file[lang].items()} for lang in LANGUAGES}


def message_keys(lang: str) -> tuple[str, ...]:
    """Every key that `message` knows."""
    return tuple(f"{group}.{name}" for group, names in _messages()[lang].items() for name in names)


def has_message(key: str, lang: str) -> bool:
    """Whether `message` knows the key; asks the file of its group alone."""
    group, _, name = key.partition(".")
    return name in _message_file(APART.get(group, "messages.toml"))[lang].get(group, {})


def message(key: str, lang: str, **numbers: object) -> str:
    """The message `key` (`group.name`) with its figures. Raises KeyError for an unknown key or a missing figure."""
    group, _, name = key.partition(".")
    said = fill(_message_file(APART.get(group, "messages.toml"))[lang][group][name], numbers)
    if said is None:
        raise KeyError(f"message {key!r} lacks a figure")
    return said
