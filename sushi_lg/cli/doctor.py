"""``sushi-lg doctor``: check a data set before hours are spent on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.cli.common import ConfigOption, JsonOption, OverridesArgument, write_json
from sushi_lg.cli.early import refuse_absent
from sushi_lg.errors import DataError


@dataclass
class DoctorConfig:
    """Settings of the verb.

    Attributes:
        show_info: print also what is merely noteworthy.
    """

    show_info: bool = True


def doctor(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="A sequence, a data set, or a folder of data sets.")],
    overrides: OverridesArgument = None,
    json_file: JsonOption = None,
    config: ConfigOption = None,
) -> None:
    """Check a data set in one pass: what is wrong, where, and the fix. Changes nothing; exits with 3 on errors."""
    from sushi_lg.config import load_config

    settings = load_config(DoctorConfig, None, config, overrides or [])
    refuse_absent(root, "give the folder that holds the data set")

    from sushi_lg.data.doctor import examine  # brings SciPy

    findings = examine(root)
    counts = Counter(finding.severity for finding in findings)
    to_stdout = str(json_file) == "-"
    if not to_stdout:
        for finding in findings:
            if finding.severity == "info" and not settings.show_info:
                continue
            typer.echo(f"{finding.severity}: {finding.where}: {finding.message}")
            if finding.fix:
                typer.echo(f"  fix: {finding.fix}")
        typer.echo(f"{root}: {counts['error']} errors, {counts['warning']} warnings, {counts['info']} notes")
    if json_file is not None:
        write_json(json_file, {"root": str(root), "findings": [asdict(finding) for finding in findings]})
    if counts["error"]:
        raise typer.Exit(DataError.exit_code)
