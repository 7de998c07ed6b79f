"""``sushi-lg pack``: result files in, the archive a server takes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sushi_lg.cli.common import JsonOption, format_table, write_json
from sushi_lg.cli.early import refuse_absent

if TYPE_CHECKING:
    from sushi_lg.submission.pack import Sheet
    from sushi_lg.submission.score import ArchiveScore


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
    json_file: JsonOption = None,
) -> None:
    """Pack results for a leaderboard. Refuses what its server would reject, and says why.

    Every row is checked, the archive is opened again and checked once more. Equal results give equal archives. With
    --data, sequences that have ground truth are scored from the archive. What was packed is noted in submissions.jsonl;
    nothing is uploaded, and no password is asked for.
    """
    from sushi_lg.submission.profile import load_profile

    rules = load_profile(profile)
    # both before TrackEval is imported, which takes seconds
    refuse_absent(results, "give the folder of a run, or of result files")

    from sushi_lg.submission.pack import LEDGER, note
    from sushi_lg.submission.pack import pack as pack_results
    from sushi_lg.submission.score import score_archive

    out = out or Path(f"{profile}.zip")
    sheet = pack_results(profile, results, out, layout=layout, data=data)
    score = None if data is None else score_archive(out, profile, data)
    before = note(ledger or out.parent / LEDGER, sheet, results, None if score is None else score.summary())
    same = [row for row in before if row["content"] == sheet.content]
    if str(json_file) != "-":
        show_sheet(sheet, score)
        typer.echo(f"uploads: {rules.quota}")
        if rules.form:
            typer.echo(f"the page asks for: {', '.join(rules.form)}")
        if same:
            typer.echo(f"note: the same results were packed before, {same[-1]['time']}")
        typer.echo(f"packed for {rules.title} so far: {len(before) + 1}")
        typer.echo(f"wrote {out}")
    if json_file is not None:
        content = sheet_to_json(sheet, score)
        write_json(json_file, content | {"packed_before": len(before), "same_before": [row["time"] for row in same]})


def show_sheet(sheet: Sheet, score: ArchiveScore | None = None) -> None:
    """Print what is in an archive, and what it scores."""
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
    if score is not None:
        if score.result.combined is None:
            typer.echo("not scored: no ground truth of its sequences under --data, or their files are empty")
        else:
            typer.echo("scores where there is ground truth, from the archive:")
            summary = score.summary()
            rows_of_table = [
                {"sequence": name, **{k: f"{v:.2f}" for k, v in values.items()}} for name, values in summary.items()
            ]
            typer.echo(format_table(rows_of_table))
        for remark in score.remarks:
            typer.echo(f"note: {remark}")
    typer.echo(f"sha256 {sheet.sha256}")


def sheet_to_json(sheet: Sheet, score: ArchiveScore | None) -> dict[str, object]:
    """Return the same as JSON values."""
    return {
        "archive": str(sheet.path),
        "profile": sheet.profile,
        "layout": sheet.layout,
        "sha256": sheet.sha256,
        "content": sheet.content,
        "files": {
            name: {"rows": file.rows, "tracks": file.tracks, "last_frame": file.last_frame}
            for name, file in sheet.files.items()
        },
        "faults": sheet.faults,
        "remarks": [*sheet.remarks, *(score.remarks if score else [])],
        "scores": score.summary() if score else {},
    }
