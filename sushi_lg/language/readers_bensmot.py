"""Descriptions from BenSMOT (Li et al., ECCV 2024): one caption a person, one a video.

``sushi_lg.data.bensmot`` reads the data set and says what becomes of its faults; here its texts become descriptions.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sushi_lg.data.bensmot import BensmotClip, read_bensmot
from sushi_lg.language.descriptions import Description


@dataclass(frozen=True)
class BensmotDescriptions:
    """Descriptions of the clips of a folder.

    Attributes:
        clips: By ``<scenario>/<clip>``; a clip of which nothing could be used is absent.
        faults: How often each kind of fault was met.
        notes: One line a fault that has a place.
    """

    clips: dict[str, list[Description]]
    faults: Counter[str]
    notes: list[str]


def read_bensmot_descriptions(folder: str | Path) -> BensmotDescriptions:
    """Read the captions of all clips below a folder: the data set, a part (``train``), a scenario or one clip.

    Raises:
        DataError: no such folder, no clip in it, two of one name, or a combined file that is not what it should be.
    """
    read = read_bensmot(folder)
    rows = {clip.name: _descriptions(clip) for clip in read.clips}
    notes = [note for clip in read.clips for note in clip.notes]
    return BensmotDescriptions({name: found for name, found in rows.items() if found}, read.faults, notes)


def _descriptions(clip: BensmotClip) -> list[Description]:
    digest = hashlib.sha256(b"bensmot 1")
    digest.update(json.dumps([sorted(clip.captions.items()), clip.summary]).encode())
    texts: list[tuple[int | None, str]] = [*sorted(clip.captions.items())]
    if clip.summary:
        texts.append((None, clip.summary))
    return [
        Description(
            seq=clip.name,
            track_id=track_id,
            sentence=text,
            models={"sentence": "BenSMOT"},
            dataset="BenSMOT",
            split=clip.split,
            sha256=digest.hexdigest(),
        )
        for track_id, text in texts
    ]
