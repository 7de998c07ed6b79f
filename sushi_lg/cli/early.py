"""What a command line tells about folders and weights before anything heavy is imported to read them."""

from __future__ import annotations

from pathlib import Path

import sushi_lg
from sushi_lg.data.files import near_paths
from sushi_lg.errors import DataError, WeightsError


def refuse_absent(path: Path, remedy: str, *, may_be_file: bool = False) -> None:
    """Stop where a folder is not there; names those beside it that are called alike.

    Args:
        path: Of the folder.
        remedy: What to give instead.
        may_be_file: A file will do.

    Raises:
        DataError: nothing there, or a file where only a folder will do.
    """
    if path.is_dir() or (may_be_file and path.exists()):
        return
    near = ", ".join(str(one) for one in near_paths(path) if may_be_file or one.is_dir())
    what = "no such file or folder" if may_be_file else "no such folder"
    raise DataError(f"{path}: {what}", f"did you mean {near}? {remedy}" if near else remedy)


def refuse_absent_weights(name: str) -> None:
    """Stop where ``--weights`` names neither a file nor shipped weights, as ``weights_path`` would.

    Raises:
        WeightsError: there are none.
    """
    folder = Path(sushi_lg.__path__[0]) / "weights"
    if not (Path(name).is_file() or (folder / f"{name}.safetensors").is_file()):
        known = ", ".join(sorted(path.stem for path in folder.glob("*.safetensors"))) or "none"
        raise WeightsError(f"{name}: no such weights", f"give a .safetensors file; shipped: {known}")
