"""The driver of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stub_driver import COMPILER, StubDriver, build


@pytest.fixture(scope="session")
def driver_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of `nvml_stub.c`."""
    if COMPILER is None:
        pytest.skip("no C compiler here: the stand-in for NVIDIA's driver cannot be built")
    return build(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def _loaded(driver_library: Path) -> StubDriver:
    return StubDriver(driver_library)


@pytest.fixture
def driver(_loaded: StubDriver) -> Iterator[StubDriver]:
    """A driver without cards, to be scripted; behind the test it knows none again."""
    _loaded.clear()
    yield _loaded
    _loaded.clear()
