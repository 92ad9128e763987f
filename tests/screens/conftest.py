"""Makes `driving` and `pty_terminal` importable, and starts dashboards on pseudo-terminals."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def terminal():
    """Starts dashboards on pseudo-terminals, and ends what is left of them."""
    from pty_terminal import Terminal

    opened = []

    def start(*paths, **kwargs):
        opened.append(Terminal(*paths, **kwargs))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
