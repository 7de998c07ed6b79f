"""``sushi-lg import-checkpoint``: weights of the original SUSHI and LG-MOT code, and of fast-reid, for this package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.errors import ConfigError


def import_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE.pth|.safetensors", help="State dict under original names.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Target; without it FILE with .sushi-lg.safetensors, for fast-reid FILE with .safetensors.",
        ),
    ] = None,
    crop_size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", help="fast-reid: height and width of crops, if not those the network was trained with."
        ),
    ] = None,
) -> None:
    """Turn weights of other projects into ours: read without running code, and checked before anything is written.

    A tracker of SUSHI or LG-MOT is compared with its original number by number; track with it by
    `sushi-lg track ... --recipe sushi --weights OUT` (or lgmot). A re-identification network of fast-reid is used as
    `--embedder OUT`. Which it is, the names of the tensors say.
    """
    from sushi_lg.appearance.fastreid import looks_like_fastreid
    from sushi_lg.data.checkpoints import read_state_dict

    if looks_like_fastreid(read_state_dict(file)):
        _import_fastreid(file, out, crop_size)
    elif crop_size is not None:
        raise ConfigError(f"{file}: a tracker sees no crops", "leave --crop-size out")
    else:
        _import_tracker(file, out)


def _import_fastreid(file: Path, out: Path | None, crop_size: str | None) -> None:
    from sushi_lg.appearance.fastreid import convert_fastreid, converted_path

    size = None
    if crop_size is not None:
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", crop_size)
        if match is None:
            raise ConfigError(f"--crop-size {crop_size}: not of the form HxW", "for example --crop-size 256x128")
        size = (int(match[1]), int(match[2]))
    found = convert_fastreid(file, out or converted_path(file), size)
    typer.echo(f"fast-reid: {found.architecture}; crops of {found.crop_size[0]}x{found.crop_size[1]}")
    if found.ignored:
        typer.echo(f"left out, only training needs it: {_summary(found.ignored)}")
    typer.echo(f"wrote {found.path}")


def _import_tracker(file: Path, out: Path | None) -> None:
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


def _summary(keys: list[str]) -> str:
    """Name single tensors, count those that come by the dozen."""
    counters = [key for key in keys if key.endswith(".num_batches_tracked")]
    named = [key for key in keys if key not in counters]
    return ", ".join([*named, *([f"{len(counters)} counters of batches"] if counters else [])])
