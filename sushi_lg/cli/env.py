"""``sushi-lg env``: what a bug report should say about the machine, and nothing private."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import typer

import sushi_lg
from sushi_lg.cli.common import JsonOption, write_json
from sushi_lg.data.models import file_sha256, search_folders
from sushi_lg.data.resources import configs_path
from sushi_lg.errors import WeightsError

_VARIABLES = ("SUSHI_LG_MODELS", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SUSHI_LG_SEGMENT")
_WEIGHTS = (".safetensors", ".onnx", ".pth", ".pt", ".bin")
_MOST_LISTED = 40


def env(json_file: JsonOption = None) -> None:
    """Show versions, processors, GPUs, weights and paths: paste this into a bug report.

    The home folder is written as ~ and your user name as USER; the names of your own weights are shown.
    """
    facts = _facts()
    if str(json_file) != "-":
        for section, entries in facts.items():
            if not entries:
                continue
            typer.echo(f"{section}:")
            for key, value in entries.items():
                typer.echo(f"  {key}: {value}")
    if json_file is not None:
        write_json(json_file, facts)


def anonymous(text: str) -> str:
    """Return text with the home folder as ~ and the user's name in paths as USER."""
    home = str(Path.home())
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?=[/\\:;]|$)", "~", text)
    with contextlib.suppress(OSError, KeyError, ImportError):  # a user without a name has none to hide
        name = getpass.getuser()
        text = re.sub(rf"(?<=[/\\]){re.escape(name)}(?=[/\\:;]|$)", "USER", text) if name else text
    return text


def _facts() -> dict[str, dict[str, object]]:
    package = Path(sushi_lg.__file__).resolve().parent
    program: dict[str, object] = {"version": sushi_lg.__version__}
    if revision := _revision(package.parent):
        program["revision"] = revision
    program |= {"package": anonymous(str(package)), "configs": anonymous(str(configs_path()))}
    return {
        "sushi-lg": program,
        "python": {
            "version": platform.python_version(),
            "executable": anonymous(sys.executable),
            "system": platform.platform(),
        },
        "devices": _devices(),
        "video": _video(),
        "weights": _weights(package),
        "variables": {name: anonymous(os.environ[name]) for name in _VARIABLES if os.environ.get(name)},
        "packages": dict(_versions()),
    }


def _devices() -> dict[str, object]:
    import torch

    devices: dict[str, object] = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    devices["threads of torch"] = torch.get_num_threads()
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not everywhere can it be asked
        devices["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    devices["disk free here"] = f"{shutil.disk_usage('.').free / 2**30:.1f} GiB"
    devices["cuda"] = torch.version.cuda or "torch is built without it"
    if torch.version.cuda:
        devices["cudnn"] = str(torch.backends.cudnn.version())
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        capability = f"{properties.major}.{properties.minor}"
        devices[f"gpu {index}"] = f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB, sm {capability}"
    with contextlib.suppress(ImportError):
        import onnxruntime

        devices["onnxruntime"] = ", ".join(onnxruntime.get_available_providers())
    return devices


def _video() -> dict[str, object]:
    """Return what reads and writes videos; FFmpeg's libraries come with PyAV, its program is not used."""
    try:
        import av
    except ImportError as error:
        return {"av": f"cannot be imported: {anonymous(str(error))}"}
    versions = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    encoder = "yes" if "libx264" in av.codecs_available else "no: videos cannot be written"
    return {
        "libavcodec": versions.get("libavcodec", "?"),
        "libavformat": versions.get("libavformat", "?"),
        "h264": encoder,
    }


def _weights(package: Path) -> dict[str, object]:
    """Return the shipped weights with their hashes, and what lies where weights are looked for with its size."""
    found: dict[str, object] = {
        path.stem: f"sha256 {file_sha256(path)}" for path in sorted((package / "weights").glob("*.safetensors"))
    }
    try:
        folders = search_folders()
    except WeightsError as error:  # the report is most wanted where something is wrong
        return found | {"error": anonymous(error.message)}
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.suffix in _WEIGHTS) if folder.is_dir() else []
        for path in files[:_MOST_LISTED]:
            try:
                found[anonymous(str(path))] = _size_and_hash(path)
            except OSError as error:  # a link that leads nowhere, say
                found[anonymous(str(path))] = f"cannot be read: {error.strerror}"
        if len(files) > _MOST_LISTED:
            found[anonymous(str(folder))] = f"{len(files) - _MOST_LISTED} files more"
    return found


def _size_and_hash(path: Path) -> str:
    """Return the size of a file, and its hash as the file beside it says: some weights are gigabytes."""
    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.is_file():
        return size
    words = beside.read_text(encoding="utf-8", errors="replace").split()
    if not words or re.fullmatch(r"[0-9a-fA-F]{64}", words[0]) is None:
        return f"{size}, {beside.name} holds no hash"
    return f"{size}, sha256 {words[0]}"


def _revision(checkout: Path) -> str | None:
    """Return the revision of a git checkout, and whether it was changed since; None where this is none."""
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    try:
        asked = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5)
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip()


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
