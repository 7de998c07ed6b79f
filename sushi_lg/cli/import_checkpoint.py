"""``sushi-lg import-checkpoint``: weights of the original SUSHI and LG-MOT code for this package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE.pth|.safetensors", help="State dict under original names.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Target; FILE with .sushi-lg.safetensors without it.")
    ] = None,
) -> None:
    """Turn weights of the original code into ours: read without running code, renamed, compared number by number.

    Track with them by `sushi-lg track ... --recipe sushi --weights OUT` (or lgmot).
    """
    from sushi_lg.tracking.sushi import save_sushi
    from sushi_lg.training.import_legacy import import_checkpoint as read

    found = read(file)
    target = out or file.with_suffix(".sushi-lg.safetensors")
    about = {"recipe": found.recipe, "source": file.name, "source_sha256": found.sha256}
    save_sushi(target, found.tracker, about)
    levels = [level.frames for level in found.tracker.config.levels]
    typer.echo(f"recipe {found.recipe}: {len(levels)} levels of {', '.join(map(str, levels))} frames")
    for key in found.ignored:
        typer.echo(f"ignored, the network does not use it: {key}")
    if found.recipe == "lgmot":
        typer.echo("note: the LG-MOT layout follows its source code; no released weights were at hand to test it")
    typer.echo(f"largest difference of logits from the original layout: {found.largest_difference:.1e}")
    typer.echo(f"wrote {target}")
