"""Settings of the stage, next to each other, because all of them are part of what a request is.

What can change an answer stands in ``ViewConfig``, ``PairConfig`` and ``TextConfig``; ``DescribeConfig`` adds how the
work is done and what is made of answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sushi_lg.errors import ConfigError

MOST_LABELS = 5  # in one direction: what the grammar of written answers has room for


@dataclass
class ViewConfig:
    """Which pixels a request shows.

    Attributes:
        observations: Looks at one person, or at one pair.
        full_frames: Of the looks at one person, so many are whole frames, which tell the place and the others.
        clip_frames: Whole frames that a summary shows.
        margin: Sides of a crop over those of the box of a person.
        pair_margin: The same for the box around two people.
        full_height: A taller person promises no clearer look, pixels.
        longest_side: Pictures shown are made smaller than this, pixels.
        least_side: Crops are enlarged to this, pixels, so that an outline is thin beside a person.
        outline: Thickness of an outline, pixels of the picture shown.
        people: Most people who are outlined and named in a summary.
    """

    observations: int = 8
    full_frames: int = 2
    clip_frames: int = 16
    margin: float = 1.5
    pair_margin: float = 1.2
    full_height: float = 160.0
    longest_side: int = 768
    least_side: int = 224
    outline: int = 3
    people: int = 12


@dataclass
class PairConfig:
    """Which pairs of people are asked about.

    Attributes:
        shared_frames: Frames in which both have to be known.
        all_below: In clips of so few people every pair seen together is asked about.
        neighbours: Pairs kept for each person.
        per_person: Most pairs of a clip: this for each person ...
        more: ... and so many more.
        contact_overlap: IoU from which two boxes touch.
        near: Distance of centres, in mean diagonals of the two boxes, within which people are near each other.
        reach: The same, within which an approach is noticed.
        near_seconds: How long they have to be near.
        approach: Share by which the distance has to fall.
        speed_ratio: Change of speed that counts as one.
        turn_degrees: Change of direction that counts as one.
    """

    shared_frames: int = 3
    all_below: int = 3
    neighbours: int = 4
    per_person: int = 2
    more: int = 4
    contact_overlap: float = 0.05
    near: float = 1.5
    reach: float = 3.0
    near_seconds: float = 1.0
    approach: float = 0.2
    speed_ratio: float = 1.5
    turn_degrees: float = 45.0


@dataclass
class TextConfig:
    """Lengths of answers.

    Attributes:
        least_frames: Tracks of fewer frames get no caption of their own.
        options: Labels offered for a pair.
        labels: Most labels in one direction.
        context_words: Of the summary that later requests are given; 0 = none.
        words: Longest text that is kept, words.
        summary_tokens: Most new tokens of a summary.
        instance_tokens: Most new tokens of a caption.
        pair_tokens: Most new tokens of the labels of a pair.
    """

    least_frames: int = 5
    options: int = 40
    labels: int = 5
    context_words: int = 45
    words: int = 70
    summary_tokens: int = 96
    instance_tokens: int = 96
    pair_tokens: int = 96


@dataclass
class DescribeConfig:
    """All settings of describing.

    Attributes:
        views: Which pixels are shown.
        pairs: Which pairs are asked about.
        text: Lengths.
        threshold: Probability from which a scored label holds.
        symmetry: Factor on the probability of what two people necessarily do to each other, when it is said of one
            direction only; 0 = not said of the other.
        shortlist: Labels to offer: a file made by ``write_shortlist``, or a folder of annotations to learn them from;
            None = the built-in ones.
    """

    views: ViewConfig = field(default_factory=ViewConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    text: TextConfig = field(default_factory=TextConfig)
    threshold: float = 0.4
    symmetry: float = 0.9
    shortlist: str | None = None

    def validate(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one is out of range.
        """
        counts = {
            "views.observations": self.views.observations,
            "views.clip_frames": self.views.clip_frames,
            "views.longest_side": self.views.longest_side,
            "views.outline": self.views.outline,
            "pairs.shared_frames": self.pairs.shared_frames,
            "pairs.neighbours": self.pairs.neighbours,
            "text.least_frames": self.text.least_frames,
            "text.options": self.text.options,
            "text.labels": self.text.labels,
            "text.words": self.text.words,
            "text.summary_tokens": self.text.summary_tokens,
            "text.instance_tokens": self.text.instance_tokens,
            "text.pair_tokens": self.text.pair_tokens,
        }
        for name, count in counts.items():
            if count < 1:
                raise ConfigError(f"{name}: {count} is below 1", "give a number above 0")
        if self.text.labels > MOST_LABELS:
            raise ConfigError(f"text.labels: {self.text.labels} is above {MOST_LABELS}", "models may write no more")
        for name, share in {"threshold": self.threshold, "symmetry": self.symmetry}.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"{name}: {share} is not in 0 .. 1", "give a probability")
        for name, factor in {"views.margin": self.views.margin, "views.pair_margin": self.views.pair_margin}.items():
            if not factor >= 1:
                raise ConfigError(f"{name}: {factor} is below 1", "1 is the box itself")
        if not self.views.full_height > 0:
            raise ConfigError(f"views.full_height: {self.views.full_height} is not above 0", "usually 160")
        if not 0 < self.pairs.near <= self.pairs.reach:
            raise ConfigError(
                f"pairs.near: {self.pairs.near}, pairs.reach: {self.pairs.reach}", "above 0, and reach not below near"
            )
        if self.pairs.contact_overlap <= 0:
            raise ConfigError(f"pairs.contact_overlap: {self.pairs.contact_overlap} is not above 0", "usually 0.05")
        if self.views.full_frames < 0 or self.views.people < 0 or self.text.context_words < 0:
            raise ConfigError("views.full_frames, views.people or text.context_words is below 0", "0 = none")
