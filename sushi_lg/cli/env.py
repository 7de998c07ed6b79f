"""``sushi-lg env``: what a bug report should say about the machine."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import typer

import sushi_lg
from sushi_lg.cli.common import JsonOption, write_json
from sushi_lg.data.resources import configs_path


def env(json_file: JsonOption = None) -> None:
    """Show versions, processors, GPUs and paths: paste this into a bug report."""
    facts = _facts()
    if str(json_file) != "-":
        for section, entries in facts.items():
            typer.echo(f"{section}:")
            for key, value in entries.items():
                typer.echo(f"  {key}: {value}")
    if json_file is not None:
        write_json(json_file, facts)


def _facts() -> dict[str, dict[str, object]]:
    import torch

    package = Path(sushi_lg.__file__).resolve().parent
    weights = sorted(path.name for path in (package / "weights").glob("*.safetensors"))
    devices: dict[str, object] = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    devices["threads of torch"] = torch.get_num_threads()
    devices["cuda"] = torch.version.cuda or "torch is built without it"
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices[f"gpu {index}"] = f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB"
    return {
        "sushi-lg": {"version": sushi_lg.__version__, "package": str(package), "configs": str(configs_path())}
        | {"weights": ", ".join(weights) or "none"},
        "python": {"version": platform.python_version(), "executable": sys.executable, "system": platform.platform()},
        "devices": devices,
        "packages": dict(_versions()),
    }


def _versions() -> list[tuple[str, object]]:
    """Return the installed versions of the direct dependencies, the optional ones included."""
    try:
        stated = metadata.requires("sushi-lg") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return [("sushi-lg", "not installed, run from a checkout")]
    names = sorted({match.group() for line in stated if (match := re.match(r"[\w.-]+", line))})
    found: list[tuple[str, object]] = []
    for name in names:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return found
