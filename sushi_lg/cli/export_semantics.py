"""``sushi-lg export-semantics``: what was said, in the files other programs read."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Format(enum.Enum):
    """Whose files."""

    combined = "combined"
    mot = "mot"
    reference = "reference"
    chota = "chota"


def export_semantics(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="What `sushi-lg describe` wrote: holds semantics/*.json.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")],
    form: Annotated[Format, typer.Option("--format", help="Which files; see above.")] = Format.combined,
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Annotations; reference and chota need them, mot takes them.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Part of BenSMOT: train, test (where there is one) or all.")
    ] = None,
) -> None:
    """Write what was said in the files other programs read.

    combined: instance_caption.json, video_summary.json and relation.json of BenSMOT, by ids of the tracks described.
    mot: trajectories as TrackEval reads them, annotated ones too with --truth. reference: the lists that the script
    released with BenSMOT scores, tracks matched as it does. chota: ground truth and predictions in COCO's style for
    dense video object captioning.
    """
    from semantic.bensmot.exporters import (
        write_chota,
        write_combined,
        write_mot_results,
        write_mot_truth,
        write_reference_results,
    )
    from semantic.evaluation.lists import collect
    from semantic.evaluation.matching import Rule
    from semantic.evaluation.reading import read_results, read_truth
    from sushi_lg.errors import ConfigError

    if truth is None and form in (Format.reference, Format.chota):
        raise ConfigError(f"--format {form.value} compares with annotations", "add --truth DIR")
    if truth is not None and form is Format.combined:
        raise ConfigError("--format combined holds results only, --truth would not be read", "leave it out")
    said = read_results(results)
    true = [] if truth is None else read_truth(truth, split)
    written: list[Path] = []
    if form is Format.combined:
        written += write_combined(out, said)
    elif form is Format.mot:
        written.append(write_mot_results(out / "trackers", (clip for clip, _ in said)))
        if true:
            written.append(write_mot_truth(out / "gt", (clip for clip, _ in true)))
    elif form is Format.reference:
        written += write_reference_results(out, collect(said, true, Rule.argmax, as_released=True))
    else:
        written += write_chota(out, said, true)
    for path in written:
        typer.echo(f"wrote {path}")
