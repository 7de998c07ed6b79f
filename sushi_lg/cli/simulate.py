"""``sushi-lg simulate``: names of domains in, data sets with pictures, ground truth and descriptions out."""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sushi_lg.cli.common import JsonOption, split_words, write_json
from sushi_lg.cli.progress import show_progress
from sushi_lg.errors import ConfigError

if TYPE_CHECKING:
    from sushi_lg.simulation.export import Exported
    from sushi_lg.simulation.scenes import Domain
    from sushi_lg.simulation.social.world import SocialDomain

_SOCIAL = "social"


class SequenceLayout(enum.Enum):
    """Whose files are written."""

    mot = "mot"
    bensmot = "bensmot"


def simulate(
    domains: Annotated[
        list[str], typer.Argument(metavar="DOMAIN... [key=value]...", help="plaza, stage, night, mall or social.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="ROOT", help="Folder of the data set; for --data of others.")],
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Splits of one seed have other people and scenes.")
    ] = "train",
    sequences: Annotated[int, typer.Option(metavar="N", min=1, help="How many of each domain.")] = 6,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of everything random.")] = 0,
    layout: Annotated[
        SequenceLayout, typer.Option(help="Whose files: MOTChallenge's, or BenSMOT's (social only).")
    ] = SequenceLayout.mot,
    json_file: JsonOption = None,
) -> None:
    """Simulate people in scenes: writes sequences, their true descriptions, and a split file of each domain.

    A sequence that is complete is kept, and a run that was stopped goes on. Settings of the domains follow as
    key=value: frames=150 is the length, people=[12,18] a range from which each sequence draws its own number.
    In social few people do something with each other: captions, summaries, interactions and acts are written, too.
    """
    names, overrides = split_words(domains, "names of domains")
    if _SOCIAL in names:
        if len(names) > 1:
            raise ConfigError("social and other domains at once", "its settings are others; simulate it by itself")
        _write(
            json_file,
            out,
            split,
            [_simulate_social(_social(overrides), out, split, sequences, seed, layout, json_file)],
        )
        return
    if layout is not SequenceLayout.mot:
        raise ConfigError(f"--layout {layout.value}: {', '.join(names)} have no interactions", "only social has")
    wanted = [_domain(name, overrides) for name in names]

    from sushi_lg.simulation.export import export_split

    made = []
    for domain in wanted:
        began = time.perf_counter()
        with show_progress(f"{domain.name} {split}", sequences * domain.frames) as update:
            exported = export_split(domain, out, split=split, sequences=sequences, seed=seed, done=update)
        listed = out / f"{domain.name}-{split}.txt"
        rows = listed.read_text(encoding="utf-8").splitlines()
        count = sum(not row.startswith("#") for row in rows)
        made.append(_tell(domain.name, exported, listed, count, time.perf_counter() - began, json_file))
    _write(json_file, out, split, made)


def _simulate_social(
    domain: SocialDomain,
    out: Path,
    split: str,
    sequences: int,
    seed: int,
    layout: SequenceLayout,
    json_file: Path | None,
) -> dict[str, Any]:
    from sushi_lg.simulation.social.export import export_social

    began = time.perf_counter()
    with show_progress(f"{domain.name} {split}", sequences, "clips") as update:
        exported = export_social(
            domain, out, split=split, sequences=sequences, seed=seed, layout=layout.value, done=update
        )
    listed = out / f"{domain.name}-{split}.txt" if layout is SequenceLayout.mot else out / split
    return _tell(domain.name, exported, listed, sequences, time.perf_counter() - began, json_file)


def _tell(
    name: str, exported: Iterable[Exported], listed: Path, count: int, seconds: float, json_file: Path | None
) -> dict[str, Any]:
    """Say what was written of a domain; return the same as JSON values."""
    is_quiet = str(json_file) == "-"
    rows = [{"sequence": one.path.name, "path": str(one.path), "kept": one.reused} for one in exported]
    for row in rows:
        typer.echo(f"{'kept' if row['kept'] else 'wrote'} {row['path']}", err=is_quiet)
    typer.echo(f"wrote {listed} ({count} sequences)", err=is_quiet)
    return {"domain": name, "listed": str(listed), "sequences": rows, "seconds": seconds}


def _write(json_file: Path | None, out: Path, split: str, made: list[dict[str, Any]]) -> None:
    if json_file is not None:
        write_json(json_file, {"out": str(out), "split": split, "domains": made})


def _social(overrides: list[str]) -> SocialDomain:
    from sushi_lg.config import load_config
    from sushi_lg.simulation.social.world import SocialDomain

    base = [f"{key}={json.dumps(value)}" for key, value in asdict(SocialDomain()).items()]
    return load_config(SocialDomain, dotlist=[*base, *overrides])


def _domain(name: str, overrides: list[str]) -> Domain:
    import difflib

    from sushi_lg.config import load_config
    from sushi_lg.simulation.scenes import DOMAINS, Domain

    if name not in DOMAINS:
        known = [*DOMAINS, _SOCIAL]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"{name!r} is no known domain", f"{hint}known: {', '.join(known)}")
    # JSON is YAML, so the domain itself comes before the command line as settings like any other
    base = [f"{key}={json.dumps(value)}" for key, value in asdict(DOMAINS[name]).items()]
    return load_config(Domain, dotlist=[*base, *overrides])
