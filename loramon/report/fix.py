"""A proposal of `diagnose --fix` as text: the change in words, the diff, what could not be changed, what may come later."""

from __future__ import annotations

from loramon.advice.words import remedy_text
from loramon.fix.proposal import Proposal
from loramon.i18n import message
from loramon.report.ascii import to_ascii
from loramon.report.text import Style
from loramon.report.wrap import wrap

_DIFF_COLOURS = {"+": "healthy", "-": "critical", "@": "dim"}


def fix_page(proposal: Proposal, style: Style) -> str:
    """The proposal, ending with a newline. Lines of the diff are never wrapped, so that `patch` can read them."""
    lang = style.lang
    lines: list[str] = []
    if proposal.remedy is not None:
        lines.append(style.paint(message("fix.title", lang, target=proposal.target), "bold"))
        lines += wrap(remedy_text(proposal.remedy, lang)["action"], style.width, "  ")
        lines += [style.paint(line, _DIFF_COLOURS[line[0]]) if line[:1] in _DIFF_COLOURS else line for line in proposal.diff.splitlines()]
    for key, about in proposal.cannot:
        why = message(key, lang)
        lines += wrap(message("fix.cannot", lang, why=why, **about) if about else why, style.width, "")
    if proposal.later:
        lines += ["", style.paint(message("fix.later", lang), "bold")]
        lines += [row for r in proposal.later for row in wrap(f"{style.mark('note')} {remedy_text(r, lang)['action']}", style.width, "  ", "    ")]
    if not lines:
        lines.append(message("fix.nothing", lang))
    text = "\n".join(lines) + "\n"
    return to_ascii(text) if style.ascii_only else text
