"""``sushi-lg validate``: what a server would say to an archive, without spending an upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import JsonOption, write_json


def validate(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="A .zip, whoever packed it.")],
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="mot17, ...; without it the names of files tell.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="ROOT", help="Folder of the data sets: names, lengths, truth.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Check an archive for a leaderboard: names, places and every row.

    With --data, sequences that have ground truth are scored from the archive.

    Exit code 0: it may be sent; 3: the server would reject it, every fault is listed.
    """
    from sushi_lg.cli.pack import sheet_to_json, show_sheet
    from sushi_lg.errors import DataError
    from sushi_lg.submission.pack import validate as validate_archive
    from sushi_lg.submission.score import score_archive

    sheet = validate_archive(archive, profile, data=data)
    score = None if data is None or sheet.faults else score_archive(archive, sheet.profile, data)
    if str(json_file) != "-":
        show_sheet(sheet, score)
        for fault in sheet.faults:
            typer.echo(f"fault: {fault}")
    if json_file is not None:
        write_json(json_file, sheet_to_json(sheet, score))
    if sheet.faults:
        raise DataError(f"{archive}: {len(sheet.faults)} faults", "correct the results and `sushi-lg pack` them")
    typer.echo("no faults", err=str(json_file) == "-")
