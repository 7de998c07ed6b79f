"""What a report says: plain records, made by ``collect`` and shown by ``page``.

Frames count from 0 here and from 1 in what is shown. Boxes are left, top, width, height in pixels, counted from 0.
Text is as it was found: whoever shows it escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sushi_lg.evaluation.links import LevelQuality

Box = tuple[float, float, float, float]  # left, top, width, height
Span = tuple[int, int]  # first and last frame, both included


@dataclass(frozen=True)
class SceneBox:
    """A box in a scene.

    Attributes:
        box: in pixels of the frame.
        track_id: of a trajectory; -1 for a person of the ground truth.
        is_subject: whether the scene is about it.
    """

    box: Box
    track_id: int
    is_subject: bool


@dataclass(frozen=True)
class Scene:
    """A part of a frame, with what was found there.

    Attributes:
        frame: which one.
        region: the part that is shown.
        boxes: of all trajectories that reach into it, and of the ground truth where the scene is about that.
        picture: the pixels as a data URL; empty without pixels.
    """

    frame: int
    region: Box
    boxes: tuple[SceneBox, ...]
    picture: str = ""


@dataclass(frozen=True)
class WeakLink:
    """A join of two boxes that the tracker was not sure of.

    Attributes:
        before: frame of the earlier box.
        frame: frame of the later one.
        level: which joined them.
        probability: what the network said of the join.
        is_right: whether both show the same person; None without ground truth.
    """

    before: int
    frame: int
    level: int
    probability: float
    is_right: bool | None


@dataclass(frozen=True)
class Trajectory:
    """One row of the timeline.

    Attributes:
        track_id: unique in its sequence.
        boxes: number of boxes, filled ones included.
        seen: runs of frames with a detected box.
        filled: runs of frames with a filled box.
        confidence: mean score of the detected boxes.
        weak_links: joins below the bound of the report, by rising frame; empty without a replay.
        switches: frames at which a person came here from another trajectory, by rising frame.
        matched: boxes that show a person of the ground truth; None without ground truth.
        scored: boxes that count in scores; None without ground truth.
        person: identity that most of its boxes show; None without ground truth or where there is none.
        caption: what was said about it.
        scene: how it looks; None without pixels.
    """

    track_id: int
    boxes: int
    seen: tuple[Span, ...]
    filled: tuple[Span, ...]
    confidence: float
    weak_links: tuple[WeakLink, ...] = ()
    switches: tuple[int, ...] = ()
    matched: int | None = None
    scored: int | None = None
    person: int | None = None
    caption: str = ""
    scene: Scene | None = None

    @property
    def first(self) -> int:
        """First frame."""
        return min(span[0] for span in self.seen + self.filled)

    @property
    def last(self) -> int:
        """Last frame."""
        return max(span[1] for span in self.seen + self.filled)

    @property
    def num_filled(self) -> int:
        """Number of filled boxes."""
        return sum(last - first + 1 for first, last in self.filled)

    @property
    def is_false(self) -> bool:
        """Whether most of its boxes count against it, because they show nobody; False without ground truth."""
        return self.matched is not None and self.scored is not None and 2 * (self.scored - self.matched) > self.boxes


@dataclass(frozen=True)
class Switch:
    """A person whose boxes went from one trajectory to another.

    Attributes:
        sequence: name.
        person: identity in the ground truth.
        before: the last frame in which the earlier trajectory matched.
        frame: the first one in which the later trajectory did.
        before_id: the earlier trajectory.
        after_id: the later one.
        kind: what happened, in words.
        before_scene: shows the person in ``before``.
        after_scene: shows the same place in ``frame``.
        command: tells why the tracker did so; empty where it cannot.
    """

    sequence: str
    person: int
    before: int
    frame: int
    before_id: int
    after_id: int
    kind: str
    before_scene: Scene | None = None
    after_scene: Scene | None = None
    command: str = ""


@dataclass(frozen=True)
class FalseTrack:
    """A trajectory of which most boxes show nobody.

    Attributes:
        sequence: name.
        trajectory: which; the timeline may lack it.
    """

    sequence: str
    trajectory: Trajectory


@dataclass(frozen=True)
class Person:
    """A person of the ground truth, and how much of it was found.

    Attributes:
        sequence: name.
        identity: in the ground truth.
        boxes: frames in which it is to be found.
        found: frames in which a box of a result matched it.
        trajectories: how many trajectories had a part in that.
        missed: runs of frames in which it was not found.
    """

    sequence: str
    identity: int
    boxes: int
    found: int
    trajectories: int
    missed: tuple[Span, ...]

    @property
    def share(self) -> float:
        """Share of its frames in which it was found."""
        return self.found / max(self.boxes, 1)


@dataclass(frozen=True)
class SequencePart:
    """One sequence of a run.

    Attributes:
        name: of the sequence.
        length: number of frames.
        frame_rate: frames per second.
        size: width and height of a picture.
        trajectories: by first frame, then id.
        num_trajectories: how many there are, those left out of ``trajectories`` included.
        num_boxes: number of boxes of all of them.
        num_filled: how many of these were filled.
        false_counts: boxes that match nobody, summed over equal parts of the sequence; empty without ground truth.
        missed_counts: the same of people not found.
    """

    name: str
    length: int
    frame_rate: float
    size: tuple[int, int]
    trajectories: tuple[Trajectory, ...]
    num_trajectories: int
    num_boxes: int
    num_filled: int
    false_counts: tuple[int, ...] = ()
    missed_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Score:
    """A metric over all sequences.

    Attributes:
        metric: its name.
        value: in percent, or a count.
        interval: the middle 95 % of draws of the sequences; None where there are too few.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class CeilingStage:
    """One stage of ``sushi-lg study ceilings``.

    Attributes:
        name: what is perfect and what is learned.
        plain: HOTA with gaps open.
        filled: HOTA with gaps filled.
        interval: of what it costs against the stage before, the middle 95 % of draws of sequences; None for the first
            stage and with one sequence.
    """

    name: str
    plain: float
    filled: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Said:
    """A sentence about somebody.

    Attributes:
        text: the sentence.
        track_ids: whom it is about.
        span: frames it is drawn from.
    """

    text: str
    track_ids: tuple[int, ...]
    span: Span


@dataclass(frozen=True)
class Act:
    """Something that one person does to or with another.

    Attributes:
        active: who does it.
        passive: to whom.
        label: canonical name, such as ``talk.v.01``.
        phrase: in words, such as ``talks to``.
        probability: that it holds, as far as its author can tell.
        span: frames it is drawn from.
        is_mutual: whether it holds the other way round too, and need not; then only one of the two is there.
        scenes: how it looks.
    """

    active: int
    passive: int
    label: str
    phrase: str
    probability: float
    span: Span
    is_mutual: bool = False
    scenes: tuple[Scene, ...] = ()


@dataclass(frozen=True)
class Words:
    """What was said about a sequence.

    Attributes:
        sequence: name.
        summary: about all of it.
        captions: sentences by trajectory.
        acts: by falling probability.
        author: who said it.
        scenes: how trajectories with a caption look.
    """

    sequence: str
    summary: tuple[Said, ...]
    captions: Mapping[int, tuple[Said, ...]]
    acts: tuple[Act, ...]
    author: str
    scenes: Mapping[int, tuple[Scene, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Lack:
    """Something a report does not show.

    Attributes:
        reason: one sentence.
        command: what gives it; empty where nothing does.
    """

    reason: str
    command: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that is shown of a run.

    Attributes:
        name: of the run.
        sequences: in the order of the run.
        facts: what the run was made of and with, by heading.
        settings: all settings as text.
        files: SHA-256 of the files of results, by path below the run.
        scores: over all sequences; empty without ground truth.
        table: per sequence and combined, all metrics as text.
        hota: HOTA by sequence, in percent.
        switches: by sequence and frame; at most as many as are shown.
        num_switches: how many there are.
        false_tracks: of all trajectories, longest first; at most as many as are shown.
        num_false: how many there are.
        people: of the ground truth, worst first; at most as many as are shown.
        num_people: how many there are to be found.
        mostly_lost: how many were found in less than a fifth of their frames.
        levels: from 0; empty without a replay.
        weak_bound: a join below this probability is marked.
        ceilings: from perfect association to the tracker as it is; empty where nobody computed them.
        words: what was said, by sequence.
        num_pictures: pictures inside the report.
        notes: what a reader of the numbers must know.
        lacks: what is not shown, by part: scores, interval, switches, mistakes, pictures, links, levels, ceilings,
            words.
    """

    name: str
    sequences: tuple[SequencePart, ...]
    facts: Mapping[str, str]
    settings: str
    files: Mapping[str, str]
    scores: tuple[Score, ...] = ()
    table: tuple[Mapping[str, str], ...] = ()
    hota: Mapping[str, float] = field(default_factory=dict)
    switches: tuple[Switch, ...] = ()
    num_switches: int = 0
    false_tracks: tuple[FalseTrack, ...] = ()
    num_false: int = 0
    people: tuple[Person, ...] = ()
    num_people: int = 0
    mostly_lost: int = 0
    levels: tuple[LevelQuality, ...] = ()
    weak_bound: float = 0.0
    ceilings: tuple[CeilingStage, ...] = ()
    words: tuple[Words, ...] = ()
    num_pictures: int = 0
    notes: tuple[str, ...] = ()
    lacks: Mapping[str, Lack] = field(default_factory=dict)
