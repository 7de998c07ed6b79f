"""What several verbs share: options with one spelling, and plain tables."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import ConfigError, DataError

ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings in a YAML file.")]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[key=value]...", help="Single settings, the last word.")
]
DataOption = Annotated[Path, typer.Option("--data", metavar="ROOT", help="Folder that holds the data sets.")]
OptionalDataOption = Annotated[
    Path | None, typer.Option("--data", metavar="ROOT", help="Folder that holds the data sets.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the same for machines; - is standard output.")
]


class Choice(enum.Enum):
    """What to do about something absent or wrong."""

    error = "error"
    skip = "skip"


def split_words(words: Sequence[str], what: str) -> tuple[list[str], list[str]]:
    """Return the sources and the ``key=value`` settings of a command line.

    Args:
        words: As they stand there.
        what: Sources the verb takes, for the message.

    Raises:
        DataError: no source.
    """
    names = [word for word in words if "=" not in word or Path(word).exists()]
    if not names:
        raise DataError("no SOURCE", f"give {what}")
    return names, [word for word in words if word not in names]


def refuse_unknown_device(name: str) -> None:
    """Stop at a word that names no device; whether there is one, ``find_device`` knows.

    Raises:
        ConfigError: not auto, cpu, cuda or cuda:N.
    """
    kind, _, number = name.partition(":")
    if name != "auto" and (kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdigit()))):
        raise ConfigError(f"device: {name!r} is unknown", "auto, cpu, cuda or cuda:N")


def find_device(name: str) -> str:
    """Return the device to compute on.

    Args:
        name: auto (cuda where there is one), cpu, cuda or cuda:N.

    Raises:
        ConfigError: another word, or there is no such device.
    """
    refuse_unknown_device(name)
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {name}, but PyTorch sees no GPU", "device=cpu; `sushi-lg env` shows what it sees")
    if number and int(number) >= torch.cuda.device_count():
        raise ConfigError(f"device: {name}, but there are {torch.cuda.device_count()} GPUs", "they count from 0")
    return name


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as JSON to ``path``, or to standard output for ``-``."""
    text = json.dumps(content, indent=2)
    if str(path) == "-":
        typer.echo(text)
        return
    with atomic_path(path) as staged:
        staged.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"wrote {path}", err=True)


def format_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as aligned text, never cut: the first column to the left, numbers to the right."""
    if not rows:
        return ""
    titles = list(rows[0])
    widths = [max(len(title), *(len(row[title]) for row in rows)) for title in titles]
    lines = [_line(titles, widths), *(_line([row[title] for title in titles], widths) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])
