"""``sushi-lg bench``: how fast, how much memory, and what bounds it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sushi_lg.cli.common import JsonOption, find_device, format_table, refuse_unknown_device, write_json
from sushi_lg.errors import ConfigError


def bench(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENE]...",
            help="FRAMESxPERSONS[xWIDTH] (simulated), a file of detections, or a split with --data.",
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="default, sushi or lgmot.")] = "default",
    weights: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="default, or a .safetensors file.")] = None,
    decisions: Annotated[
        str, typer.Option(metavar="network|labels", help="labels: the network runs, decisions are perfect.")
    ] = "network",
    embedding_width: Annotated[int, typer.Option(metavar="D", help="Draw appearance vectors of this width.")] = 0,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="ROOT", help="Folder that holds the data sets, for splits.")
    ] = None,
    detections: Annotated[str | None, typer.Option(metavar="STEM", help="Which file in det/, for splits.")] = None,
    repeat: Annotated[int, typer.Option(metavar="N", help="Runs of each scene; the fastest counts.")] = 3,
    threads: Annotated[int, typer.Option(metavar="N", help="Threads; 0 = as many as there are cores.")] = 0,
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="Where to compute.")] = "cpu",
    json_file: JsonOption = None,
) -> None:
    """Measure tracking: seconds by stage, frames/s, peak memory, and what bounds each stage.

    Every scene runs in a process of its own, so that peak memory is its own. The bound of a stage is what its
    operations and bytes need at the rates of a matrix product and a copy measured in the same process. Machines are
    shared: measure on an idle one, and compare numbers of one run only. Peak memory is that of tracking; measuring the
    machine afterwards takes half a gigabyte more.
    """
    if decisions not in ("network", "labels"):
        raise ConfigError(f"--decisions {decisions!r} is unknown", "network or labels")
    if recipe != "default" and weights is None:
        raise ConfigError(
            "the published recipes ship without weights", "give --weights FILE, made by `sushi-lg import-checkpoint`"
        )
    for option, value, least in (
        ("repeat", repeat, 1),
        ("threads", threads, 0),
        ("embedding-width", embedding_width, 0),
    ):
        if value < least:
            raise ConfigError(f"--{option} {value} is below {least}")
    refuse_unknown_device(device)
    from sushi_lg.benchmark.measure import Task, describe_machine, measure_apart
    from sushi_lg.benchmark.scenes import check_name

    device = find_device(device)
    for scene in scenes or []:
        check_name(scene)

    runs = []
    for scene in scenes or ["2000x20"]:
        task = Task(
            scene=scene,
            recipe=recipe,
            weights=weights or "default",
            decisions=decisions,
            embedding_width=embedding_width,
            data=None if data is None else str(data),
            detections=detections,
            repeat=repeat,
            threads=threads,
            device=device,
        )
        runs.append(measure_apart(task))
        typer.echo(_report(runs[-1]), err=str(json_file) == "-")  # standard output is for machines then
    if json_file is not None:
        write_json(json_file, {"machine": describe_machine(), "runs": runs})


def _report(run: dict[str, Any]) -> str:
    """Return one run as text."""
    lines = [
        f"{run['task']['scene']}: {run['frames']} frames, {run['detections']} detections, "
        f"{run['trajectories']} trajectories",
        f"  {run['seconds']:.2f} s, {run['frames_per_second']:.0f} frames/s, "
        f"{run['detections_per_second']:.0f} detections/s, peak memory {run['peak_memory_mb']:.0f} MB "
        f"({run['memory_before_mb']:.0f} before)"
        + (f", {run['peak_gpu_memory_mb']:.0f} MB on the GPU" if run["peak_gpu_memory_mb"] else ""),
    ]
    rows = []
    for name, found in sorted(run["stages"].items(), key=lambda item: -item[1]["seconds"]):
        row = {"stage": f"  {name}", "seconds": f"{found['seconds']:.3f}"}
        known = "bound_by" in found
        row["GFLOP/s"] = f"{found['gflops_per_second']:.1f}" if known else "-"
        row["GB/s"] = f"{found['gbytes_per_second']:.1f}" if known else "-"
        row["bound by"] = found["bound_by"] if known else "-"
        row["of the bound"] = f"{100 * found['share_of_bound']:.0f} %" if known else "-"
        rows.append(row)
    waits = run["host_waits"]
    if waits is not None:
        lines.append(
            f"  host waits a level, counted as on a GPU: {waits['mean_a_level']:.2f} on average, "
            f"{waits['most_a_level']:.2f} at most; {waits['once']:.0f} outside of levels"
        )
    machine = run["machine"]
    if machine is not None:
        lines.append(
            f"  this machine: {machine['operations_per_second'] / 1e9:.0f} GFLOP/s in a 1024x1024 product, "
            f"{machine['bytes_per_second'] / 1e9:.1f} GB/s in a copy"
        )
    return "\n".join([*lines, format_table(rows)])
