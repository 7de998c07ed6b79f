"""``sushi-lg evaluate``: score result files. Reads files only, so any tracker's results can be scored."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import ConfigOption, DataOption, JsonOption, OverridesArgument, format_table, write_json
from sushi_lg.cli.early import refuse_absent


class Missing(enum.Enum):
    """What to do about sequences without data or results."""

    error = "error"
    skip = "skip"


@dataclass
class EvaluateConfig:
    """Settings of the verb.

    Attributes:
        missing: stop at absent sequences, or skip them and say so; None does as the run did.
    """

    missing: Missing | None = None


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Holds <sequence>.txt directly, in tracks/ or in data/.")
    ],
    data: DataOption,
    overrides: OverridesArgument = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which sequences; without it DIR's config.yaml decides.")
    ] = None,
    json_file: JsonOption = None,
    config: ConfigOption = None,
) -> None:
    """Score result files with TrackEval: HOTA, CLEAR and Identity, per sequence and combined, in percent and counts.

    A video may go under any of its names (MOT17-02, MOT17-02-FRCNN). missing=skip scores what is there.
    """
    from sushi_lg.config import load_config
    from sushi_lg.data.splits import read_split

    settings = load_config(EvaluateConfig, None, config, overrides or [])
    # these before TrackEval is imported, which takes seconds
    refuse_absent(folder, "give the folder of a run, or of result files")
    refuse_absent(data, "--data ROOT names the folder that holds the data sets")
    if split is not None:
        read_split(split)

    from sushi_lg.evaluation.results import evaluate_folder

    missing = settings.missing
    result = evaluate_folder(folder, data, split=split, missing=missing.value if missing else None)
    to_stdout = str(json_file) == "-"
    if result.combined is not None and not to_stdout:
        typer.echo(format_table(result.table()))
        left_out = result.combined
        if left_out.removed_results or left_out.ignored_truth:
            typer.echo(
                f"not scored: {left_out.ignored_truth} boxes of the ground truth (flag 0 or another class), "
                f"{left_out.removed_results} results matched to distractors"
            )
    if result.without_ground_truth:
        names = ", ".join(result.without_ground_truth)
        typer.echo(f"no ground truth, not scored (the result files are well formed): {names}", err=to_stdout)
    for note in result.notes:
        typer.echo(f"note: {note}", err=to_stdout)
    if json_file is not None:
        write_json(json_file, result.to_json())
