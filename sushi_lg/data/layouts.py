"""One table of the data sets this package knows: where files lie, what the columns of the ground truth mean.

Code elsewhere asks the row of a data set, never its name, and no sequence name occurs in code. Of a data set that is
not in the table the row ``custom`` is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.mot_format import MotTable


@dataclass(frozen=True)
class Conventions:
    """What a data set means by a trajectory; trackers are scored against it.

    Attributes:
        hidden_people_annotated: The ground truth goes on while a person is fully hidden. Where it does, filling gaps
            of a trajectory gains; where not, it costs.
        return_is_new_identity: Who leaves the picture and comes back is annotated as another person.
    """

    hidden_people_annotated: bool = True
    return_is_new_identity: bool = False


@dataclass(frozen=True)
class Layout:
    """How one data set stores a sequence and what its ground truth means.

    Attributes:
        name: Folder name of the data set, as its authors spell it.
        aliases: Other folder names in use, lower case.
        image_folder: Folder of the frames inside a sequence.
        image_digits: Digits of the frame number in an image name, padded with zeros.
        image_extension: Extension with the dot, where seqinfo.ini does not name one.
        first_image: Number of the first image.
        sparse_images: Images are called by numbers that may have gaps, and ground truth counts by them: see
            ``sushi_lg.data.sparse_frames``. Digits and first number mean nothing then.
        has_seqinfo: Whether sequences come with a seqinfo.ini.
        frame_rate: Frames per second where files do not say; None = must be given.
        person_classes: Classes whose boxes carry an identity for training; None = every row is a person.
        scored_classes: Classes that metrics count; None = every row.
        distractor_classes: Classes whose matches are neither right nor wrong.
        zero_flag_is_ignored: Rows with flag 0 carry no identity (only where there is no class column to tell).
        hidden_people_annotated: See ``Conventions``.
        return_is_new_identity: See ``Conventions``.
        own_files: Files that a sequence of no other data set has.
        name_suffixes: Suffixes under which one video occurs several times, preferred one first.
        trackeval_benchmark: ``BENCHMARK`` for TrackEval's MotChallenge2DBox.
    """

    name: str
    aliases: tuple[str, ...] = ()
    image_folder: str = "img1"
    image_digits: int = 6
    image_extension: str = ".jpg"
    first_image: int = 1
    sparse_images: bool = False
    has_seqinfo: bool = True
    frame_rate: float | None = None
    person_classes: tuple[int, ...] | None = None
    scored_classes: tuple[int, ...] | None = None
    distractor_classes: tuple[int, ...] = ()
    zero_flag_is_ignored: bool = False
    hidden_people_annotated: bool = True
    return_is_new_identity: bool = False
    own_files: tuple[str, ...] = ()
    name_suffixes: tuple[str, ...] = ()
    trackeval_benchmark: str = "custom"

    @property
    def conventions(self) -> Conventions:
        """What the data set means by a trajectory."""
        return Conventions(self.hidden_people_annotated, self.return_is_new_identity)

    def image_name(self, number: int, extension: str | None = None) -> str:
        """Return the file name of the frame with the 1-based file number ``number``."""
        shifted = number - 1 + self.first_image
        return f"{shifted:0{self.image_digits}d}{extension or self.image_extension}"

    def canonical_name(self, sequence_name: str) -> str:
        """Return the name of the video: ``sequence_name`` without the suffix of a public detector."""
        for suffix in self.name_suffixes:
            if sequence_name.lower().endswith(suffix.lower()):
                return sequence_name[: -len(suffix)]
        return sequence_name

    def identity_rows(self, table: MotTable) -> NDArray[np.bool_]:
        """Return (R,) bool: ground-truth rows that are persons with an identity, scored or not."""
        keep = _of_classes(table, self.person_classes)
        return np.logical_and(keep, table.confidence != 0) if self.zero_flag_is_ignored else keep

    def scored_rows(self, table: MotTable) -> NDArray[np.bool_]:
        """Return (R,) bool: ground-truth rows that metrics expect a tracker to find."""
        scored: NDArray[np.bool_] = _of_classes(table, self.scored_classes) & (table.confidence != 0)
        return scored


def _of_classes(table: MotTable, classes: tuple[int, ...] | None) -> NDArray[np.bool_]:
    if classes is None:
        return np.ones(len(table), dtype=bool)
    kept: NDArray[np.bool_] = np.isin(table.category, classes) | (table.category == -1)  # -1: no class column
    return kept


_MOT = Layout(
    "MOT16",
    person_classes=(1, 2, 7, 8, 12),  # pedestrian, on a vehicle, static, distractor, reflection
    scored_classes=(1,),
    distractor_classes=(2, 7, 8, 12),
    # No identity of MOT17's training set is gone for more than a second between two visits to the picture's border;
    # of SportsMOT 361 are.
    return_is_new_identity=True,
    trackeval_benchmark="MOT16",
)

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "MOT15",
            aliases=("2dmot2015", "mot2015"),
            zero_flag_is_ignored=True,
            return_is_new_identity=True,
            trackeval_benchmark="MOT15",
        ),
        _MOT,
        replace(_MOT, name="MOT17", name_suffixes=("-FRCNN", "-SDP", "-DPM"), trackeval_benchmark="MOT17"),
        # class 6, vehicle without motor, is a distractor in MOT20 only
        replace(_MOT, name="MOT20", distractor_classes=(2, 6, 7, 8, 12), trackeval_benchmark="MOT20"),
        Layout("DanceTrack", image_digits=8, hidden_people_annotated=False, trackeval_benchmark="DanceTrack"),
        Layout(
            "SportsMOT",
            aliases=("sportsmot_publish",),
            # Of 484 gaps in the 639 training identities 439 touch the picture's border (the camera pans away) and the
            # others last 1 frame in the median, where DanceTrack has 948 gaps inside the picture: boxes go on behind
            # other players.
            hidden_people_annotated=True,
            trackeval_benchmark="SportsMOT",
        ),
        # Its files state neither rate nor size. The authors count 151 thousand frames in 75,499 seconds, two a second;
        # the size comes from the images. Whether hidden people are annotated is not documented; False is the careful
        # choice (gaps are not filled).
        Layout(
            "BenSMOT",
            image_folder="imgs",
            image_digits=3,
            sparse_images=True,
            has_seqinfo=False,
            frame_rate=2.0,
            hidden_people_annotated=False,
            own_files=("instance_captions.txt", "interactions.graphml", "video_caption.txt"),
            trackeval_benchmark="BenSMOT",
        ),
        Layout("custom"),
    )
}


def layout_of(path: str | Path) -> Layout:
    """Guess the data set from the folder names of ``path``; ``custom`` when nothing matches.

    A folder called like a data set decides, the deepest first; otherwise a last folder such as ``MOT17-xx`` or
    ``dancetrackxxxx`` that begins with the name of a data set and a number; otherwise a file that only sequences of one
    data set have.
    """
    parts = [part.lower() for part in Path(path).absolute().parts]
    for part in reversed(parts):
        for layout in LAYOUTS.values():
            if layout.name != "custom" and part in (layout.name.lower(), *layout.aliases):
                return layout
    for layout in LAYOUTS.values():
        if re.match(rf"{re.escape(layout.name.lower())}[-_]?\d", parts[-1]):
            return layout
    for layout in LAYOUTS.values():
        if any((Path(path) / name).is_file() for name in layout.own_files):
            return layout
    return LAYOUTS["custom"]
