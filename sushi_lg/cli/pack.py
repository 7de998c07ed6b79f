"""``sushi-lg pack``: result files in, the archive a server takes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sushi_lg.submission.pack import Sheet


def pack(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="mot17, mot20, dancetrack or sportsmot.")],
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A run, or a folder of <sequence>.txt.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The archive; PROFILE.zip.")] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="root or folder, where a server is known to take both.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="ROOT", help="Folder of the data sets: names, lengths, truth.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", metavar="FILE", help="Where it is noted; beside the archive.")
    ] = None,
) -> None:
    """Pack results for a leaderboard. Refuses what its server would reject, and says why.

    Every row is checked, the archive is opened again and checked once more. Equal results give equal archives. What was
    packed is noted in submissions.jsonl; nothing is uploaded, and no password is asked for.
    """
    from sushi_lg.submission.pack import LEDGER, note
    from sushi_lg.submission.pack import pack as pack_results
    from sushi_lg.submission.profile import load_profile

    out = out or Path(f"{profile}.zip")
    sheet = pack_results(profile, results, out, layout=layout, data=data)
    before = note(ledger or out.parent / LEDGER, sheet, results)
    show_sheet(sheet)
    rules = load_profile(profile)
    typer.echo(f"uploads: {rules.quota}")
    if rules.form:
        typer.echo(f"the page asks for: {', '.join(rules.form)}")
    if same := [row for row in before if row["content"] == sheet.content]:
        typer.echo(f"note: the same results were packed before, {same[-1]['time']}")
    typer.echo(f"packed for {rules.title} so far: {len(before) + 1}")
    typer.echo(f"wrote {out}")


def show_sheet(sheet: Sheet) -> None:
    """Print what is in an archive."""
    from sushi_lg.submission.profile import load_profile

    rules = load_profile(sheet.profile)
    rows = sum(file.rows for file in sheet.files.values())
    empty = sum(not file.rows for file in sheet.files.values())
    typer.echo(f"{rules.title}: {rules.server} (rules as read in {rules.checked})")
    folder = f"in the folder {rules.folder}" if rules.folder else "in a folder"
    place = "at the root" if sheet.layout == "root" else folder
    typer.echo(
        f"{len(sheet.files)} files {place}, "
        f"{rows} boxes, {sum(file.tracks for file in sheet.files.values())} trajectories"
        + (f", {empty} files empty as allowed" if empty else "")
    )
    for remark in sheet.remarks:
        typer.echo(f"note: {remark}")
    typer.echo(f"sha256 {sheet.sha256}")
