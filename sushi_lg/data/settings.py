"""Settings of this room; nothing here imports SciPy or PyTorch, so that mistakes are answered at once."""

from __future__ import annotations

from dataclasses import dataclass

from sushi_lg.errors import ConfigError
from sushi_lg.ranges import refuse_below


@dataclass
class AugmentConfig:
    """How strongly training clips are disturbed; every rate is drawn anew for each clip, from 0 to the value here.

    Attributes:
        reverse: probability to play the clip backwards.
        mirror: probability to flip left and right.
        drop_camera: probability of hiding the camera motion.
        drop: largest share of detections lost at random.
        drop_runs: largest probability that an identity loses a run of frames.
        run_length: longest such run in frames.
        jitter: largest standard deviation of box noise, in box sizes.
        score_noise: largest standard deviation of score noise (logit).
        spurious: largest number of false detections a frame.
        harder: probability that these disturbances are applied at all.
    """

    reverse: float = 0.5
    mirror: float = 0.5
    drop_camera: float = 0.3
    drop: float = 0.12
    drop_runs: float = 0.5
    run_length: int = 30
    jitter: float = 0.03
    score_noise: float = 0.5
    spurious: float = 1.0
    harder: float = 0.8

    def validate(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: naming the key.
        """
        for key in ("reverse", "mirror", "drop_camera", "drop", "drop_runs", "harder"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"augment.{key}: {getattr(self, key)} is no probability", "give one from 0 to 1")
        refuse_below(self, 0, "jitter", "score_noise", "spurious", prefix="augment.")
        refuse_below(self, 2, "run_length", prefix="augment.", remedy="augment.drop_runs=0 drops none")
