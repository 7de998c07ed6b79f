"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real sequences: ``SUSHI_LG_DATA``, else ``../shared/data`` beside the checkout; skip without it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SUSHI_LG_DATA", default))
    if not (folder / "mot").is_dir():
        pytest.skip(f"no real sequences at {folder}; set SUSHI_LG_DATA")
    return folder
