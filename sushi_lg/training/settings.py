"""Settings of a training; nothing here imports PyTorch, so that mistakes are answered at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from sushi_lg.data.settings import AugmentConfig
from sushi_lg.errors import ConfigError
from sushi_lg.nn.settings import GuidanceConfig
from sushi_lg.ranges import refuse_below, refuse_not_above_zero
from sushi_lg.tracking.recipe import TrackerConfig

LGMOT = "lgmot"
"""The teacher whose words lie in LG-MOT's tensor files."""
CONTROLS = ("none", "permuted", "one_hot")
"""What words are compared with in studies."""


@dataclass
class SetConfig:
    """Some sequences of a split with their detections.

    Attributes:
        split: name of a split, or a split file.
        detections: stem of the detection file; None where each sequence has just one.
        min_score: detections below this are left out.
        include: names of the sequences to use; all when empty.
        exclude: names of sequences to leave out.
        appearance: folder with the galleries of these detections; None = boxes only.
    """

    split: str
    detections: str | None = None
    min_score: float = 0.1
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    appearance: str | None = None


@dataclass
class SourceConfig(SetConfig):
    """A set to learn from.

    Attributes:
        weight: share of the clips drawn from this source, relative to the others.
        imagined: make detections from the ground truth, for sequences without any.
        overlay: probability that persons of another, mirrored clip of this source are put into a clip.
        descriptions: folder with ``<sequence>.jsonl``, what language says about the people and the scenes; None =
            nothing.
    """

    weight: float = 1.0
    imagined: bool = False
    overlay: float = 0.0
    descriptions: str | None = None

    def validate(self, where: str) -> None:
        """Check ranges of the source whose key is ``where``.

        Raises:
            ConfigError: naming the key.
        """
        if not self.weight > 0:
            raise ConfigError(f"{where}.weight: {self.weight} is not above 0", "remove the source instead")
        if not 0 <= self.overlay <= 1:
            raise ConfigError(f"{where}.overlay: {self.overlay} is no probability", "give one from 0 to 1")
        for key, value in (("imagined", self.imagined), ("overlay", self.overlay)):
            if value and self.appearance is not None:
                raise ConfigError(
                    f"{where}: {key} makes boxes of which no picture was seen, so they have no vectors",
                    f"leave out {key} or appearance",
                )


@dataclass
class SamplingConfig:
    """How batches are made.

    Attributes:
        budget: detections of a batch; the last clip may exceed it.
        min_length: shortest clip in frames, after frames were left out.
        max_length: longest clip. Upper levels join across gaps of up to 128 frames, and learn that from clips with a
            past and a future around such gaps; a crowd gets shorter clips, of about ``budget`` detections.
        stride: probabilities of keeping every frame, every second, every third, ...
        appearance: share of the batches whose detections have appearance vectors; the others are boxes only, so that
            one set of weights serves both. Vectors are those of the galleries where a source names some (clips of
            sources without say nothing), else imagined.
    """

    budget: int = 2400
    min_length: int = 64
    max_length: int = 400
    stride: list[float] = field(default_factory=lambda: [0.6, 0.25, 0.15])
    appearance: float = 0.5

    def validate(self) -> None:
        """Check what no single field can.

        Raises:
            ConfigError: naming the key.
        """
        if self.budget < 2:
            raise ConfigError(f"sampling.budget: {self.budget} is below 2")
        if not 2 <= self.min_length <= self.max_length:
            raise ConfigError(f"sampling.min_length: {self.min_length} is not in 2 .. {self.max_length} (max_length)")
        if not self.stride or min(self.stride) < 0 or sum(self.stride) <= 0:
            raise ConfigError(f"sampling.stride: {self.stride} are no probabilities")
        if not 0 <= self.appearance <= 1:
            raise ConfigError(f"sampling.appearance: {self.appearance} is no probability", "give one from 0 to 1")


@dataclass
class LossConfig:
    """Weights of the parts of the loss.

    Attributes:
        first_step: weight of the first classified step of message passing; the last has 1, those between rise evenly.
        one_unknown: weight of edges of which one end is no known person.
        both_unknown: weight of edges of which neither end is.
        edge_prior: number added to an edge count before dividing, so that levels with a handful of edges stay quiet.
        nodes: weight of the node classifiers.
        members: weight of keeping or dropping detections.
        boxes: weight of the smoothed boxes.
        looks: weight of telling people apart by their embeddings, where there is an encoder.
        looks_temperature: of its softmax.
        looks_seconds: detections of one person nearer in time than this are not compared for it.
        looks_detections: detections of a batch that are.
        box_corner: error, in box sizes, at which the box loss turns from quadratic to linear.
    """

    first_step: float = 0.5
    one_unknown: float = 1.0
    both_unknown: float = 1.0
    edge_prior: float = 20.0
    nodes: float = 0.1
    members: float = 0.3
    boxes: float = 5.0
    looks: float = 0.5
    looks_temperature: float = 0.1
    looks_seconds: float = 1.0
    looks_detections: int = 512
    box_corner: float = 0.05

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        refuse_below(self, 0, "nodes", "members", "boxes", "looks", prefix="loss.", remedy="{key}=0 switches it off")
        free = ("first_step", "one_unknown", "both_unknown", "box_corner", "looks_seconds")
        refuse_below(self, 0, *free, prefix="loss.")
        refuse_not_above_zero(self, "edge_prior", "looks_temperature", prefix="loss.")
        refuse_below(self, 2, "looks_detections", prefix="loss.", remedy="loss.looks=0 leaves it out")


@dataclass
class LanguageConfig(GuidanceConfig):
    """Language in a training.

    Attributes:
        teacher: name of a text encoder, see ``load_text_encoder``; ``lgmot`` = LG-MOT's tensor files, which lie in the
            sequence folders and say nothing about single edges; empty = no language.
        cache: folder for what teachers said; None = nothing is kept.
        directions: in which sentences may differ, see ``Lessons``.
        control: none, or what words are compared with in studies: ``permuted`` deals the descriptions of a sequence
            out anew among its people, ``one_hot`` replaces sentences by lists of attributes.
    """

    teacher: str = ""
    cache: str | None = None
    directions: int = 48
    control: str = "none"

    def validate(self, num_levels: int) -> None:
        """Check names and ranges.

        Raises:
            ConfigError: naming the key.
        """
        super().validate(num_levels)
        if self.directions < 1:
            raise ConfigError(f"language.directions: {self.directions} is below 1")
        if self.teacher == LGMOT and self.scene == "contrast":
            raise ConfigError(
                "language.scene: LG-MOT's files hold one vector a scene and nothing about single edges",
                "set language.scene=kl or none",
            )
        if self.teacher == LGMOT and self.control != "none":
            raise ConfigError(f"language.control: {self.control} needs words, LG-MOT's files hold vectors", "none")
        if self.control not in CONTROLS:
            raise ConfigError(f"language.control: {self.control!r} is unknown", f"one of {', '.join(CONTROLS)}")


@dataclass
class TrainConfig:
    """A training.

    Attributes:
        data: folder of the data sets.
        tracker: the recipe to train.
        sources: what to learn from.
        validation: sets that are tracked and scored now and then; no frame of them may be in ``sources``.
        held_out: sets of which no frame may be in ``sources`` either, kept for reported numbers.
        sampling: batches.
        augment: disturbances.
        loss: the objective.
        language: what guides the training in words; nothing of it is in the weights.
        initial: weights to start from, by name or path; None = random ones. Where they have no appearance encoder and
            ``tracker.appearance.dim`` asks for one, it starts as a projection that keeps angles.
        max_iterations: length of the training, which the learning rate follows.
        max_minutes: end after this time at the latest. The learning rate follows whichever of iterations and time is
            further on, so it is down at the end either way; such a run cannot be repeated to the bit.
        learning_rate: largest, reached after the warm-up.
        appearance_learning_rate: the same of the appearance encoder and of language's projections; None = as the rest.
        final_learning_rate: share of it at the end of the cosine.
        warm_up: iterations of the linear start.
        level_warm_up: iterations after which the next level joins in; 0 = all from the start.
        random_strictness: draw for every batch how strictly levels accept edges, see ``objective``.
        weight_decay: of AdamW.
        clip_gradient: largest norm of the gradient.
        max_bad_steps: stop after this many steps in a row without a finite gradient.
        ema_decay: of the moving average of the weights that is validated and exported; 0 = the weights themselves.
        statistics_detections: detections from which input statistics are measured at the start.
        seed: of everything random.
        device: auto, cpu or cuda.
        amp: bfloat16 where it is safe, on CUDA.
        threads: of torch on the CPU; 0 = torch's own choice.
        log_every: iterations between log lines.
        checkpoint_every: iterations between checkpoints; there is always one at the end.
        keep_checkpoints: how many are kept.
        validate_every: iterations between validations; 0 = only at the end.
        tensorboard: write events where TensorBoard is installed.
        licence: terms of the trained weights, for their header.
    """

    data: str = "data"
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    sources: list[SourceConfig] = field(default_factory=list)
    validation: list[SetConfig] = field(default_factory=list)
    held_out: list[SetConfig] = field(default_factory=list)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    initial: str | None = None
    max_iterations: int = 4000
    max_minutes: float | None = None
    learning_rate: float = 1.5e-3
    appearance_learning_rate: float | None = None
    final_learning_rate: float = 0.01
    warm_up: int = 50
    level_warm_up: int = 25
    random_strictness: bool = True
    weight_decay: float = 1e-3
    clip_gradient: float = 1.0
    max_bad_steps: int = 20
    ema_decay: float = 0.999
    statistics_detections: int = 24000
    seed: int = 0
    device: str = "auto"
    amp: bool = True
    threads: int = 0
    log_every: int = 50
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    validate_every: int = 0
    tensorboard: bool = True
    licence: str = ""

    def validate(self) -> None:
        """Check what no single field can.

        Raises:
            ConfigError: naming the key.
        """
        self.tracker.validate()
        for number, source in enumerate(self.sources):
            source.validate(f"sources.{number}")
        self.sampling.validate()
        self.augment.validate()
        self.loss.validate()
        self.language.validate(len(self.tracker.levels))
        counted = ("max_iterations", "log_every", "checkpoint_every", "keep_checkpoints", "max_bad_steps")
        refuse_below(self, 1, *counted, "statistics_detections")
        refuse_below(self, 0, "seed", "warm_up", "level_warm_up", "weight_decay", "threads", "validate_every")
        refuse_not_above_zero(self, "learning_rate", "clip_gradient")
        refuse_below(self, 0, "appearance_learning_rate", remedy="null takes learning_rate")
        if not 0 <= self.final_learning_rate <= 1:
            raise ConfigError(f"final_learning_rate: {self.final_learning_rate} is no share", "give one from 0 to 1")
        refuse_not_above_zero(self, "max_minutes", remedy="null means no limit")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay: {self.ema_decay} is not in [0, 1)")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ConfigError(f"device: {self.device!r} is unknown", "auto, cpu or cuda")
