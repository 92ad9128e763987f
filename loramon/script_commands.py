"""The commands of a shell, batch or PowerShell script as words, each with its place in the text.

Joined are continued lines (`\\` in sh, `^` in batch, a backtick in PowerShell); taken away are comments and redirections;
put in are variables that the script itself sets to plain words. Nothing is run: a variable that is set elsewhere, or in a
branch, stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Shell = Literal["sh", "bat", "ps1"]
SHELLS: dict[str, Shell] = {".sh": "sh", ".bash": "sh", ".zsh": "sh", ".command": "sh", ".bat": "bat", ".cmd": "bat", ".ps1": "ps1"}
_CONTINUED = {"sh": re.compile(r"\\\r?\n[ \t]*"), "bat": re.compile(r"\^[ \t]*\r?\n[ \t]*"), "ps1": re.compile(r"`[ \t]*\r?\n[ \t]*")}
_ENDS = {"sh": ("&&", "||", ";", "|", "&"), "bat": ("&&", "||", "&", "|"), "ps1": ("&&", "||", ";", "|")}
_REDIRECTION = re.compile(r"(?:\d|&|\*)?(?:>>|>\||>&|&>|>|<)(?:&\d|&-)?")
_NAME = r"[A-Za-z_]\w*"
_VARIABLE = {
    "sh": re.compile(rf"\$\{{({_NAME})(?:\[[@*]\])?\}}|\$({_NAME})"),
    "bat": re.compile(rf"%({_NAME})%|!({_NAME})!"),
    "ps1": re.compile(rf"\$\{{({_NAME})\}}|\$({_NAME})|@({_NAME})(?![\w(])"),
}
_SET = {
    "sh": re.compile(rf"[ \t]*(?:export[ \t]+|declare[ \t]+(?:-\w+[ \t]+)?|readonly[ \t]+)?({_NAME})(\+?=)(.*)", re.S),
    "bat": re.compile(rf"[ \t]*@?set[ \t]+(?:/[aA][ \t]+)?\"?({_NAME})(=)(.*)", re.S | re.I),
    "ps1": re.compile(rf"[ \t]*\$(?:env:)?({_NAME})[ \t]*(\+?=)[ \t]*(.*)", re.S),
}
_COMMENT = {"sh": re.compile(r"[ \t]*#"), "bat": re.compile(r"[ \t]*@?(?:rem\b|::)", re.I), "ps1": re.compile(r"[ \t]*#")}
_BRANCH = re.compile(r"[ \t]*(?:if|elif|else|elseif|for|foreach|while|until|case|switch|function)\b|[ \t]*\}[ \t]*else", re.I)


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `start`, `end`: its characters in the script with quotes, None where it came out of a variable."""

    text: str
    line: int
    start: int | None = None
    end: int | None = None


def shell_of(name: str) -> Shell | None:
    """The language of a script by the end of its name, or None."""
    return next((shell for suffix, shell in SHELLS.items() if name.lower().endswith(suffix)), None)


def commands_of(text: str, shell: Shell = "sh") -> list[list[Word]]:
    """Every command of the script, in order."""
    found: list[list[Word]] = []
    values: dict[str, list[Word]] = {}
    depth = 0
    for start, line in _logical_lines(text, shell):
        if _COMMENT[shell].match(line):
            continue
        branch = depth > 0 or _BRANCH.match(line) is not None
        assigned = _SET[shell].fullmatch(line)
        if assigned is not None and not _is_command(assigned[3]):
            _assign(assigned, _words(assigned[3], start + assigned.start(3), text, shell), values, branch)
        else:
            for words in _split(_words(line, start, text, shell), shell):
                found.append([made for word in words for made in _filled(word, values, shell)])
        depth = max(0, depth + _opened(line, shell))
    return [_without_settings(words) for words in found if words]


def _is_command(value: str) -> bool:
    """`CUDA_VISIBLE_DEVICES=0 accelerate launch …` is a command with a variable in front of it."""
    return re.match(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'();]+)[ \t]+[^\s#;]", value) is not None


def _assign(assigned: re.Match[str], words: list[Word], values: dict[str, list[Word]], branch: bool) -> None:
    name, adds = assigned[1], assigned[2] == "+="
    made = [w for w in words if w.text not in ("(", ")", "@(", ",", ";")]
    made = [Word(re.sub(r"^@?\(|[),]$", "", w.text), w.line, w.start, w.end) for w in made]
    made = [v for w in made if w.text for v in (values.get(w.text[1:], [w]) if w.text[:1] == "$" else [w])]
    if branch or any("::" in w.text or w.text.startswith(("$(", "`")) for w in made):
        values.pop(name, None)  # who knows which branch is taken, or what is computed
    else:
        values[name] = [*values.get(name, []), *made] if adds else made


def _opened(line: str, shell: Shell) -> int:
    """By how many branches a line goes deeper."""
    if shell == "sh":
        return len(re.findall(r"(?:^|[;\s])(?:if|for|while|until|case)\s", line)) - len(re.findall(r"(?:^|[;\s])(?:fi|done|esac)\b", line))
    bare = re.sub(r"\"[^\"]*\"|'[^']*'|\$\{\w+\}", "", line)
    if shell == "ps1":
        return bare.count("{") - bare.count("}")
    return (1 if re.search(r"\([ \t]*$", bare) else 0) - (1 if re.match(r"[ \t]*\)", bare) else 0)


def _logical_lines(text: str, shell: Shell) -> list[tuple[int, str]]:
    """Lines with those that continue them and those that an open quote or array spans; with the place of the first character."""
    joined = _CONTINUED[shell].sub(lambda m: " " * len(m[0]), text)  # as long as before, so that places stay
    found, at = [], 0
    while at < len(joined):
        end = _line_end(joined, at, shell)
        line = joined[at:end].rstrip("\r\n")
        if line.strip():
            found.append((at, line))
        at = end + 1
    return found


def _line_end(text: str, at: int, shell: Shell) -> int:
    """The next line end that is in no quotes and in no array."""
    quote, depth = "", 0
    comment = _COMMENT[shell].match(text, at) is not None
    while at < len(text):
        mark = text[at]
        if mark == "\n" and (not quote or shell == "bat") and (depth <= 0 or shell == "bat"):
            return at
        if not comment:
            if quote:
                quote = "" if mark == quote else quote
            elif mark in "\"'" and shell != "bat":
                quote = mark
            elif mark == "(":
                depth += 1
            elif mark == ")":
                depth -= 1
            elif mark == "#" and shell != "bat" and text[at - 1 : at] in ("", " ", "\t", "\n"):
                at = text.find("\n", at)
                if at < 0:
                    return len(text)
                continue
        at += 1
    return len(text)


def _words(line: str, start: int, text: str, shell: Shell) -> list[Word]:
    """The words of a logical line; `start`: its place in the script."""
    found: list[Word] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        if line[at] == "#" and shell != "bat":
            at = line.find("\n", at) if "\n" in line[at:] else len(line)
            continue
        end, said = _word(line, at, shell)
        found.append(Word(said, text.count("\n", 0, start + at) + 1, start + at, start + end))
        at = end
    return found


def _word(line: str, at: int, shell: Shell) -> tuple[int, str]:
    """Where the word that begins at `at` ends, and what it says without quotes and escapes."""
    begin = at
    said: list[str] = []
    for sign in _ENDS[shell]:
        if line.startswith(sign, at) and not line.startswith("&>", at) and not (shell == "ps1" and sign == "&"):
            return at + len(sign), sign
    while at < len(line) and not line[at].isspace():
        mark = line[at]
        if at > begin and mark in ";|" and shell != "bat":
            break
        if at > begin and mark == "&" and line[at - 1] not in "<>":
            break
        if mark == '"' or (mark == "'" and shell != "bat"):
            end = line.find(mark, at + 1)
            while end > 0 and mark == '"' and shell == "sh" and line[end - 1] == "\\":
                end = line.find(mark, end + 1)
            end = len(line) if end < 0 else end
            inner = line[at + 1 : end]
            said.append(re.sub(r'\\(["\\$`])', r"\1", inner) if mark == '"' and shell == "sh" else inner)
            at = end + 1
        elif mark == "\\" and shell == "sh" and at + 1 < len(line):
            said.append(line[at + 1])
            at += 2
        else:
            said.append(mark)
            at += 1
    return max(at, begin + 1), "".join(said)


def _split(words: Sequence[Word], shell: Shell) -> list[list[Word]]:
    """The commands of a line, without redirections."""
    found: list[list[Word]] = [[]]
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.text in _ENDS[shell] and word.end is not None and word.start is not None and word.end - word.start == len(word.text):
            found.append([])
        elif (match := _REDIRECTION.match(word.text)) is not None:
            skip = match.end() == len(word.text) and not match[0].endswith(("&1", "&2", "&-"))
        else:
            found[-1].append(word)
    return [words for words in found if words]


def _filled(word: Word, values: dict[str, list[Word]], shell: Shell) -> list[Word]:
    """The word with the script's own variables put in; an array that stands alone becomes its words."""
    match = _VARIABLE[shell].fullmatch(word.text)
    if match is not None:
        name = next(g for g in match.groups() if g)
        if name in values and (len(values[name]) != 1 or shell != "sh" or "@" in word.text):
            return values[name]

    def value(found: re.Match[str]) -> str:
        name = next(g for g in found.groups() if g)
        return " ".join(w.text for w in values[name]) if name in values else found[0]

    text = _VARIABLE[shell].sub(value, word.text)
    if text == word.text:
        return [word]
    if match is not None and shell == "sh" and " " in text and word.start is not None and word.end is not None and word.end - word.start == len(match[0]):
        return [Word(part, word.line) for part in text.split()]  # not quoted: the shell splits it
    return [Word(text, word.line)]


def _without_settings(words: list[Word]) -> list[Word]:
    """Without the variables that stand in front of a command."""
    i = 0
    while i < len(words) and re.fullmatch(rf"{_NAME}=.*", words[i].text, re.S):
        i += 1
    rest = words[i:]
    return rest[1:] if rest and rest[0].text in ("&", "call", "start", "!") else rest
