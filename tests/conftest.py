"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sushi_lg.host import like_on_a_gpu


@pytest.fixture(params=["as on a CPU", "as on a GPU"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test on both ways of ``sushi_lg.host``."""
    if request.param == "as on a CPU":
        yield
        return
    with like_on_a_gpu():
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real sequences: ``SUSHI_LG_DATA``, else ``../shared/data`` beside the checkout; skip without it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SUSHI_LG_DATA", default))
    if not (folder / "mot").is_dir():
        pytest.skip(f"no real sequences at {folder}; set SUSHI_LG_DATA")
    return folder
