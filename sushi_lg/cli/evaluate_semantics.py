"""``sushi-lg evaluate-semantics``: score what was said about clips. Reads files only."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import JsonOption, format_table, write_json


class ProfileName(enum.Enum):
    """How texts and labels are compared."""

    bensmot_ref = "bensmot-ref"
    coco = "coco"


class Tracks(enum.Enum):
    """How predicted tracks find their annotated ones."""

    gt = "gt"
    argmax = "argmax"
    hungarian = "hungarian"


def evaluate_semantics(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="What `sushi-lg describe` wrote: holds semantics/*.json.")
    ],
    truth: Annotated[
        Path | None, typer.Argument(metavar="[TRUTH]", help="Annotations: a folder of BenSMOT, or files like RESULTS.")
    ] = None,
    profile: Annotated[
        list[ProfileName] | None, typer.Option(help="As BenSMOT's script, or as papers on captions; both without it.")
    ] = None,
    tracks: Annotated[
        Tracks, typer.Option(help="RESULTS are about annotated tracks (gt), or about those of a tracker.")
    ] = Tracks.argmax,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Part of BenSMOT: test (where there is one), train, held-out (a tenth of train) or all.",
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(metavar="N", min=0, help="Draws of clips for intervals of 95 %; 0 for none.")
    ] = 1000,
    java: Annotated[
        bool | None, typer.Option("--java/--no-java", help="METEOR of Java in coco; by default where there is Java.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write one JSON file a profile there.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Score captions, interactions and summaries against annotations, one table a profile.

    bensmot-ref gives the numbers of the script released with BenSMOT, its ways included; coco gives those of papers on
    captions and compares labels by name. The two must not stand in one table.

    Annotated clips without results are scored as empty, results without annotations are left out, and both are said.
    argmax is the matching of BenSMOT's script, where people nobody found cost nothing; hungarian matches one to one,
    and who is not found has an empty caption.

    Without TRUTH, RESULTS holds the three files that BenSMOT's script scores, with predictions and annotations matched
    before: {caption,summary,relation}_results.json.
    """
    from semantic.evaluation.matching import Rule
    from semantic.evaluation.profiles import evaluate, tables_of
    from semantic.evaluation.reading import read_results, read_truth
    from semantic.evaluation.reference_files import score_reference_files
    from sushi_lg.errors import ConfigError

    if truth is None:
        if (profile or [ProfileName.bensmot_ref]) != [ProfileName.bensmot_ref]:
            raise ConfigError("files of BenSMOT's script are scored as it does", "leave out --profile, or name TRUTH")
        blocks = score_reference_files(results)
        reference = ProfileName.bensmot_ref.value
        if str(json_file) != "-":
            typer.echo("\n\n".join(format_table(table) for table in tables_of(blocks.values(), reference)))
        if json_file is not None:
            write_json(json_file, {reference: {title: block.to_json() for title, block in blocks.items()}})
        return
    said, true = read_results(results), read_truth(truth, split)
    names = [name.value for name in profile or list(ProfileName)]
    to_stdout = str(json_file) == "-"
    contents = {}
    for number, name in enumerate(dict.fromkeys(names)):
        found = evaluate(said, true, name, Rule(tracks.value), draws=bootstrap, java=java)
        contents[name] = found.to_json()
        if not to_stdout:
            parts = [format_table(table) for table in found.tables()] + ["\n".join(found.notes())]
            typer.echo(("\n" if number else "") + "\n\n".join(parts))
        if out is not None:
            write_json(out / f"semantics_{name}_{tracks.value}.json", contents[name])
    if json_file is not None:
        write_json(json_file, contents)
