"""Settings of this room; nothing here imports SciPy or PyTorch, so that mistakes are answered at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class AugmentConfig:
    """How strongly training clips are disturbed; every rate is drawn anew for each clip, from 0 to the value here.

    Attributes:
        reverse: probability to play the clip backwards.
        mirror: probability to flip left and right.
        stride: probabilities of keeping every frame, every second, every third.
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
    stride: list[float] | None = None
    drop_camera: float = 0.3
    drop: float = 0.12
    drop_runs: float = 0.5
    run_length: int = 30
    jitter: float = 0.03
    score_noise: float = 0.5
    spurious: float = 1.0
    harder: float = 0.8
