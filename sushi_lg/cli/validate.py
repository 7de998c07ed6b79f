"""``sushi-lg validate``: what a server would say to an archive, without spending an upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def validate(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="A .zip, whoever packed it.")],
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="mot17, ...; without it the names of files tell.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="ROOT", help="Folder of the data sets: names, lengths, truth.")
    ] = None,
) -> None:
    """Check an archive for a leaderboard: names, places and every row. Nothing is unpacked to disk.

    Exit code 0: it may be sent; 3: the server would reject it, every fault is listed.
    """
    from sushi_lg.cli.pack import show_sheet
    from sushi_lg.errors import DataError
    from sushi_lg.submission.pack import validate as validate_archive

    sheet = validate_archive(archive, profile, data=data)
    show_sheet(sheet)
    for fault in sheet.faults:
        typer.echo(f"fault: {fault}")
    if sheet.faults:
        raise DataError(f"{archive}: {len(sheet.faults)} faults", "correct the results and `sushi-lg pack` them")
    typer.echo("no faults")
