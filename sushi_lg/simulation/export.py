"""Worlds as data sets: sequences in MOTChallenge layout with pictures, detections, camera and true descriptions.

``ROOT/<domain>/<split>/<sequence>/`` holds ``img1/``, ``gt/gt.txt``, ``det/simulated.txt``, ``seqinfo.ini`` and, where
the camera moves, ``gmc.txt``; ``ROOT/descriptions/<sequence>.jsonl`` what is true about people and scene;
``ROOT/<domain>-<split>.txt`` is a split file. A sequence is made in a folder beside its place and moved there when it
is whole, so what is there is complete; its ``simulation.json`` tells what it was made of.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from sushi_lg.appearance.camera_motion import write_camera
from sushi_lg.data.files import atomic_path
from sushi_lg.data.mot_format import write_detections
from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import Description, descriptions_path, write_descriptions
from sushi_lg.simulation.detections import SimulatedDetections
from sushi_lg.simulation.people import attributes, sentence
from sushi_lg.simulation.scenes import Domain, scene_sentence
from sushi_lg.simulation.world import VERSION, SimulatedClip, simulate

if TYPE_CHECKING:
    from sushi_lg.simulation.social.world import SocialClip

DETECTIONS: Final = "simulated"
MANIFEST: Final = "simulation.json"
DESCRIPTIONS: Final = "descriptions"
_LAYOUT: Final = "custom"


@dataclass(frozen=True)
class Exported:
    """A sequence on disk: its folder, and whether it was there before."""

    path: Path
    reused: bool


def export_split(
    domain: Domain,
    root: str | Path,
    *,
    split: str = "train",
    sequences: int = 1,
    seed: int = 0,
    done: Callable[[int], None] | None = None,
) -> list[Exported]:
    """Write the sequences of one split, and the split file; what is there and complete is kept.

    Args:
        domain: where.
        root: folder of the data set.
        split: such as train, val or test.
        sequences: how many; more later go on behind them.
        seed: of the world.
        done: told how many frames of all sequences are finished.

    Returns:
        One row a sequence, in order.

    Raises:
        ConfigError: the domain's numbers make no sense.
        DataError: a name that cannot be a folder; a sequence there was made of other settings.
    """
    root = Path(root)
    domain.validate()
    check_arguments(domain.name, split, sequences)
    exported = []
    for number in range(1, sequences + 1):
        settings = {"version": VERSION, "seed": seed, "split": split, "number": number, "domain": asdict(domain)}
        folder = root / domain.name / split / f"{domain.name}-{split}-{number:04d}"
        before = domain.frames * (number - 1)
        words = descriptions_path(root / DESCRIPTIONS, folder.name)
        reused = is_there(folder, settings)
        if not (reused and words.is_file()):
            clip = simulate(domain, split=split, number=number, seed=seed)
            write_descriptions(words, describe(clip, dataset=domain.name, split=split, key=key_of(settings)))
            if not reused:
                export_clip(clip, folder, settings, None if done is None else _behind(done, before))
        if done is not None:
            done(before + domain.frames)
        exported.append(Exported(folder, reused))
    write_split(root, domain.name, split)
    return exported


def export_clip(
    clip: SimulatedClip | SocialClip,
    folder: Path,
    settings: dict[str, Any],
    done: Callable[[int], None] | None = None,
    extra: Callable[[Path], None] | None = None,
) -> None:
    """Write one sequence to ``folder``, which must not exist.

    Args:
        clip: the sequence.
        folder: its place.
        settings: what it was made of, for the manifest.
        done: told how many frames are written.
        extra: writes more into the folder, before it gets its place.
    """
    staged = folder.with_name(f".simulating-{folder.name}")
    shutil.rmtree(staged, ignore_errors=True)  # of a run that was killed
    (staged / "img1").mkdir(parents=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, clip.scene.jpeg_quality]
    for frame, picture in enumerate(clip.pictures(), start=1):
        encoded = cv2.imencode(".jpg", picture, quality)[1]
        (staged / "img1" / f"{frame:06d}.jpg").write_bytes(encoded.tobytes())
        if done is not None:
            done(frame)
    write_found(staged, clip.detections)
    (staged / "gt").mkdir()
    (staged / "gt" / "gt.txt").write_text(_ground_truth(clip), encoding="utf-8")
    (staged / "seqinfo.ini").write_text(_seqinfo(clip), encoding="utf-8")
    if clip.camera_steps is not None:
        write_camera(staged / "gmc.txt", clip.camera_steps)
    if extra is not None:
        extra(staged)
    (staged / MANIFEST).write_text(
        json.dumps({"key": key_of(settings), **settings}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    staged.rename(folder)


def write_found(folder: Path, found: SimulatedDetections) -> None:
    """Write detections into the folder of a sequence, where a tracker looks for them."""
    sizes = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
    boxes_ltwh = np.concatenate([found.boxes_xyxy[:, :2], sizes], axis=1)
    write_detections(folder / "det" / f"{DETECTIONS}.txt", found.frame, boxes_ltwh, found.score)


def describe(
    clip: SimulatedClip | SocialClip, *, dataset: str = "", split: str = "", key: str = ""
) -> list[Description]:
    """Return what is true about the scene and everybody in it.

    Args:
        clip: the sequence.
        dataset: for the rows.
        split: for the rows.
        key: digest of what the sequence was made of.
    """
    words = clip.scene_attributes()
    common: dict[str, Any] = {
        "dataset": dataset,
        "split": split,
        "models": {"source": f"simulation {VERSION}"},
        "sha256": key,
    }
    rows = [Description(clip.name, None, scene_sentence(words), attributes=words, **common)]
    seen = clip.staging.is_inside.any(axis=1)
    sentences = [sentence(person) for person in clip.people]
    for k in np.flatnonzero(seen).tolist():
        alike = sum(sentences[j] == sentences[k] for j in np.flatnonzero(seen)) - 1
        others = max(int(seen.sum()) - 1, 1)
        best = np.argsort(-clip.staging.visibility[k], kind="stable")[:3]
        rows.append(
            Description(
                clip.name,
                k + 1,
                sentences[k],
                attributes=attributes(clip.people[k]),
                discriminability=round(1 - alike / others, 4),
                keyframes=tuple(sorted(int(frame) for frame in best)),
                **common,
            )
        )
    return rows


def check_arguments(domain: str, split: str, sequences: int) -> None:
    """Check what becomes names of folders, and the number of sequences.

    Raises:
        DataError: a name that cannot be a folder; no sequence.
    """
    for what, word in (("split", split), ("domain", domain)):
        if not word.replace("-", "").replace("_", "").isalnum():
            raise DataError(f"{what} {word!r} is no name of a folder", "use letters, digits, - and _")
    if sequences < 1:
        raise DataError(f"{sequences} sequences", "make at least one")


def _behind(done: Callable[[int], None], before: int) -> Callable[[int], None]:
    """Return what counts frames on from those of earlier sequences."""
    return lambda frame: done(before + frame)


def is_there(folder: Path, settings: dict[str, Any]) -> bool:
    """Tell whether a sequence made with these settings is there; what is there is complete.

    Raises:
        DataError: something else is in its place.
    """
    if not folder.exists():
        return False
    remedy = f"remove {folder}, or choose another --out"
    try:
        key = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: not made by `sushi-lg simulate`, or damaged", remedy) from error
    if key != key_of(settings):
        raise DataError(f"{folder}: made with other settings (see its {MANIFEST})", remedy)
    return True


def key_of(settings: dict[str, Any]) -> str:
    """Return a digest of what a sequence is made of."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _ground_truth(clip: SimulatedClip | SocialClip) -> str:
    """Return rows ``frame,id,left,top,width,height,1,1,visibility``, 1-based, sorted by identity and frame."""
    staging, lines = clip.staging, []
    for k, t in np.argwhere(staging.is_inside).tolist():
        left, top, right, bottom = staging.boxes_xyxy[k, t].tolist()
        box = f"{left + 1:.2f},{top + 1:.2f},{right - left:.2f},{bottom - top:.2f}"
        lines.append(f"{t + 1},{k + 1},{box},1,1,{staging.visibility[k, t]:.3f}\n")
    return "".join(lines)


def _seqinfo(clip: SimulatedClip | SocialClip) -> str:
    domain = clip.domain
    lines = {
        "name": clip.name,
        "imDir": "img1",
        "frameRate": f"{domain.frame_rate:g}",
        "seqLength": clip.frames,
        "imWidth": domain.width,
        "imHeight": domain.height,
        "imExt": ".jpg",
    }
    return "\n".join(["[Sequence]", *(f"{key}={value}" for key, value in lines.items())]) + "\n"


def write_split(root: Path, domain: str, split: str) -> None:
    """List all complete sequences of a split, also those of an earlier run."""
    names = sorted(path.parent.name for path in (root / domain / split).glob(f"*/{MANIFEST}"))
    names = [name for name in names if not name.startswith(".")]
    header = [f"# People simulated in the domain {domain}.", f"# dataset: {_LAYOUT}", f"# part: {domain}/{split}"]
    with atomic_path(root / f"{domain}-{split}.txt") as staged:
        staged.write_text("\n".join([*header, *names]) + "\n", encoding="utf-8")
