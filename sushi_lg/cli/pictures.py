"""What the verbs that look at pictures share: finding them, running stages over them, and saying what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from sushi_lg.cli.common import find_device
from sushi_lg.cli.progress import show_progress
from sushi_lg.errors import DataError, WeightsError

if TYPE_CHECKING:
    from sushi_lg.appearance.protocol import Embedder
    from sushi_lg.data.frames import FrameSource
    from sushi_lg.data.sequence import Sequence
    from sushi_lg.detection.protocol import Detector
    from sushi_lg.perception.perceive import Perceived

Network = TypeVar("Network", "Detector", "Embedder")

_SHOWN = 5


@dataclass(frozen=True)
class Looking:
    """How to look at pictures.

    Attributes:
        on_bad_image: error or skip.
        workers: Threads; 0 = as many as there are cores.
        device: auto, cpu, cuda or cuda:N.
    """

    on_bad_image: str
    workers: int
    device: str

    def load(self, load: Callable[..., Network], name: str, **options: Any) -> tuple[Network, int]:  # noqa: ANN401
        """Return a network, and how many of its calls may run at once.

        Args:
            load: ``load_detector`` or ``load_embedder``.
            name: What to load.
            options: More for ``load``.
        """
        from sushi_lg.data.frames import usable_cores

        used = find_device(self.device)
        try:
            network = load(name, device=used, **options)
        except WeightsError as error:
            if self.device != "auto" or used == "cpu":
                raise
            # an onnxruntime without CUDA beside a torch that has it
            network = load(name, device="cpu", **options)
            typer.echo(f"note: {name} runs on the CPU: {error.message}", err=True)
        return network, self.workers or usable_cores() if network.parallel else 1


def open_pictures(
    names: list[str], data: Path | None, frames: Path | None, frame_rate: float | None, on_bad_image: str
) -> list[FrameSource]:
    """Return the pictures of videos, image folders, sequence folders or of the sequences of a split under ``data``.

    Raises:
        DataError: nothing there, two of one name, or a split without ``data``.
    """
    from sushi_lg.data.frames import open_frames, sequence_frames

    if len(names) == 1 and (not Path(names[0]).exists() or is_split(Path(names[0]))):
        opened = [
            sequence_frames(sequence, frames=frames, on_bad_image=on_bad_image)  # type: ignore[arg-type]
            for sequence in split_sequences(names[0], data)
        ]
    else:
        opened = [
            open_frames(name, frames=frames, frame_rate=frame_rate, on_bad_image=on_bad_image)  # type: ignore[arg-type]
            for name in names
        ]
    first: dict[str, Path] = {}
    for source in opened:
        if first.setdefault(source.name, source.path) is not source.path:
            raise DataError(
                f"two sources are named {source.name}: {first[source.name]} and {source.path}",
                "take them one by one, each with its own --out",
            )
    return opened


def split_sequences(name: str, data: Path | None) -> list[Sequence]:
    """Return the sequences of a split.

    Raises:
        DataError: unknown split, no ``data``, or sequences that are not there.
    """
    from sushi_lg.data.splits import locate_split, read_split

    read_split(name)  # an unknown name is explained there
    if data is None:
        raise DataError(f"{name}: a split needs --data", "--data ROOT, the folder that holds the data sets")
    located = locate_split(name, data)
    if located.missing:
        raise DataError(f"{data}: sequences of {name} are absent: {', '.join(located.missing)}", "name folders instead")
    return list(located.sequences)


def is_split(path: Path) -> bool:
    """Tell whether a file is a list of sequences."""
    return path.is_file() and path.suffix == ".txt"


def is_pictures(name: str) -> bool:
    """Tell whether a source of `track` is a video or a folder of images, rather than a sequence or a split."""
    path = Path(name)
    if path.is_file():
        return not is_split(path)
    if not path.is_dir() or any((path / inside).exists() for inside in ("seqinfo.ini", "det", "gt", "img1")):
        return False
    return any(child.suffix.lower() in (".jpg", ".jpeg", ".png") for child in path.iterdir())


def perceive_and_tell(
    source: FrameSource,
    folder: Path,
    detector: Detector,
    looking: Looking,
    **stages: Any,  # noqa: ANN401
) -> Perceived:
    """Run ``perceive`` with a progress display; tell what was found, what was there already and what was left out."""
    from sushi_lg.perception.perceive import perceive

    with show_progress(source.name, source.length) as update:
        done = perceive(source, folder, detector=detector, workers=looking.workers, progress=update, **stages)
    tell_reuse(source.name, done.reused, done.resumed, done.frames)
    tell_skipped(source, done.skipped)
    camera = f", {done.camera} camera" if done.camera else ""
    rate = "" if done.reused else f", {(done.frames - done.resumed) / done.seconds:.1f} frames/s"
    typer.echo(f"{source.name}: {done.boxes} detections in {done.frames} frames{camera}{rate}", err=True)
    return done


def tell_reuse(name: str, reused: tuple[str, ...], resumed: int, frames: int) -> None:
    """Say what an earlier run had done."""
    if reused:
        typer.echo(f"{name}: {', '.join(reused)} there already, kept", err=True)
    if resumed:
        typer.echo(f"{name}: {resumed} of {frames} frames were done by a run that stopped", err=True)


def tell_skipped(source: FrameSource, skipped: Mapping[int, str]) -> None:
    """Say which frames were left out."""
    if skipped:
        shown = "; ".join(f"{number}: {reason}" for number, reason in list(skipped.items())[:_SHOWN])
        more = f"; and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        typer.echo(
            f"note: {source.name}: {len(skipped)} of {source.length} frames (counted from 0) left out: {shown}{more}"
        )
