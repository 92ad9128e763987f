"""A change of one setting as edits of a configuration file's text: one value, or one line more; all else stays."""

from __future__ import annotations

from collections.abc import Callable

from loramon import settings as table
from loramon.advice.conditions import is_on
from loramon.config_document import Document, Entry
from loramon.config_settings import settings_of
from loramon.findings import Change
from loramon.fix.edit import CannotChange, Edit, literal

_WRAPPED = {"ai-toolkit": ("config", "process", 0)}
_DATASET_KEYS = ("batch_size", "num_repeats", "resolution", "caption_extension", "enable_bucket")


def edits_of(document: Document, trainer: str, change: Change) -> list[Edit]:
    """The edits that put the setting to the suggested value. Raises CannotChange where the text does not allow it."""
    if change.flag is None or change.suggested is None:
        raise CannotChange("fix.no-figure")
    stated = [given for given in settings_of(document, trainer) if given.setting == change.setting]
    means = {key.name: key.means for key in table.keys(change.setting, trainer)}
    found = [edit for given in stated for edit in _of_entry(document, given.entry, _means_of(given.key, means), change)]
    switch = means.get(change.flag)
    if switch is not None and switch == change.suggested:
        return [*found, *(edit for flag in change.flag.split() for edit in _switched_on(document, trainer, flag))]
    if found or any(_is_so(given.value, change.suggested) for given in stated):
        return found
    value = change.suggested if switch is None else False
    if value is False and not stated:
        raise CannotChange("fix.not-there")
    return [_new_line(document, trainer, change.flag, value)]


def _switched_on(document: Document, trainer: str, flag: str) -> list[Edit]:
    """A switch that may be there, on or off, or not at all."""
    wanted = table.plain_key(flag)
    for entry in document.entries:
        key = table.own_key([part for part in entry.path if isinstance(part, str)], trainer)
        if table.plain_key(key) == wanted and entry.span is not None:
            return [] if is_on(entry.value) else [Edit(*entry.span, literal(True, document.kind))]
    return [_new_line(document, trainer, flag, True)]


def _means_of(key: str, means: dict[str, object]) -> object:
    plain = {table.plain_key(name): value for name, value in means.items()}
    return plain.get(table.plain_key(key), plain.get(table.plain_key(key.rpartition(".")[2])))


def _is_so(value: object, wanted: object) -> bool:
    return is_on(value) is wanted if isinstance(wanted, bool) else value == wanted


def _of_entry(document: Document, entry: Entry, means: object, change: Change) -> list[Edit]:
    """What becomes of a place that states the setting."""
    if entry.span is None:
        raise CannotChange("fix.no-place")
    old = document.text[slice(*entry.span)]
    if means is not None and means == change.suggested:
        return []  # a switch that stands for this value; `edits_of` sees to it
    wanted: object = False if means is not None else change.suggested  # another switch of the same setting goes off
    if isinstance(entry.value, list) and means is None:
        if not all(isinstance(v, (int, float)) for v in entry.value) or isinstance(wanted, bool):
            raise CannotChange("fix.a-list")
        text = f"[{', '.join(literal(wanted, document.kind) for _ in entry.value)}]"
        return [Edit(*entry.span, text)] if text != old else []
    if _is_so(entry.value, wanted):
        return []
    if isinstance(entry.value, str) and "," in entry.value and not isinstance(wanted, bool):
        wanted = ",".join(str(wanted) for _ in entry.value.split(","))  # `512,512`
    return [Edit(*entry.span, literal(wanted, document.kind, old))]


def _new_line(document: Document, trainer: str, flag: str, value: object) -> Edit:
    """A line of its own behind its last sibling, indented as that."""
    key = flag.split()[0].lstrip("-")
    if trainer in table.FLATTENED:
        sibling = _last(document, lambda e: "datasets" not in e.path and "general" not in e.path)
        parent: tuple[str | int, ...] = sibling.path[:-1] if sibling is not None else ()
        if sibling is None or key in _DATASET_KEYS:
            sibling = _last(document, lambda e: e.path[:1] == ("general",)) or sibling
    else:
        *above, key = key.split(".")
        parent = (*_WRAPPED.get(trainer, ()), *above)
        if "datasets" in above:
            raise CannotChange("fix.dataset")
        sibling = _last(document, lambda e: e.path[:-1] == parent)
    if sibling is None or sibling.span is None:
        raise CannotChange("fix.no-place")
    return _behind(document, sibling, key, literal(value, document.kind))


def _last(document: Document, fits: Callable[[Entry], bool]) -> Entry | None:
    return next((e for e in reversed(document.entries) if e.span is not None and fits(e) and not _in_list_line(document, e)), None)


def _in_list_line(document: Document, entry: Entry) -> bool:
    """Whether its line begins a list's item (`- type: x`), whose indent is not that of its siblings."""
    assert entry.span is not None
    return document.kind == "yaml" and _line(document.text, entry.span[0])[1].lstrip().startswith("- ")


def _line(text: str, at: int) -> tuple[int, str]:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return start, text[start : len(text) if end < 0 else end]


def _behind(document: Document, sibling: Entry, key: str, value: str) -> Edit:
    assert sibling.span is not None
    text = document.text
    _, line = _line(text, sibling.span[0])
    indent = line[: len(line) - len(line.lstrip())]
    if document.kind == "json":
        return Edit(sibling.span[1], sibling.span[1], f',\n{indent}"{key}": {value}')
    end = text.find("\n", sibling.span[1])
    end = len(text) if end < 0 else end
    sign = " = " if document.kind == "toml" else ": "
    return Edit(end, end, f"\n{indent}{key}{sign}{value}")
