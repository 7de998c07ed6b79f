"""One sequence folder: what seqinfo.ini says, its detections, camera motion and ground truth, whole or a range of it.

A ``Sequence`` is a view: a range of frames renumbered from 1, so the halves of a video need no copied files. Tables
keep file conventions (1-based); ``Detections`` follow the package (frames and pixels 0-based).
"""

from __future__ import annotations

import configparser
import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path, visible_children, warn_once
from sushi_lg.data.gallery import open_gallery
from sushi_lg.data.image_size import IMAGE_EXTENSIONS, image_size
from sushi_lg.data.layouts import Layout, layout_of
from sushi_lg.data.mot_format import MotTable, OnBadRow, read_table
from sushi_lg.data.sparse_frames import numbered_pictures, read_sparse_ground_truth
from sushi_lg.errors import DataError

if TYPE_CHECKING:  # torch is slow to import, and listing sequences does not need it
    from sushi_lg.structures import Detections

logger = logging.getLogger(__name__)

RowChoice = Literal["all", "identities", "scored"]
_EXAMPLE_KEYS = ("name", "imDir", "frameRate", "seqLength", "imWidth", "imHeight", "imExt")


@dataclass(frozen=True)
class SequenceInfo:
    """What is known about a video before reading boxes.

    Attributes:
        name: Folder name; result files are called so.
        root: The sequence folder.
        length: Number of frames.
        frame_rate: Frames per second.
        width: Picture width in pixels.
        height: Picture height in pixels.
        image_folder: Folder of the frames, which may be absent.
        image_extension: Extension with the dot.
        layout: The data set's conventions.
        image_names: Files of the frames in their order, where the layout's numbering may have gaps; else empty.
    """

    name: str
    root: Path
    length: int
    frame_rate: float
    width: int
    height: int
    image_folder: Path
    image_extension: str
    layout: Layout
    image_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sequence:
    """A range of frames of a sequence, renumbered: its frame 1 is frame ``first`` of the files.

    Attributes:
        info: The whole video.
        first: File number (1-based) of the first frame of the view.
        length: Number of frames of the view.
    """

    info: SequenceInfo
    first: int
    length: int

    def __post_init__(self) -> None:
        if self.first < 1 or self.length < 1 or self.first + self.length - 1 > self.info.length:
            last = self.first + self.length - 1
            raise DataError(f"{self.info.name}: frames {self.first} to {last} of {self.info.length} do not exist")

    @property
    def name(self) -> str:
        """Name of the video; result files are called so, also for a view."""
        return self.info.name

    @property
    def is_whole(self) -> bool:
        """Whether the view is the whole video."""
        return self.length == self.info.length

    def view(self, first: int, length: int) -> Sequence:
        """Return ``length`` frames from frame ``first`` (1-based, in the numbers of this view)."""
        return replace(self, first=self.first + first - 1, length=length)

    def first_half(self) -> Sequence:
        """Return frames 1 .. floor(N/2) + 1, the community's training half."""
        return self.view(1, min(self.length // 2 + 1, self.length))

    def second_half(self) -> Sequence:
        """Return the frames after ``first_half``, renumbered from 1: the community's validation half."""
        start = self.length // 2 + 1
        return self.view(start + 1, self.length - start)

    # ---------------------------------------------------------------------------------------------------- pictures

    def image_path(self, frame: int) -> Path:
        """Return the path of the picture of ``frame`` (0-based in the view); it may not exist."""
        if self.info.image_names:
            return self.info.image_folder / self.info.image_names[self.first - 1 + frame]
        name = self.info.layout.image_name(self.first + frame, self.info.image_extension)
        return self.info.image_folder / name

    @property
    def image_numbers(self) -> NDArray[np.int64] | None:
        """(T,) numbers of the pictures of the whole video, where they may have gaps; else None."""
        if not self.info.image_names:
            return None
        return np.array([int(Path(name).stem) for name in self.info.image_names], dtype=np.int64)

    # -------------------------------------------------------------------------------------------------- detections

    def detections_path(self, stem: str | None = None) -> Path:
        """Return ``det/<stem>.txt``; without a stem the one file in ``det/``.

        Raises:
            DataError: no such file, or several without a stem; lists what is there.
        """
        folder = self.info.root / "det"
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder", "put a detection file there: det/<name>.txt, one box a line")
        found = [path for path in visible_children(folder, logger) if path.suffix.lower() == ".txt"]
        stems = [path.stem for path in found]
        if stem is None:
            if len(found) == 1:
                return found[0]
            if not found:
                raise DataError(f"{folder}: no .txt file", "put a detection file there: det/<name>.txt")
            raise DataError(
                f"{folder}: {len(found)} detection files: {', '.join(stems)}", "choose one with --detections NAME"
            )
        wanted = stem.removesuffix(".txt")
        for path in found:
            if path.stem == wanted:
                return path
        near = difflib.get_close_matches(wanted, stems, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(f"{folder / wanted}.txt: no such file", f"{hint}det/ holds: {', '.join(stems) or 'nothing'}")

    def load_detections(
        self,
        stem: str | None = None,
        min_score: float | None = None,
        on_bad_row: OnBadRow = "error",
        use_camera: bool = True,
        galleries: str | Path | None = None,
    ) -> Detections:
        """Read the detections of the view as one clip.

        Args:
            stem: File in ``det/`` without extension; may be left out when there is just one.
            min_score: Keep detections of at least this score; None keeps all (some public detectors score below 0).
            on_bad_row: See ``read_table``.
            use_camera: Read ``gmc.txt`` where there is one.
            galleries: Folder of appearance vectors (``<sequence>.npy``), made from this detection file.

        Returns:
            Detections sorted by frame, file order inside a frame, frames 0-based in the view, boxes 0-based,
            ``identity`` -1 everywhere. ``camera`` maps to the pixels of the first frame of the view; ``embedding``
            holds the vectors of the gallery.

        Raises:
            DataError: from reading, by file and line; no gallery, or one made from other boxes.
        """
        import torch

        from sushi_lg.structures import Detections

        table = read_table(
            self.detections_path(stem), "detections", on_bad_row=on_bad_row, sequence_length=self.info.length
        )
        gallery = None if galleries is None else open_gallery(galleries, self.name)
        if gallery is not None:
            gallery.check(table)
        chosen = np.flatnonzero(self._in_view(table))
        if min_score is not None:
            chosen = chosen[table.confidence[chosen] >= min_score]
        chosen = chosen[np.argsort(table.frame[chosen], kind="stable")]
        table = table.select(chosen)
        frame = table.frame - self.first
        empty = self.length - len(np.unique(frame))
        if empty:
            logger.warning("%s: %d of %d frames have no detection", self.name, empty, self.length)
        camera = self.load_camera() if use_camera else None
        count = len(frame)
        return Detections(
            frame=torch.from_numpy(frame),
            boxes_xyxy=torch.from_numpy(table.boxes_xyxy.astype(np.float32)),
            score=torch.from_numpy(table.confidence.astype(np.float32)),
            identity=torch.full((count,), -1, dtype=torch.int64),
            clip=torch.zeros(count, dtype=torch.int64),
            frame_rate=torch.tensor([self.info.frame_rate], dtype=torch.float32),
            image_size=torch.tensor([[self.info.width, self.info.height]], dtype=torch.float32),
            embedding=None if gallery is None else torch.from_numpy(gallery.vectors[chosen].astype(np.float16)),
            camera=None if camera is None else torch.from_numpy(camera[frame]),
        )

    def load_camera(self) -> NDArray[np.float64] | None:
        """Read ``gmc.txt``: camera motion as affines to the pixels of the view's first frame.

        The file has one row a frame: 0-based frame, then the row-major 2x3 affine that takes pixels of the previous
        frame to this one. Here they are inverted and chained in float64.

        Returns:
            (T, 2, 3) for the T frames of the view, or None without such a file.

        Raises:
            DataError: a malformed row, a missing frame or an affine without inverse, by ``file:line``.
        """
        path = self.info.root / "gmc.txt"
        if not path.is_file():
            return None
        steps = _read_affines(path, self.info.length)
        to_first = np.empty((self.length, 3, 3))
        to_first[0] = np.eye(3)
        for k in range(1, self.length):
            to_first[k] = to_first[k - 1] @ np.linalg.inv(steps[self.first - 1 + k])
        return to_first[:, :2].copy()

    # ------------------------------------------------------------------------------------------------ ground truth

    @property
    def ground_truth_path(self) -> Path:
        """``gt/gt.txt``, which may be absent."""
        return self.info.root / "gt" / "gt.txt"

    @property
    def has_ground_truth(self) -> bool:
        """Whether there is a ground-truth file with something in it."""
        return self.ground_truth_path.is_file() and self.ground_truth_path.stat().st_size > 0

    def load_ground_truth(self, rows: RowChoice = "all", on_bad_row: OnBadRow = "error") -> MotTable:
        """Read the ground truth of the view; frames renumbered from 1, boxes as in the file.

        Where numbers of frames may have gaps, they become the ranks of the pictures; what is wrong with rows there is
        the state in which the data set is published, so they are mended or left out whatever ``on_bad_row`` says.

        Args:
            rows: 'all' of the file; 'identities': persons of any kind, what training needs; 'scored': what metrics
                expect to be found.
            on_bad_row: See ``read_table``.
        """
        if self.info.layout.sparse_images:
            table = self._sparse_ground_truth()
        else:
            table = read_table(
                self.ground_truth_path, "ground_truth", on_bad_row=on_bad_row, sequence_length=self.info.length
            )
        table = self._renumbered(table)
        if rows == "identities":
            return table.select(self.info.layout.identity_rows(table))
        if rows == "scored":
            return table.select(self.info.layout.scored_rows(table))
        return table

    def _sparse_ground_truth(self) -> MotTable:
        table, faults = read_sparse_ground_truth(self.ground_truth_path, self.image_numbers)
        for fault, count in sorted(faults.items()):
            warn_once(logger, f"{table.path}: {count} {fault}")
        beyond = table.frame > self.info.length
        if beyond.any():
            raise DataError(
                f"{table.path}:{table.line[beyond][0]}: frame {table.frame[beyond][0]} of {self.info.length}",
                f"check seqLength in {self.info.root / 'seqinfo.ini'}",
            )
        return table

    def _in_view(self, table: MotTable) -> NDArray[np.bool_]:
        return (table.frame >= self.first) & (table.frame < self.first + self.length)

    def _renumbered(self, table: MotTable) -> MotTable:
        if self.is_whole:
            return table
        table = table.select(self._in_view(table))
        return replace(table, frame=table.frame - (self.first - 1))


def open_sequence(
    path: str | Path,
    layout: Layout | None = None,
    *,
    frame_rate: float | None = None,
    width: int | None = None,
    height: int | None = None,
    length: int | None = None,
) -> Sequence:
    """Open a sequence folder; nothing has to be registered.

    Without ``seqinfo.ini`` the length comes from the images, detections or ground truth, the size from an image, the
    rate from the layout; what cannot be found out has to be given.

    Args:
        path: Folder with ``seqinfo.ini``, or with ``det/``, ``gt/`` or images.
        layout: The data set's conventions; guessed from the path when left out.
        frame_rate: Overrides the file.
        width: Overrides the file.
        height: Overrides the file.
        length: Overrides the file.

    Raises:
        DataError: no such folder, no sequence in it, or facts missing; shows the seqinfo.ini to write.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", nearest_folder(root))
    layout = layout or layout_of(root)
    given = {"frameRate": frame_rate, "imWidth": width, "imHeight": height, "seqLength": length}
    ini = root / "seqinfo.ini"
    stated = read_seqinfo(ini) if ini.is_file() else {}
    values: dict[str, str | float | int] = {**stated, **{k: v for k, v in given.items() if v is not None}}
    image_folder = _inside(root, str(values.get("imDir", layout.image_folder)), ini)
    if not ini.is_file():
        if not any((root / name).is_dir() for name in ("det", "gt")) and not image_folder.is_dir():
            raise DataError(f"{root}: not a sequence (no seqinfo.ini, det/, gt/ or images)", _sequences_below(root))
        for key, value in _deduced(root, image_folder, layout).items():
            values.setdefault(key, value)
    image_names = tuple(path.name for path in _images_in(image_folder, layout)) if layout.sparse_images else ()
    if image_names and int(values.setdefault("seqLength", len(image_names))) != len(image_names):
        raise DataError(
            f"{image_folder}: {len(image_names)} numbered images, but seqLength is {int(values['seqLength'])}",
            "copy the missing images, or correct seqLength",
        )
    missing = [key for key in ("frameRate", "seqLength", "imWidth", "imHeight") if key not in values]
    if missing:
        if ini.is_file():
            values = {**_deduced(root, image_folder, layout), **values}
        example = _example_seqinfo(root.absolute().name, values, layout)
        guessed = [key for key in missing if key not in values]
        check = f"\nwith the true {', '.join(guessed)}: what stands there is an example" if guessed else ""
        raise DataError(
            f"{ini}: {'lacks' if ini.is_file() else 'absent, and files do not tell'} {', '.join(missing)}",
            f"write {ini} like this:\n{example}{check}",
        )
    info = SequenceInfo(
        name=root.absolute().name,
        root=root,
        length=int(values["seqLength"]),
        frame_rate=float(values["frameRate"]),
        width=int(values["imWidth"]),
        height=int(values["imHeight"]),
        image_folder=image_folder,
        image_extension=str(values.get("imExt", layout.image_extension)),
        layout=layout,
        image_names=image_names,
    )
    return Sequence(info, first=1, length=info.length)


def read_seqinfo(path: Path) -> dict[str, str | float | int]:
    """Return the stated keys of a ``seqinfo.ini``, numbers checked; an absent key is absent.

    Raises:
        DataError: not an INI file, no ``[Sequence]`` in it, or a number that is none; by ``file:line``.
    """
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or next((at for at, _ in getattr(error, "errors", ())), 1)
        raise DataError(f"{path}:{line}: not an INI file", "write [Sequence] and then key=value lines") from error
    if not parser.has_section("Sequence"):
        raise DataError(f"{path}:1: no [Sequence] section", "put [Sequence] on the first line")
    section = parser["Sequence"]
    values: dict[str, str | float | int] = {}
    for key in _EXAMPLE_KEYS:
        raw = section.get(key)
        if raw is None or raw.strip() == "":
            continue
        values[key] = raw.strip() if key in ("name", "imDir", "imExt") else _positive(path, text, key, raw.strip())
    return values


def write_seqinfo(
    path: str | Path,
    *,
    name: str,
    image_folder: str,
    frame_rate: float,
    length: int,
    size: tuple[int, int],
    image_extension: str = ".jpg",
) -> None:
    """Write a ``seqinfo.ini``; ``size`` is width and height in pixels."""
    lines = {
        "name": name,
        "imDir": image_folder,
        "frameRate": f"{frame_rate!r}".removesuffix(".0"),
        "seqLength": length,
        "imWidth": size[0],
        "imHeight": size[1],
        "imExt": image_extension,
    }
    with atomic_path(path) as staged:
        text = "\n".join(["[Sequence]", *(f"{key}={value}" for key, value in lines.items())])
        staged.write_text(text + "\n", encoding="utf-8")


def _positive(path: Path, text: str, key: str, raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        value = float("nan")
    whole = key == "frameRate" or value.is_integer()
    if not (0 < value < float("inf")) or not whole:
        lines = [line.split("=")[0].strip().lower() for line in text.splitlines()]
        number = lines.index(key.lower()) + 1 if key.lower() in lines else 1
        kind = "number" if key == "frameRate" else "whole number"
        raise DataError(f"{path}:{number}: {key} is {raw!r}, not a positive {kind}", f"correct {key}")
    return value


def _inside(root: Path, name: str, source: Path) -> Path:
    """Join a folder name that came from a file, refusing one that leads out of the sequence."""
    candidate = Path(name.replace("\\", "/"))
    if candidate.is_absolute() or ".." in candidate.parts or ":" in name:
        raise DataError(f"{source}: imDir is {name!r}, outside the sequence", "name a folder inside the sequence")
    return root / candidate


def _images_in(folder: Path, layout: Layout) -> list[Path]:
    """Return the images of a sequence in the order of its frames; none if there is no such folder."""
    if layout.sparse_images:
        return list(numbered_pictures(folder).paths)
    if not folder.is_dir():
        return []
    return [path for path in visible_children(folder, logger) if path.suffix.lower() in IMAGE_EXTENSIONS]


def _deduced(root: Path, image_folder: Path, layout: Layout) -> dict[str, str | float | int]:
    """Return what images, boxes and the layout tell about a folder without seqinfo.ini."""
    found: dict[str, str | float | int] = {}
    if layout.frame_rate is not None:
        found["frameRate"] = layout.frame_rate
        warn_once(logger, f"{root}: no frame rate stated, {layout.frame_rate:g} taken for {layout.name}")
    images = _images_in(image_folder, layout)
    if images:
        found["seqLength"] = len(images)
        found["imWidth"], found["imHeight"] = image_size(images[0])
        found["imExt"] = images[0].suffix
        return found
    last = 0
    for folder, kind in (("gt", "ground_truth"), ("det", "detections")):
        if (root / folder).is_dir():
            for path in visible_children(root / folder, logger):
                if path.suffix.lower() == ".txt" and (folder == "det" or path.name == "gt.txt"):
                    table = read_table(path, kind, on_bad_row="skip")  # type: ignore[arg-type]
                    last = max(last, int(table.frame.max(initial=0)))
    if last:
        found["seqLength"] = last
    return found


def _example_seqinfo(name: str, values: Mapping[str, object], layout: Layout) -> str:
    example: dict[str, object] = {
        "name": name,
        "imDir": layout.image_folder,
        "frameRate": 30,
        "seqLength": 600,
        "imWidth": 1920,
        "imHeight": 1080,
        "imExt": layout.image_extension,
    }
    example |= {key: value for key, value in values.items() if key in example}
    lines = [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in example.items()]
    return "\n".join(["[Sequence]", *lines])


def nearest_folder(path: Path) -> str:
    """Return what to say about a folder that is not there: the names beside it that are like it."""
    parent = path.absolute().parent
    if not parent.is_dir():
        return f"{parent} does not exist either; check the path"
    names = [entry.name for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.4)
    return (
        f"did you mean {', '.join(near)}?" if near else f"{parent} holds: {', '.join(sorted(names)[:8]) or 'nothing'}"
    )


def _sequences_below(root: Path) -> str:
    below = sorted(str(p.parent.relative_to(root)) for p in root.glob("*/seqinfo.ini"))
    for deeper in ("*/*/seqinfo.ini", "*/*/*/seqinfo.ini"):  # a data set, or the folder of several
        below = below or sorted(str(p.parent.relative_to(root)) for p in root.glob(deeper))
    if below:
        return f"name a sequence inside it ({', '.join(below[:5])}{', ...' if len(below) > 5 else ''}) or a split"
    files = [path.name for path in root.iterdir() if path.is_file() and not path.name.startswith(".")]
    if not files and not any(root.iterdir()):
        return "it is empty: put detections (det/<name>.txt with seqinfo.ini) or numbered images into it"
    videos = [name for name in files if Path(name).suffix.lower() in (".mp4", ".avi", ".mkv", ".mov", ".webm")]
    if videos:
        return f"it holds videos: name them one by one, {root / sorted(videos)[0]}"
    return "a sequence folder holds det/<name>.txt and seqinfo.ini"


def _read_affines(path: Path, length: int) -> NDArray[np.float64]:
    """Return (length, 3, 3) affines from ``gmc.txt``, one a frame."""
    steps = np.tile(np.eye(3), (length, 1, 1))
    seen = np.zeros(length, dtype=bool)
    remedy = "a row is: 0-based frame, then six numbers, the 2x3 affine from the previous frame, row by row"
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        cells = line.decode("utf-8-sig", errors="replace").replace(",", " ").split()
        if not cells:
            continue
        try:
            values = np.array([float(cell) for cell in cells])
        except ValueError:
            raise DataError(f"{path}:{number}: not numbers: {' '.join(cells)[:60]!r}", remedy) from None
        if len(values) != 7 or not np.isfinite(values).all() or not values[0].is_integer():
            raise DataError(f"{path}:{number}: not a frame and six finite numbers", remedy)
        frame = int(values[0])
        if not 0 <= frame < length:
            raise DataError(f"{path}:{number}: frame {frame} is not in 0 .. {length - 1}", remedy)
        if seen[frame]:
            raise DataError(f"{path}:{number}: frame {frame} occurs twice", "keep one row a frame")
        affine = values[1:].reshape(2, 3)
        if abs(np.linalg.det(affine[:, :2])) < 1e-6:
            raise DataError(f"{path}:{number}: the affine has no inverse", "estimate the camera motion again")
        steps[frame, :2] = affine
        seen[frame] = True
    if not seen[1:].all():
        gap = int(np.flatnonzero(~seen[1:])[0]) + 1
        raise DataError(f"{path}: no row for frame {gap} (0-based)", "write one row a frame, or remove the file")
    return steps
