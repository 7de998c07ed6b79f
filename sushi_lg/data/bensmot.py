"""BenSMOT (Li et al., ECCV 2024) as it is released, in and out: trajectories with captions, summaries and interactions.

``BenSMOT/{train,test}/<scenario>/<clip>/`` holds ``gt/gt.txt``, ``imgs/<number>.jpg``, ``video_caption.txt``,
``instance_captions.txt`` (a line ``name: text`` a person, by rising track id) and ``interactions.graphml`` (edges whose
``relationship`` is labels with commas between, from who acts to who is acted upon). Where the combined files of the
authors lie beside the scenarios or above, they count instead: track ids stand there and need not be inferred.

The data have faults of every kind. None stops the reading of a clip: what can be mended without guessing is mended,
what cannot is left out, and each kind is counted. Labels are kept as they are spelt; what they mean is not known here.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import atomic_path, write_text
from sushi_lg.data.graphml import LabelledGraph, read_labelled_graph, write_labelled_graph
from sushi_lg.data.image_size import IMAGE_EXTENSIONS, image_size
from sushi_lg.data.sequence import read_seqinfo, write_seqinfo
from sushi_lg.data.sparse_frames import numbered_pictures, read_sparse_ground_truth
from sushi_lg.errors import DataError

GROUND_TRUTH_FILE = "gt/gt.txt"
PICTURE_FOLDER = "imgs"
CAPTIONS_FILE = "instance_captions.txt"
SUMMARY_FILE = "video_caption.txt"
INTERACTIONS_FILE = "interactions.graphml"
SEQINFO_FILE = "seqinfo.ini"
EDGE_ATTRIBUTE = "relationship"
CAPTIONS_JSON = "instance_caption.json"
SUMMARIES_JSON = "video_summary.json"
INTERACTIONS_JSON = "relation.json"
SPLITS = ("train", "test")

_NAME = re.compile(r"[A-Za-z]+[ _]?\d*")
_LINE = re.compile(rf"(?P<name>{_NAME.pattern})\s*[:\uff1a]\s*(?P<text>.*)")  # captions may hold further colons
_PAIR = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_MAX_TEXT_BYTES = 1 << 20
_MAX_JSON_BYTES = 1 << 28
_MAX_TEXT = 4000  # characters of one text; the longest captions of the data set have some hundreds
_MAX_LABEL = 100
_DEPTH = 4  # folders between what is named and a clip


@dataclass(frozen=True)
class BensmotTrack:
    """The boxes of one annotated person.

    Attributes:
        track_id: as in ``gt.txt``.
        frame: (T,) int64, 0-based rank of the picture, rising.
        boxes_xyxy: (T, 4) float64, pixels, 0-based.
    """

    track_id: int
    frame: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]


@dataclass(frozen=True)
class Relation:
    """What one person does to another.

    Attributes:
        active: track id of who acts.
        passive: track id of the other.
        labels: as they are spelt, blanks included; each once.
    """

    active: int
    passive: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class BensmotClip:
    """One clip.

    Attributes:
        name: ``<scenario>/<clip>``.
        split: ``train``, ``test``, or empty where no folder above says so.
        stems: names of the pictures without suffix, by rising number; empty where there are no pictures.
        sizes: (N, 2) int64, width and height of every frame; without pictures what encloses all boxes.
        tracks: by rising id.
        captions: text by track id; people without are absent.
        names: what captions and graph call a person (``woman0``), by track id, as far as that is known.
        summary: of the clip; empty if it has none.
        relations: sorted by (active, passive), each pair once; None where nobody annotated interactions.
        frame_rate: frames per second as a ``seqinfo.ini`` states it; None without one: the release has none.
        faults: how often each kind of fault was met.
        notes: one line a fault that has a place: ``file:line: what``.
    """

    name: str
    split: str
    stems: tuple[str, ...]
    sizes: NDArray[np.int64]
    tracks: tuple[BensmotTrack, ...]
    captions: Mapping[int, str]
    names: Mapping[int, str]
    summary: str
    relations: tuple[Relation, ...] | None
    frame_rate: float | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.sizes)


@dataclass(frozen=True)
class CombinedFiles:
    """The three files that state captions, summaries and relations by track id; None for an absent file.

    Attributes:
        captions: ``{clip: {track id: text}}``.
        summaries: ``{clip: text}``.
        relations: ``{clip: {"<active>-<passive>": labels}}``.
        paths: where each of the three is, by its name.
    """

    captions: Mapping[str, object] | None = None
    summaries: Mapping[str, object] | None = None
    relations: Mapping[str, object] | None = None
    paths: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Bensmot:
    """The clips of a folder.

    Attributes:
        clips: by name.
        faults: how often each kind of fault was met in all of them.
    """

    clips: tuple[BensmotClip, ...]
    faults: Counter[str]


def find_bensmot_clips(folder: str | Path) -> list[Path]:
    """Return the clip folders in a folder: the data set, a part of it (``train``), a scenario, or one clip.

    Raises:
        DataError: no such folder, or no clip in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name the folder of BenSMOT, or its train or test folder")
    found = []
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        marks = {SUMMARY_FILE, CAPTIONS_FILE, INTERACTIONS_FILE} & set(files)
        if marks or PICTURE_FOLDER in folders or (Path(here) / GROUND_TRUTH_FILE).is_file():
            found.append(Path(here))
            folders.clear()
        elif len(Path(here).relative_to(folder).parts) >= _DEPTH:
            folders.clear()  # ends loops of links
    if not found:
        raise DataError(
            f"{folder}: no <scenario>/<clip>/gt/gt.txt in it",
            "name the folder of BenSMOT, or its train or test folder",
        )
    return sorted(found)


def read_bensmot(folder: str | Path, split: str | None = None) -> Bensmot:
    """Read all clips of a folder, or those of one split of it.

    Args:
        folder: As for ``find_bensmot_clips``.
        split: ``train`` or ``test``; None takes what is there.

    Raises:
        DataError: no such folder, no clip, two of one name, or a combined file that is not what it should be.
    """
    folder = Path(folder)
    if split is not None and split not in SPLITS:
        raise DataError(f"split {split!r} of BenSMOT", f"there are {' and '.join(SPLITS)}")
    roots = find_bensmot_clips(folder)
    if split is not None:
        roots = [root for root in roots if _split_of(root) == split]
        if not roots:
            raise DataError(f"{folder}: no clip of {split}", f"name a folder that holds {split}/<scenario>/<clip>")
    faults: Counter[str] = Counter()
    clips: dict[str, BensmotClip] = {}
    combined: dict[Path, CombinedFiles] = {}
    for root in roots:
        scenarios = root.absolute().parent.parent
        if scenarios not in combined:
            combined[scenarios] = read_combined_files(scenarios, scenarios.parent)
        clip = read_bensmot_clip(root, combined[scenarios])
        if clip.name in clips:
            raise DataError(f"{root}: a second clip {clip.name}", "read train and test one by one")
        clips[clip.name] = clip
        faults.update(clip.faults)
    return Bensmot(tuple(clips[name] for name in sorted(clips)), faults)


def read_combined_files(*folders: Path) -> CombinedFiles:
    """Read the combined files of the authors, each from the first of the folders that has it.

    Raises:
        DataError: a file that is not a JSON object; names it.
    """
    found: dict[str, dict[str, object]] = {}
    paths: dict[str, Path] = {}
    for name in (CAPTIONS_JSON, SUMMARIES_JSON, INTERACTIONS_JSON):
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is not None:
            found[name], paths[name] = _read_json_object(path), path
    return CombinedFiles(found.get(CAPTIONS_JSON), found.get(SUMMARIES_JSON), found.get(INTERACTIONS_JSON), paths)


def read_bensmot_clip(root: str | Path, combined: CombinedFiles | None = None) -> BensmotClip:
    """Read one clip.

    Args:
        root: ``.../<scenario>/<clip>``.
        combined: The combined files; None looks for them beside the scenario and above.

    Raises:
        DataError: no such folder, or a combined file that is not what it should be.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "name <scenario>/<clip> of BenSMOT")
    full = root.absolute()
    if combined is None:
        combined = read_combined_files(full.parent.parent, full.parent.parent.parent)
    name = f"{full.parent.name}/{full.name}"
    found = _Found()
    stems, sizes, tracks = _read_tracks(root, found)
    ids = [track.track_id for track in tracks]
    known = set(ids)
    lines = _caption_lines(root / CAPTIONS_FILE, found)
    captions, owners = _captions(name, ids, lines, combined, found)
    names = {one: called for one, (called, _) in zip(owners, lines or [], strict=False) if one in known}
    relations = _stated_relations(name, ids, combined, found)
    if relations is None:
        relations = _relations_of_graph(root / INTERACTIONS_FILE, ids, names, found)
    found.fault("tracks without caption", times=len(known - set(captions)))
    summary = _summary(root / SUMMARY_FILE, name, combined, found)
    return BensmotClip(
        name=name,
        split=_split_of(root),
        stems=stems,
        sizes=sizes,
        tracks=tracks,
        captions=captions,
        names=names,
        summary=summary,
        relations=relations,
        frame_rate=_frame_rate(root / SEQINFO_FILE, found),
        faults=dict(found.faults),
        notes=tuple(found.notes),
    )


def write_bensmot_clip(root: str | Path, clip: BensmotClip, pictures: Iterable[bytes], suffix: str = ".jpg") -> Path:
    """Write a clip in the layout of the release, to ``root/<scenario>/<clip>``; what is there is replaced.

    A ``seqinfo.ini``, which the release lacks, is written where the clip states its frame rate.
    People without a name in ``clip.names`` are called ``person0``, ``person1``, ... A person without caption has no
    line, so only the combined files can tell afterwards whose the lines are: see ``write_combined_files``.

    Args:
        root: The split's folder.
        clip: What to write; faults and notes are not written.
        pictures: One encoded picture a frame, in the order of ``clip.stems``.
        suffix: Of the pictures: .jpg, .jpeg or .png.

    Returns:
        The folder of the clip.

    Raises:
        DataError: a name that leads elsewhere, stems that are no rising numbers, pictures that are not as many or not
            of the sizes stated, a text that the files cannot hold.
    """
    parts = clip.name.split("/")
    if len(parts) != 2 or any(part in ("", ".", "..") or "\\" in part or part != part.strip() for part in parts):
        raise DataError(f"clip {clip.name!r}", "name it <scenario>/<clip>")
    if not all(re.fullmatch("[0-9]{1,9}", stem) for stem in clip.stems) or len(clip.stems) != clip.length:
        raise DataError(f"{clip.name}: stems are not one number a frame", "call pictures 001, 002, ...")
    numbers = [int(stem) for stem in clip.stems]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise DataError(f"{clip.name}: numbers of pictures do not rise", "number them 1, 2, 3, ...")
    names = _names_for_writing(clip)
    target = Path(root) / parts[0] / parts[1]
    count = 0
    for stem, size, data in zip(clip.stems, clip.sizes.tolist(), pictures, strict=False):
        path = target / PICTURE_FOLDER / f"{stem}{suffix}"
        with atomic_path(path) as staged:
            staged.write_bytes(data)
            found = image_size(staged)
            if list(found) != size:
                raise DataError(f"{path}: {found[0]} x {found[1]} pixels, the clip says {size[0]} x {size[1]}")
        count += 1
    if count != clip.length:
        raise DataError(f"{clip.name}: {count} pictures for {clip.length} frames", "give one a frame")
    written = {f"{stem}{suffix}" for stem in clip.stems}
    for path in sorted((target / PICTURE_FOLDER).glob("*")):
        is_frame = re.fullmatch("[0-9]{1,9}", path.stem) and path.suffix.lower() in IMAGE_EXTENSIONS
        if is_frame and path.name not in written:  # of another clip of this name: it would count as a frame of this one
            path.unlink()
    rows = sorted(
        (int(frame), track.track_id, *box)
        for track in clip.tracks
        for frame, box in zip(track.frame, track.boxes_xyxy.tolist(), strict=True)
    )
    text = "".join(
        f"{numbers[frame]},{one},{left + 1:.10g},{top + 1:.10g},{right - left:.10g},{bottom - top:.10g},1,1,1\n"
        for frame, one, left, top, right, bottom in rows
    )
    write_text(target / GROUND_TRUTH_FILE, text)
    captions = "".join(f"{names[one]}: {_one_line(text)}\n" for one, text in sorted(clip.captions.items()))
    for path, text in ((target / CAPTIONS_FILE, captions), (target / SUMMARY_FILE, _one_line(clip.summary))):
        if text:
            write_text(path, text)
        else:
            path.unlink(missing_ok=True)
    if clip.relations is None:
        (target / INTERACTIONS_FILE).unlink(missing_ok=True)
    else:
        edges = tuple((names[one.active], names[one.passive], ",".join(one.labels)) for one in clip.relations)
        nodes = tuple(names[track.track_id] for track in clip.tracks)
        write_labelled_graph(target / INTERACTIONS_FILE, LabelledGraph(nodes, edges), EDGE_ATTRIBUTE)
    if clip.frame_rate is None or not clip.length:
        (target / SEQINFO_FILE).unlink(missing_ok=True)
    else:
        write_seqinfo(
            target / SEQINFO_FILE,
            name=parts[1],
            image_folder=PICTURE_FOLDER,
            frame_rate=clip.frame_rate,
            length=clip.length,
            size=(int(clip.sizes[0, 0]), int(clip.sizes[0, 1])),
            image_extension=suffix,
        )
    return target


def write_combined_files(folder: str | Path, clips: Iterable[BensmotClip]) -> tuple[Path, Path, Path]:
    """Write the combined files of captions, summaries and relations.

    The authors' tools drop a clip that one of them lacks. So every clip is in all of them, also with no caption or an
    empty summary; only clips of which nobody annotated interactions are absent from the relations.

    Returns:
        The three paths, in that order.
    """
    captions: dict[str, dict[str, str]] = {}
    summaries: dict[str, str] = {}
    relations: dict[str, dict[str, list[str]]] = {}
    for clip in clips:
        captions[clip.name] = {str(one): text for one, text in sorted(clip.captions.items())}
        summaries[clip.name] = clip.summary
        if clip.relations is not None:
            relations[clip.name] = {f"{one.active}-{one.passive}": list(one.labels) for one in clip.relations}
    folder = Path(folder)
    contents = ((CAPTIONS_JSON, captions), (SUMMARIES_JSON, summaries), (INTERACTIONS_JSON, relations))
    for name, content in contents:
        write_text(folder / name, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return folder / CAPTIONS_JSON, folder / SUMMARIES_JSON, folder / INTERACTIONS_JSON


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass
class _Found:
    """Faults of one clip while it is read."""

    faults: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def fault(self, what: str, note: str = "", times: int = 1) -> None:
        if times:
            self.faults[what] += times
        if note:
            self.notes.append(note)


def _read_tracks(root: Path, found: _Found) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[BensmotTrack, ...]]:
    """Return stems, sizes and tracks."""
    pictures = numbered_pictures(root / PICTURE_FOLDER)
    found.faults.update(pictures.faults)
    if not pictures.paths:
        found.fault("clips without pictures")
    path = root / GROUND_TRUTH_FILE
    tracks: list[BensmotTrack] = []
    last = 0
    if path.is_file():
        try:
            table, faults = read_sparse_ground_truth(path, pictures.numbers if pictures.paths else None)
        except DataError as error:
            found.fault("clips whose gt.txt cannot be read", error.message)
        else:
            found.faults.update(faults)
            found.notes += table.skipped
            boxes = table.boxes_xyxy
            order = np.lexsort((table.frame, table.track_id))
            ids, starts = np.unique(table.track_id[order], return_index=True)
            for one, rows in zip(ids.tolist(), np.split(order, starts[1:]), strict=False):
                tracks.append(BensmotTrack(one, table.frame[rows] - 1, boxes[rows]))
            last = int(table.frame.max(initial=0))
    else:
        found.fault("clips without gt.txt")
    if pictures.paths:
        return tuple(path.stem for path in pictures.paths), _sizes(pictures.paths, found), tuple(tracks)
    # At most a hundred thousand frames: a wild number in a file is no reason to fill the memory.
    if last > 100_000:
        found.fault("clips whose frame numbers are beyond reason, boxes left out")
        return (), np.zeros((0, 2), dtype=np.int64), ()
    corner = np.max([track.boxes_xyxy[:, 2:].max(axis=0) for track in tracks], axis=0, initial=1) if tracks else [1, 1]
    size = np.maximum(np.ceil(corner), 1).astype(np.int64)
    return (), np.tile(size, (last, 1)), tuple(tracks)


def _sizes(paths: tuple[Path, ...], found: _Found) -> NDArray[np.int64]:
    """Return (N, 2) sizes; a picture whose size cannot be read is taken to be as large as the one before it."""
    sizes: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            sizes.append(image_size(path))
        except DataError as error:
            found.fault("pictures whose size cannot be read", error.message)
            sizes.append(None)
    known = next((size for size in sizes if size is not None), (1, 1))
    filled = []
    for size in sizes:
        known = size or known
        filled.append(known)
    return np.array(filled, dtype=np.int64).reshape(-1, 2)


def _frame_rate(path: Path, found: _Found) -> float | None:
    if not path.is_file():
        return None
    try:
        stated = read_seqinfo(path).get("frameRate")
    except DataError as error:
        found.fault("seqinfo.ini that cannot be read", error.message)
        return None
    return None if stated is None else float(stated)


def _caption_lines(path: Path, found: _Found) -> list[tuple[str, str]] | None:
    """Return (name, text) of each line of the captions' file, None without such a file."""
    text = _read_text(path, found)
    if text is None:
        return None
    lines: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped:
            continue
        match = _LINE.fullmatch(stripped)
        if match:
            lines.append((match["name"], match["text"]))
        elif lines:
            found.fault("lines that go on without a name")
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {stripped}")
        else:
            found.fault("lines before the first name, left out", f"{path}:{number}: {stripped[:60]!r}")
    return [(name, _tidy(text, found)) for name, text in lines]


def _captions(
    name: str, ids: list[int], lines: list[tuple[str, str]] | None, combined: CombinedFiles, found: _Found
) -> tuple[dict[int, str], list[int]]:
    """Return captions by track id, and whose the lines of the captions' file are, in their order; none if unknown."""
    stated = _stated_captions(name, combined, found)
    if stated is not None:
        known = set(ids)
        owners = sorted(stated) if len(lines or []) == len(stated) else ids if len(lines or []) == len(ids) else []
        found.fault("captions of ids that gt.txt does not have", times=len(set(stated) - known))
        captions = {one: text for one, text in stated.items() if one in known}
    elif lines is None:
        found.fault("clips without instance captions")
        return {}, []
    elif len(lines) != len(ids):
        found.fault("clips with another number of captions than tracks")
        found.fault("captions left out for that", times=len(lines))
        return {}, []
    else:
        captions, owners = {one: text for one, (_, text) in zip(ids, lines, strict=True)}, ids
    found.fault("empty captions", times=sum(not text for text in captions.values()))
    return {one: text for one, text in sorted(captions.items()) if text}, owners


def _stated_captions(name: str, combined: CombinedFiles, found: _Found) -> dict[int, str] | None:
    entry = _entry(name, CAPTIONS_JSON, combined.captions, found)
    if entry is None:
        return None
    if not isinstance(entry, dict) or not all(
        re.fullmatch("[0-9]{1,9}", key) and isinstance(text, str) for key, text in entry.items()
    ):
        path = combined.paths.get(CAPTIONS_JSON, CAPTIONS_JSON)
        raise DataError(f"{path}: {name} is not an object of captions by track id", "download the file again")
    return {int(key): _tidy(text, found) for key, text in entry.items()}


def _summary(path: Path, name: str, combined: CombinedFiles, found: _Found) -> str:
    stated = _entry(name, SUMMARIES_JSON, combined.summaries, found)
    if stated is not None and not isinstance(stated, str):
        raise DataError(
            f"{combined.paths.get(SUMMARIES_JSON, SUMMARIES_JSON)}: {name} is not a text", "download the file again"
        )
    summary = _tidy(stated if stated is not None else _read_text(path, found) or "", found)
    if not summary:
        found.fault("clips without video caption")
    return summary


def _stated_relations(name: str, ids: list[int], combined: CombinedFiles, found: _Found) -> tuple[Relation, ...] | None:
    entry = _entry(name, INTERACTIONS_JSON, combined.relations, found)
    if entry is None:
        return None
    path = combined.paths.get(INTERACTIONS_JSON, INTERACTIONS_JSON)
    if not isinstance(entry, dict):
        raise DataError(f"{path}: {name} is not an object of labels by pair", "download the file again")
    by_pair: list[tuple[int, int, list[str]]] = []
    for key, labels in entry.items():
        match = _PAIR.fullmatch(key)
        if match is None:
            found.fault("pairs that are not <id>-<id>, left out", f"{path}: {name}: {key[:60]!r}")
        elif isinstance(labels, str):
            by_pair.append((int(match[1]), int(match[2]), labels.split(",")))
        elif isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            by_pair.append((int(match[1]), int(match[2]), labels))
        else:
            raise DataError(f"{path}: {name}: {key} has no list of labels", "download the file again")
    return _relations(by_pair, ids, found)


def _relations_of_graph(
    path: Path, ids: list[int], names: Mapping[int, str], found: _Found
) -> tuple[Relation, ...] | None:
    """Return the edges of the graph between track ids.

    Nodes are found by the names of the captions; where these are others, by their order, which follows rising ids, if
    there are as many of them as tracks.
    """
    if not path.is_file():
        found.fault("clips without interactions")
        return None
    try:
        graph = read_labelled_graph(path, EDGE_ATTRIBUTE)
    except DataError as error:
        found.fault("graphs that cannot be read", error.message)
        return None
    id_of = {called: one for one, called in names.items()}
    ends = {end for source, target, _ in graph.edges for end in (source, target)}
    if len(id_of) < len(names) or not ends <= set(id_of):
        if len(graph.nodes) != len(ids):
            found.fault("graphs whose people cannot be told, left out", f"{path}: {len(graph.nodes)} people")
            found.fault("interactions left out for that", times=len(graph.edges))
            return None
        found.fault("graphs with other names than the captions, matched by order")
        id_of = dict(zip(graph.nodes, ids, strict=True))
    by_pair = [(id_of[source], id_of[target], text.split(",")) for source, target, text in graph.edges]
    return _relations(by_pair, ids, found)


def _relations(by_pair: list[tuple[int, int, list[str]]], ids: list[int], found: _Found) -> tuple[Relation, ...]:
    """Return relations sorted, those of one pair together, without what cannot be."""
    merged: dict[tuple[int, int], dict[str, None]] = {}
    known = set(ids)
    for active, passive, labels in by_pair:
        if active == passive:
            found.fault("interactions of a person with itself, left out")
            continue
        if active not in known or passive not in known:
            found.fault("interactions of ids that gt.txt does not have, left out")
            continue
        kept = merged.setdefault((active, passive), {})
        for label in labels:
            if not label.strip() or len(label) > _MAX_LABEL:
                found.fault("labels that are empty or too long, left out")
            elif label in kept:
                found.fault("labels that a pair has twice")
            else:
                kept[label] = None
    return tuple(Relation(*pair, tuple(labels)) for pair, labels in sorted(merged.items()) if labels)


def _entry(name: str, file: str, stored: Mapping[str, object] | None, found: _Found) -> object | None:
    """Return what a combined file says about a clip; that it says nothing is a fault of the file."""
    if stored is None:
        return None
    if name not in stored:
        found.fault(f"clips that {file} lacks")
        return None
    return stored[name]


def _tidy(text: str, found: _Found) -> str:
    """Return a text in one line, without characters that steer terminals, not longer than anybody writes."""
    line = " ".join(text.split())
    shown = "".join(character for character in line if character.isprintable())
    if shown != line:
        found.fault("texts with control characters, taken out")
    if len(shown) > _MAX_TEXT:
        found.fault("texts cut off")
    return shown[:_MAX_TEXT].strip()


def _read_text(path: Path, found: _Found) -> str | None:
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_TEXT_BYTES:
        found.fault("texts that cannot be read", f"{path}: {path.stat().st_size} bytes")
        return None
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found.fault("texts that cannot be read", f"{path}:{line}: not UTF-8 text")
        return None


def _read_json_object(path: Path) -> dict[str, object]:
    remedy = "download the file again"
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise DataError(f"{path}: {path.stat().st_size} bytes, more than {_MAX_JSON_BYTES}", remedy)
    try:
        stored = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})", remedy) from error
    if not isinstance(stored, dict):
        raise DataError(f"{path}: not a JSON object", remedy)
    return stored


def _split_of(root: Path) -> str:
    above = root.absolute().parent.parent.name
    return above if above in SPLITS else ""


# ------------------------------------------------------------------------------------------------------------- writing


def _names_for_writing(clip: BensmotClip) -> dict[int, str]:
    """Return a name for everybody that the reader will take for one, no two alike."""
    names = dict(clip.names)
    taken = set(names.values())
    free = (name for k in itertools.count() if (name := f"person{k}") not in taken)
    for track in clip.tracks:
        if track.track_id not in names:
            names[track.track_id] = next(free)
    ids = {track.track_id for track in clip.tracks}
    related = {one for relation in clip.relations or () for one in (relation.active, relation.passive)}
    unknown = (set(clip.captions) | related) - ids
    if unknown:
        raise DataError(f"{clip.name}: no track {min(unknown)}, which captions or relations speak of")
    if len(set(names.values())) < len(names) or not all(_NAME.fullmatch(name) for name in names.values()):
        raise DataError(f"{clip.name}: names {sorted(names.values())}", "call each person otherwise, like woman0")
    bad = [label for one in clip.relations or () for label in one.labels if "," in label or not label.strip()]
    if bad:
        raise DataError(f"{clip.name}: label {bad[0]!r}", "a label is not empty and has no comma")
    return names


def _one_line(text: str) -> str:
    return " ".join(text.split())
