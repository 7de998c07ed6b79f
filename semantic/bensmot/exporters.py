"""Results and ground truth for the programs of others: TrackEval, the scripts released with BenSMOT, CHOTA.

Each writer takes records, which are the same for predictions and annotations, and writes files as the other program
reads them. Nothing is filtered: what a tracker is unsure of has to be left out before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semantic.bensmot.annotations import bensmot_clip_of
from semantic.bensmot.vocabulary import NUM_SLOTS, slots
from semantic.structures import Clip, Interaction, Semantics
from sushi_lg.data.bensmot import write_combined_files
from sushi_lg.data.files import write_text
from sushi_lg.data.mot_format import write_results
from sushi_lg.data.sequence import write_seqinfo
from sushi_lg.errors import DataError

if TYPE_CHECKING:
    from semantic.evaluation.lists import Lists

Record = tuple[Clip, Semantics]
BENCHMARK = "BenSMOT"


def write_mot_results(
    folder: str | Path, clips: Iterable[Clip], *, tracker: str = "sushi_lg", split: str = "val"
) -> Path:
    """Write predicted trajectories for TrackEval's MotChallenge2DBox, frames without gaps, from 1.

    Args:
        folder: TrackEval's ``TRACKERS_FOLDER``.
        clips: What to write.
        tracker: Its name there.
        split: TrackEval's ``SPLIT_TO_EVAL``; the scripts of the data set call the test set ``val``.

    Returns:
        The folder with one ``<scenario>/<clip>.txt`` a clip.

    Raises:
        DataError: an id below 1, or a box that may not be written.
    """
    data = Path(folder) / f"{BENCHMARK}-{split}" / tracker / "data"
    for clip in clips:
        frame, track_id, boxes_ltwh, confidence = _rows(clip)
        write_results(data / f"{_checked(clip.name)}.txt", frame, track_id, boxes_ltwh, confidence)
    return data


def write_mot_truth(folder: str | Path, clips: Iterable[Clip], *, split: str = "val") -> Path:
    """Write annotated trajectories for TrackEval's MotChallenge2DBox: ``gt.txt``, ``seqinfo.ini``, the list of clips.

    Frames are counted without gaps, from 1, whatever the pictures are called, as in ``write_mot_results``.

    Args:
        folder: TrackEval's ``GT_FOLDER``.
        clips: What to write.
        split: As for ``write_mot_results``.

    Returns:
        The folder with one ``<scenario>/<clip>/`` a clip.
    """
    data = Path(folder) / f"{BENCHMARK}-{split}"
    names = []
    for clip in sorted(clips, key=lambda clip: clip.name):
        frame, track_id, boxes, _ = _rows(clip)
        order = np.lexsort((track_id, frame))
        text = "".join(
            f"{frame[k] + 1},{track_id[k]},{boxes[k, 0] + 1:.10g},{boxes[k, 1] + 1:.10g},{boxes[k, 2]:.10g},"
            f"{boxes[k, 3]:.10g},1,1,1\n"
            for k in order
        )
        root = data / _checked(clip.name)
        write_text(root / "gt" / "gt.txt", text)
        width, height = (int(side) for side in clip.sizes[0]) if clip.length else (1, 1)
        write_seqinfo(
            root / "seqinfo.ini",
            name=clip.name,
            image_folder="imgs",
            frame_rate=clip.frame_rate,
            length=clip.length,
            size=(width, height),
        )
        names.append(clip.name)
    write_text(Path(folder) / "seqmaps" / f"{BENCHMARK}-{split}.txt", "\n".join(["name", *names]) + "\n")
    return data


def write_combined(folder: str | Path, records: Iterable[Record]) -> tuple[Path, Path, Path]:
    """Write the three combined files of the data set with what is said here, by the ids of the tracks here.

    Returns:
        The paths of ``instance_caption.json``, ``video_summary.json`` and ``relation.json``.
    """
    return write_combined_files(folder, (bensmot_clip_of(clip, semantics) for clip, semantics in records))


def write_reference_results(folder: str | Path, lists: Lists, *, spread: bool = False) -> tuple[Path, Path, Path]:
    """Write what the released script scores: lists of predictions and of ground truth, matched beforehand.

    Every file is ``{"preds": [...], "gts": [...]}``. Texts are texts; relations are vectors of 360 in the order of
    spellings, probabilities in ``preds``, 0 and 1 in ``gts``.

    Args:
        folder: Where the files go.
        lists: Predictions and annotations side by side; the script's own lists are those of the rule ``argmax``.
        spread: Give the probability of a label to all its spellings. That helps where annotators spelt it wrongly and
            costs precision everywhere else; the default is the right spelling alone.

    Returns:
        The paths of ``summary_results.json``, ``caption_results.json`` and ``relation_results.json``.
    """
    contents = {
        "summary": ([pair.candidate for pair in lists.summaries], [pair.reference for pair in lists.summaries]),
        "caption": ([pair.candidate for pair in lists.captions], [pair.reference for pair in lists.captions]),
        "relation": (
            [prediction_vector(pair.predicted, spread=spread) for pair in lists.pairs],
            [annotation_vector(pair.annotated) for pair in lists.pairs],
        ),
    }
    paths = []
    for name, (predicted, annotated) in contents.items():
        paths.append(Path(folder) / f"{name}_results.json")
        write_text(paths[-1], json.dumps({"preds": predicted, "gts": annotated}, ensure_ascii=False) + "\n")
    return paths[0], paths[1], paths[2]


def prediction_vector(interactions: Sequence[Interaction], *, spread: bool = False) -> list[float]:
    """Return 360 probabilities by slot of what is said about one ordered pair of people.

    Args:
        interactions: Of that pair.
        spread: See ``write_reference_results``.
    """
    from semantic.evaluation.interactions import slot_class

    vector = [0.0] * NUM_SLOTS
    for one in interactions:
        for slot in slots(one.label) if spread else (slot_class(one),):
            vector[slot] = max(vector[slot], float(one.probability))
    return vector


def annotation_vector(interactions: Sequence[Interaction]) -> list[int]:
    """Return 360 flags by slot of what is annotated of one ordered pair of people, each in the spelling it has."""
    from semantic.evaluation.interactions import slot_class

    vector = [0] * NUM_SLOTS
    for one in interactions:
        vector[slot_class(one)] = 1
    return vector


def write_chota(folder: str | Path, predictions: Iterable[Record], annotations: Iterable[Record]) -> tuple[Path, Path]:
    """Write ground truth and predictions for CHOTA (Zhou et al., 2023, dense video object captioning).

    The ground truth is a COCO file with ``videos``, ``images`` and ``annotations``, predictions are a list in the form
    of annotations with ``score``; both have ``track_id`` and ``caption``, which is empty where there is none. Boxes are
    left, top, width, height in pixels, from 0.

    Returns:
        The paths of ``chota_gt.json`` and ``chota_predictions.json``.

    Raises:
        DataError: results of a clip without annotations or longer than they are; a clip twice.
    """
    truth = _by_name(annotations, "annotations")
    results = _by_name(predictions, "results")
    unknown = sorted(set(results) - set(truth))
    if unknown:
        raise DataError(f"{unknown[0]}: results without annotations", "export the same clips of both")
    videos: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    predicted: list[dict[str, Any]] = []
    for video, (name, (clip, semantics)) in enumerate(sorted(truth.items()), start=1):
        first = len(images) + 1
        videos.append({"id": video, "file_name": name, "summary": semantics.summary_text})
        images += [
            {
                "id": first + frame,
                "video_id": video,
                "frame_id": frame + 1,
                "file_name": f"{name}/{clip.stems[frame] if clip.stems else frame + 1}",
                "width": width,
                "height": height,
            }
            for frame, (width, height) in enumerate(clip.sizes.tolist())
        ]
        for row in _boxes((clip, semantics), first):
            area = row["bbox"][2] * row["bbox"][3]
            boxes.append({"id": len(boxes) + 1, **row, "area": area, "iscrowd": 0})
        if name in results:
            if results[name][0].length > clip.length:
                raise DataError(
                    f"{name}: {results[name][0].length} frames in the results, {clip.length} annotated",
                    "describe the same pictures that are annotated",
                )
            predicted += _boxes(results[name], first)
    people = [{"id": 1, "name": "person"}]
    whole = {"videos": videos, "images": images, "annotations": boxes, "categories": people}
    paths = Path(folder) / "chota_gt.json", Path(folder) / "chota_predictions.json"
    for path, content in zip(paths, (whole, predicted), strict=True):
        write_text(path, json.dumps(content, ensure_ascii=False) + "\n")
    return paths


def _boxes(record: Record, first_image: int) -> list[dict[str, Any]]:
    clip, semantics = record
    captions = {caption.track_id: caption.text for caption in semantics.captions}
    frame, track_id, boxes_ltwh, confidence = _rows(clip)
    return [
        {
            "image_id": first_image + int(frame[k]),
            "category_id": 1,
            "track_id": int(track_id[k]),
            "bbox": [round(value, 4) for value in boxes_ltwh[k].tolist()],
            "score": float(confidence[k]),
            "caption": captions.get(int(track_id[k]), ""),
        }
        for k in range(len(frame))
    ]


def _rows(
    clip: Clip,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return frame, id, box (left, top, width, height) and confidence of all boxes of a clip, 0-based."""
    if not clip.tracks:
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros((0, 4)), np.zeros(0)
    frame = np.concatenate([track.frame for track in clip.tracks])
    track_id = np.concatenate([np.full(len(track), track.track_id, dtype=np.int64) for track in clip.tracks])
    boxes = np.concatenate([track.boxes_xyxy for track in clip.tracks])
    boxes_ltwh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return frame, track_id, boxes_ltwh, np.concatenate([track.confidence for track in clip.tracks])


def _by_name(records: Iterable[Record], what: str) -> dict[str, Record]:
    named: dict[str, Record] = {}
    for clip, semantics in records:
        if clip.name in named:
            raise DataError(f"{clip.name}: twice in the {what}", "keep one of the two")
        named[clip.name] = clip, semantics
    return named


def _checked(name: str) -> str:
    """Return a name of a clip that leads to no other folder."""
    if any(part in ("", ".", "..") for part in name.split("/")) or not name.isprintable() or {"\\", ":"} & set(name):
        raise DataError(f"clip {name!r}: not a name of a file", "name it <scenario>/<clip>")
    return name
