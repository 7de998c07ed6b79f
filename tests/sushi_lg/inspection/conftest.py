from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import write_world

from sushi_lg.cli.app import main


@pytest.fixture(scope="package")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run over two toy sequences; treat it as read-only."""
    root = tmp_path_factory.mktemp("tracked")
    split = write_world(root / "data", ("one", "two"))
    with pytest.raises(SystemExit) as stop:
        main(["track", str(split), "--data", str(root / "data"), "--out", str(root / "run"), "workers=1"])
    assert stop.value.code == 0
    return root / "run"
