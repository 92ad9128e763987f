"""Keeps secrets out of what is shown: access tokens and keys in command lines, settings and quoted log lines."""

from __future__ import annotations

import re

MASK = "***"

_KINDS = "hub|hf|huggingface|access|auth|api|bearer|github|webhook|bot"
_NAMES = rf"(?:[\w-]*(?:_|-|\b))?(?:(?:api|access|secret)[_-]?key|secret|password|passwd|(?:{_KINDS})[_-]?token|token)"
_NAMED = re.compile(rf"(?i)((?<![\w-])-{{0,2}}{_NAMES}['\"]?\s*(?:=|:|,|\s)\s*)(['\"]?)([^\s'\",;\]}})]{{8,}})")
_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bAKIA[0-9A-Z]{16}\b"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*|\bAIza[0-9A-Za-z_-]{30,}"
)
"""Tokens that are known by their own shape: Hugging Face, OpenAI style, GitHub, AWS, Slack, JSON Web Tokens, Google."""
_USERINFO = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^/\s:@]*:?[^/\s@]+@")
_HINTS = ("ey", "oken", "OKEN", "ecret", "ECRET", "assw", "ASSW", "hf_", "sk-", "gh", "AKIA", "xox", "://", "AIza")


def redact(text: str) -> str:
    """The text with what looks like a secret replaced by `***`; everything else as it was.

    A value counts as secret by the name in front of it (`--wandb_api_key X`, `hub_token: X`), by its own shape (`hf_…`),
    or as the user part of an address. Words and numbers that only sound alike (`max_token_length=225`) stay.
    """
    if not any(hint in text for hint in _HINTS):
        return text
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _SHAPES.sub(MASK, text)
    return _NAMED.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    value = match[3]
    # a sentence about a token is no token: those mix digits with letters, or are long
    telling = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return f"{match[1]}{match[2]}{MASK}" if telling or len(value) >= 20 else match[0]
