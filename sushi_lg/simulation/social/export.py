"""The social world as data sets: all of BenSMOT's files, or MOTChallenge's, with a list of acts beside them.

As BenSMOT: ``ROOT/<split>/<scenario>/<clip>/`` holds ``imgs/``, ``gt/gt.txt``, captions, summary and interactions, and
``ROOT/<split>/`` the three combined files. As MOTChallenge: ``ROOT/social/<split>/<clip>/`` and what the other worlds
have besides. Both hold ``det/simulated.txt``, ``seqinfo.ini``, camera motion where the camera moves, and ``acts.json``:
who is there, what is true to say, and every act with its frames. Clips are made beside their place and moved there when
they are whole.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np

from sushi_lg.appearance.camera_motion import write_camera
from sushi_lg.data.bensmot import BensmotClip, BensmotTrack, Relation, write_bensmot_clip, write_combined_files
from sushi_lg.data.layouts import layout_of
from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import descriptions_path, write_descriptions
from sushi_lg.simulation import world as crowds
from sushi_lg.simulation.export import (
    DESCRIPTIONS,
    MANIFEST,
    Exported,
    check_arguments,
    describe,
    export_clip,
    is_there,
    key_of,
    write_found,
    write_split,
)
from sushi_lg.simulation.social.acts import edges
from sushi_lg.simulation.social.texts import captions, summary
from sushi_lg.simulation.social.world import VERSION, SocialClip, SocialDomain, clip_name, simulate_social

ACTS: Final = "acts.json"
Layout = Literal["mot", "bensmot"]
LAYOUTS: Final = ("mot", "bensmot")
_LEAST_VISIBILITY: Final = 0.1  # below it BenSMOT's annotators see nobody


def export_social(
    domain: SocialDomain,
    root: str | Path,
    *,
    split: str = "train",
    sequences: int = 1,
    seed: int = 0,
    layout: Layout = "bensmot",
    done: Callable[[int], None] | None = None,
) -> list[Exported]:
    """Write the clips of one split and the files that list them; what is there and complete is kept.

    Args:
        domain: what clips are like.
        root: folder of the data set.
        split: such as train or test.
        sequences: how many; more later go on behind them.
        seed: of the world.
        layout: whose files.
        done: told how many clips are finished.

    Returns:
        One row a clip, in order.

    Raises:
        ConfigError: the domain's numbers make no sense.
        DataError: a name that cannot be a folder; a clip there was made of other settings.
    """
    root = Path(root)
    domain.validate()
    check_arguments(domain.name, split, sequences)
    exported = []
    for number in range(1, sequences + 1):
        settings = {
            "version": [crowds.VERSION, VERSION],
            "seed": seed,
            "split": split,
            "number": number,
            "layout": layout,
            "domain": asdict(domain),
        }
        name = clip_name(domain, split=split, number=number, seed=seed)
        folder = root / split / name if layout == "bensmot" else root / domain.name / split / Path(name).name
        words = descriptions_path(root / DESCRIPTIONS, folder.name)
        if layout == "bensmot":
            _check_number(folder)
        reused = is_there(folder, settings)
        if not (reused and (layout == "bensmot" or words.is_file())):
            clip = simulate_social(domain, split=split, number=number, seed=seed)
            if layout == "mot":
                write_descriptions(words, describe(clip, dataset=domain.name, split=split, key=key_of(settings)))
            if not reused and layout == "mot":
                export_clip(clip, folder, settings, extra=partial(_write_acts, clip))
            elif not reused:
                _export_bensmot(clip, folder, settings)
        if done is not None:
            done(number)
        exported.append(Exported(folder, reused))
    if layout == "mot":
        write_split(root, domain.name, split)
    else:
        write_combined_files(root / split, _stored(root / split))
    return exported


def bensmot_clip(clip: SocialClip, *, split: str = "", digits: int = 6) -> BensmotClip:
    """Return a clip as annotators of BenSMOT would state it: boxes inside the picture, of whom something is seen.

    Args:
        clip: the clip.
        split: its split.
        digits: of the names of pictures.
    """
    camera = clip.scene.camera
    limit = np.array([camera.width, camera.height_px] * 2, np.float64)
    seen = clip.staging.is_inside & (clip.staging.visibility >= _LEAST_VISIBILITY)
    boxes = np.clip(clip.staging.boxes_xyxy, 0, limit)
    tracks = tuple(
        BensmotTrack(int(k) + 1, np.flatnonzero(seen[k]), np.round(boxes[k, seen[k]], 2))
        for k in np.flatnonzero(seen.any(axis=1))
    )
    ids = {track.track_id for track in tracks}
    labels: dict[tuple[int, int], set[str]] = defaultdict(set)
    for act in clip.acts:
        for active, passive, label in edges(act):
            if {active + 1, passive + 1} <= ids:
                labels[active + 1, passive + 1].add(label)
    nouns: dict[str, int] = defaultdict(int)
    names = {}
    for track in tracks:
        noun = clip.cast[track.track_id - 1].noun
        names[track.track_id] = f"{noun}{nouns[noun]}"
        nouns[noun] += 1
    return BensmotClip(
        name=clip.name,
        split=split,
        stems=tuple(f"{frame:0{digits}d}" for frame in range(1, clip.frames + 1)),
        sizes=np.tile(np.array([camera.width, camera.height_px], np.int64), (clip.frames, 1)),
        tracks=tracks,
        captions={one: text for one, text in captions(clip).items() if one in ids},
        names=names,
        summary=summary(clip),
        relations=tuple(Relation(a, b, tuple(sorted(labels[a, b]))) for a, b in sorted(labels)),
        frame_rate=clip.domain.frame_rate,
    )


def acts_of(clip: SocialClip) -> dict[str, Any]:
    """Return what is true about a clip for programs: people, texts, and every act; frames 0-based, ids of the files."""
    stated = bensmot_clip(clip)
    ids = [track.track_id for track in stated.tracks]
    rows = []
    for act in clip.acts:
        row: dict[str, Any] = {"kind": act.kind, "first_frame": act.first, "last_frame": act.last}
        row |= {"thing": act.thing} if act.thing else {}
        row |= {"side": act.side} if act.side else {}
        if act.passive is None:
            rows.append({**row, "active": act.active + 1, "passive": None, "label": None})
        rows += [{**row, "active": a + 1, "passive": b + 1, "label": label} for a, b, label in edges(act)]
    return {
        "clip": clip.name,
        "scenario": clip.scenario.name,
        "place": clip.place,
        "frames": clip.frames,
        "frame_rate": clip.domain.frame_rate,
        "people": [
            {
                "id": one,
                "name": stated.names[one],
                "caption": stated.captions[one],
                "attributes": clip.cast[one - 1].words,
            }
            for one in ids
        ],
        "summary": stated.summary,
        "relations": {f"{one.active}-{one.passive}": list(one.labels) for one in stated.relations or ()},
        "acts": [row for row in rows if row["active"] in ids and row["passive"] in (None, *ids)],
    }


def _check_number(folder: Path) -> None:
    """Raise ``DataError`` if a clip of this number is there in another scenario: of another seed, or other settings."""
    split = folder.parent.parent
    scenarios = sorted(one for one in split.iterdir() if not one.name.startswith(".")) if split.is_dir() else []
    for other in (scenario / folder.name for scenario in scenarios):
        if other != folder and other.exists():
            raise DataError(
                f"{other}: made with other settings (see its {MANIFEST})", f"remove {other}, or choose another --out"
            )


def _write_acts(clip: SocialClip, folder: Path) -> None:
    (folder / ACTS).write_text(json.dumps(acts_of(clip), indent=1) + "\n", encoding="utf-8")


def _export_bensmot(clip: SocialClip, folder: Path, settings: dict[str, Any]) -> None:
    """Write one clip to ``folder``, which must not exist."""
    staged = folder.parent.parent / f".simulating-{folder.name}"
    shutil.rmtree(staged, ignore_errors=True)  # of a run that was killed
    stated = bensmot_clip(clip, split=str(settings["split"]), digits=layout_of(folder).image_digits)
    made = write_bensmot_clip(staged, stated, _encoded(clip))
    write_found(made, clip.detections)
    if clip.camera_steps is not None:
        write_camera(made / "gmc.txt", clip.camera_steps)
    _write_acts(clip, made)
    (made / MANIFEST).write_text(
        json.dumps({"key": key_of(settings), **settings}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    folder.parent.mkdir(exist_ok=True)
    made.rename(folder)
    shutil.rmtree(staged)


def _encoded(clip: SocialClip) -> Iterator[bytes]:
    quality = [cv2.IMWRITE_JPEG_QUALITY, clip.scene.jpeg_quality]
    for picture in clip.pictures():
        yield cv2.imencode(".jpg", picture, quality)[1].tobytes()


def _stored(folder: Path) -> Iterator[BensmotClip]:
    """Yield what is said about all complete clips of a split, also those of an earlier run.

    Raises:
        DataError: an ``acts.json`` that is damaged.
    """
    for path in sorted(folder.glob(f"*/*/{ACTS}")):
        if path.parent.parent.name.startswith("."):
            continue
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            pairs = {tuple(int(one) for one in pair.split("-")): labels for pair, labels in stored["relations"].items()}
            yield BensmotClip(
                name=str(stored["clip"]),
                split=folder.name,
                stems=(),
                sizes=np.zeros((0, 2), np.int64),
                tracks=(),
                captions={int(person["id"]): str(person["caption"]) for person in stored["people"]},
                names={},
                summary=str(stored["summary"]),
                relations=tuple(Relation(a, b, tuple(labels)) for (a, b), labels in sorted(pairs.items())),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: damaged", f"remove {path.parent}; it is made again") from error
