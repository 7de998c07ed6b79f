"""What the verbs that look at pictures share: finding them, running stages over them, and saying what happened."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from sushi_lg.cli.common import find_device, refuse_unknown_device
from sushi_lg.cli.progress import download_lines, show_progress
from sushi_lg.data.files import near_paths
from sushi_lg.errors import ConfigError, DataError, WeightsError

if TYPE_CHECKING:
    from sushi_lg.appearance.protocol import Embedder
    from sushi_lg.data.frames import FrameSource
    from sushi_lg.data.sequence import Sequence
    from sushi_lg.data.splits import LocatedSplit
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

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ConfigError(f"workers: {self.workers} is below 0", "0 = as many as there are cores")
        refuse_unknown_device(self.device)

    def load(self, load: Callable[..., Network], name: str, **options: Any) -> tuple[Network, int]:  # noqa: ANN401
        """Return a network, and how many of its calls may run at once.

        Args:
            load: ``load_detector`` or ``load_embedder``.
            name: What to load.
            options: More for ``load``.
        """
        from sushi_lg.data.frames import usable_cores

        used = find_device(self.device)
        options["progress"] = download_lines(name)
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
        ConfigError: a frame rate for the sequences of a split.
    """
    split = split_of(names)  # before what reads pictures is imported: a mistyped name is answered at once
    from sushi_lg.data.frames import open_frames
    from sushi_lg.data.sequence import open_sequence
    from sushi_lg.perception.perceive import origin_of

    if split is not None:
        if frame_rate is not None:
            raise ConfigError(
                "--frame-rate is of videos and folders", f"leave it out: sequences of {split} state theirs"
            )
        opened = [pictures_of(sequence, frames, on_bad_image) for sequence in locate(split, data).sequences]
    else:
        opened = [
            pictures_of(open_sequence(name, frame_rate=frame_rate), frames, on_bad_image)
            if origin_of(name) is not None
            else open_frames(name, frames=frames, frame_rate=frame_rate, on_bad_image=on_bad_image)  # type: ignore[arg-type]
            for name in names
        ]
    refuse_namesakes((source.name, source.path) for source in opened)
    return opened


def pictures_of(sequence: Sequence, frames: Path | None, on_bad_image: str) -> FrameSource:
    """Return the pictures of a sequence; those of a folder that `detect` or `track` made are where it says.

    Raises:
        DataError: no pictures, or others than those the folder was made from.
    """
    from sushi_lg.data.frames import open_frames, sequence_frames
    from sushi_lg.perception.perceive import origin_of

    root = sequence.info.root
    origin = origin_of(root)
    if origin is None:
        return sequence_frames(sequence, frames=frames, on_bad_image=on_bad_image)  # type: ignore[arg-type]
    if frames is not None:
        source = sequence_frames(sequence, frames=frames, on_bad_image=on_bad_image)  # type: ignore[arg-type]
    elif not origin.source.exists():
        raise DataError(f"{root}: made from {origin.source}, which is gone", "say with --frames where the pictures are")
    else:
        rate = sequence.info.frame_rate
        source = open_frames(origin.source, frame_rate=rate, on_bad_image=on_bad_image)  # type: ignore[arg-type]
        source.name = sequence.name
    if source.content_key() != origin.content:
        what = "changed since" if frames is None else "other pictures than"
        raise DataError(f"{source.path}: {what} {root} was made from it", "detect again, into another --out")
    return source


def split_of(names: list[str]) -> str | None:
    """Return the split that the words of a command line name, or None where they are files and folders.

    Raises:
        DataError: a word that is no file and cannot be a split.
    """
    from sushi_lg.data.splits import split_names

    absent = [name for name in names if not Path(name).exists() and name not in split_names()]
    first = Path(absent[0]) if absent else Path()
    if absent and (len(names) > 1 or first.suffix or len(first.parts) > 1):
        raise DataError(f"no such file or folder: {', '.join(absent)}", nearest_name(first))
    if absent and not difflib.get_close_matches(absent[0], split_names(), n=1):
        raise DataError(f"no such file, folder or split: {absent[0]}", nearest_name(first))
    alone = Path(names[0])
    return names[0] if len(names) == 1 and (not alone.exists() or is_split(alone)) else None


def locate(split: str, data: Path | None, missing: str = "error", remedy: str = "name folders instead") -> LocatedSplit:
    """Return where the sequences of a split are.

    Args:
        split: Its name, or its file.
        data: What ``--data`` says.
        missing: error, or skip for as many as there are.
        remedy: Of absent ones.

    Raises:
        DataError: unknown split, no ``data``, or sequences that are not there.
    """
    from sushi_lg.data.splits import locate_split, read_split

    count = len(read_split(split).sequences)  # an unknown name is explained there
    if data is None:
        raise DataError(f"{split}: a split needs --data", "--data ROOT, the folder that holds the data sets")
    located = locate_split(split, data)
    if located.missing and (missing == "error" or not located.sequences):
        absent = ", ".join(located.missing)
        raise DataError(f"{data}: {len(located.missing)} of {count} sequences of {split} are absent: {absent}", remedy)
    return located


def refuse_namesakes(named: Iterable[tuple[str, Path]]) -> None:
    """Stop where two sequences would write the same file.

    Args:
        named: Name and place of each.

    Raises:
        DataError: two of one name.
    """
    first: dict[str, Path] = {}
    for name, path in named:
        if name in first:
            raise DataError(
                f"two sequences are named {name}: {first[name]} and {path}",
                "take them one by one, each with its own --out",
            )
        first[name] = path


def is_split(path: Path) -> bool:
    """Tell whether a file is a list of sequences."""
    return path.is_file() and path.suffix == ".txt"


def is_pictures(name: str) -> bool:
    """Tell whether a source of `track` is a video or a folder of images, rather than a sequence or a split."""
    from sushi_lg.data.image_size import IMAGE_EXTENSIONS

    path = Path(name)
    if path.is_file():
        return not is_split(path)
    if not path.is_dir() or any((path / inside).exists() for inside in ("seqinfo.ini", "det", "gt", "img1")):
        return False
    return any(child.suffix.lower() in IMAGE_EXTENSIONS for child in path.iterdir())


def nearest_name(path: Path) -> str:
    """Return what to say about a file that is not there: the names beside it that are like it."""
    parent = path.absolute().parent
    if not parent.is_dir():
        return f"{parent} does not exist either; check the path"
    near = [one.name for one in near_paths(path)]
    return f"did you mean {', '.join(near)}?" if near else f"check the path; nothing in {parent} is called like it"


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
    if done.unknown_steps:
        camera += f" ({done.unknown_steps} of {done.frames - 1} steps unknown, taken for none)"
    rate = "" if done.reused else f", {(done.frames - done.resumed) / done.seconds:.1f} frames/s"
    typer.echo(f"{source.name}: {done.boxes} detections in {done.frames} frames{camera}{rate}", err=True)
    return done


def tell_reuse(name: str, reused: tuple[str, ...], resumed: int, frames: int) -> None:
    """Say what an earlier run had done."""
    if reused:
        typer.echo(f"{name}: {', '.join(reused)} there already, kept", err=True)
    if resumed:
        typer.echo(f"{name}: {resumed} of {frames} frames were done by a run that stopped", err=True)


def skipped_to_json(skipped: Mapping[int, str]) -> dict[str, str]:
    """Return why frames were left out, by their numbers from 1 on, as JSON has it."""
    return {str(number + 1): reason for number, reason in sorted(skipped.items())}


def tell_skipped(source: FrameSource, skipped: Mapping[int, str]) -> None:
    """Say which frames were left out."""
    if skipped:
        shown = "; ".join(f"{number + 1}: {reason}" for number, reason in list(skipped.items())[:_SHOWN])
        more = f"; and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        typer.echo(f"note: {source.name}: {len(skipped)} of {source.length} frames left out: {shown}{more}", err=True)
