"""Makes `tests/helpers` importable from every test folder, and keeps what tests run out of the user's own runs."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

# the programs that tests start find their modules compiled, as installed ones do: else each start compiles them anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# a shell starts what runs in the background deaf to Ctrl-C, and so would be every program that the tests start
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _home_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORAMON_HOME", str(tmp_path_factory.mktemp("loramon-home")))
        for name in ("COLUMNS", "LINES"):  # xdist gives its workers a width of 80
            patch.delenv(name, raising=False)
        yield
