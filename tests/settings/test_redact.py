"""What looks like a secret is never shown; what only sounds like one stays."""

from __future__ import annotations

import pytest

from loramon.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--wandb_api_key=0123456789abcdef0123456789abcdef01234567 --lr 1", "--wandb_api_key=*** --lr 1"),
        ("'--huggingface_token', 'abcdef123456', '--x'", "'--huggingface_token', '***', '--x'"),
        ("export HF_TOKEN=abc123def456", "export HF_TOKEN=***"),
        ("hub_token: hf_abcdefghijklmnopqrst", "hub_token: ***"),
        ("using hf_abcdefghijklmnopqrst now", "using *** now"),
        ("git clone https://me:pass1234@github.com/x", "git clone https://***@github.com/x"),
        ('"token": "sk-abcdefghijklmnopqrstuvwx"', '"token": "***"'),
        ("password=hunter2hunter2", "password=***"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "--max_token_length=225 --keep_tokens=1 --token_warmup_step 0",
        "num_tokens: 123456789",
        "loading tokenizer from /models/tokenizer_2",
        "ValueError: token embedding too large",
        "see https://example.org/docs#token",
        "keyword: something",
        "'mean_token_accuracy': 0.8123456",
    ],
)
def test_what_only_sounds_like_one_stays(text: str) -> None:
    assert redact(text) == text
