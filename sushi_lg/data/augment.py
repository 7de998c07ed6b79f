"""Augmentation of training clips, and detections imagined from ground truth.

An offline graph may be read backwards in time, mirrored, watched at a lower frame rate or through a worse detector, and
the answer stays the same. All functions take a ``numpy.random.Generator`` and return a new clip.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from sushi_lg.data.clips import BACKGROUND, OBJECT, Clip
from sushi_lg.data.settings import AugmentConfig


def augment(clip: Clip, config: AugmentConfig, rng: np.random.Generator) -> Clip:
    """Return a disturbed copy of a clip."""
    if rng.random() < config.drop_camera:
        clip = replace(clip, camera=None)
    if rng.random() < config.harder:
        clip = drop_runs(clip, rng.random() * config.drop_runs, config.run_length, rng)
        clip = clip.select(rng.random(len(clip)) >= rng.random() * config.drop)
        clip = jitter(clip, rng.random() * config.jitter, rng)
        clip = disturb_scores(clip, rng.random() * config.score_noise, rng)
        clip = add_spurious(clip, rng.random() * config.spurious, rng)
    if rng.random() < config.mirror:
        clip = mirror(clip)
    if rng.random() < config.reverse:
        clip = reverse(clip)
    return clip


def reverse(clip: Clip) -> Clip:
    """Play a clip backwards."""
    return replace(clip, frame=clip.length - 1 - clip.frame).sorted()


def mirror(clip: Clip) -> Clip:
    """Flip left and right."""
    width = clip.image_size[0]
    boxes, truth = clip.boxes_xyxy.copy(), clip.truth_xyxy.copy()
    boxes[:, [0, 2]] = width - clip.boxes_xyxy[:, [2, 0]]
    truth[:, [0, 2]] = width - clip.truth_xyxy[:, [2, 0]]
    camera = clip.camera
    if camera is not None:
        flip = np.array([[-1.0, 0.0, width], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        square = np.concatenate([camera, np.tile([[[0.0, 0.0, 1.0]]], (len(camera), 1, 1))], axis=1)
        camera = (flip @ square @ flip)[:, :2]
    return replace(clip, boxes_xyxy=boxes, truth_xyxy=truth, camera=camera)


def subsample(clip: Clip, stride: int) -> Clip:
    """Keep every ``stride``-th frame."""
    if stride == 1:
        return clip
    part = clip.select(clip.frame % stride == 0)
    return replace(
        part, frame=part.frame // stride, frame_rate=clip.frame_rate / stride, length=-(-clip.length // stride)
    )


def drop_runs(clip: Clip, probability: float, longest: int, rng: np.random.Generator) -> Clip:
    """Let identities disappear for a while, as behind an obstacle."""
    keep = np.ones(len(clip), dtype=bool)
    for identity in np.unique(clip.identity[clip.identity >= 0]):
        if rng.random() < probability:
            begin = rng.integers(0, clip.length)
            run = rng.integers(2, longest + 1)
            keep &= ~((clip.identity == identity) & (clip.frame >= begin) & (clip.frame < begin + run))
    return clip.select(keep)


def jitter(clip: Clip, deviation: float, rng: np.random.Generator) -> Clip:
    """Move every box edge by normal noise of ``deviation`` box sizes."""
    size = clip.boxes_xyxy[:, 2:] - clip.boxes_xyxy[:, :2]
    noise = rng.normal(0, deviation, clip.boxes_xyxy.shape) * np.concatenate([size, size], axis=1)
    boxes = clip.boxes_xyxy + noise.astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    return replace(clip, boxes_xyxy=boxes)


def disturb_scores(clip: Clip, deviation: float, rng: np.random.Generator) -> Clip:
    """Shift all scores of a clip together and each one a little, in logits."""
    score = np.clip(clip.score, 0.01, 0.99)
    logit = np.log(score / (1 - score)) - abs(rng.normal(0, deviation)) + rng.normal(0, deviation / 2, len(clip))
    return replace(clip, score=(1 / (1 + np.exp(-logit))).astype(np.float32))


def add_spurious(clip: Clip, per_frame: float, rng: np.random.Generator) -> Clip:
    """Add false detections: most are shifted copies of true boxes, some keep their place for several frames."""
    count = rng.poisson(per_frame * clip.length)
    if count == 0 or len(clip) == 0:
        return clip
    run = np.where(rng.random(count) < 0.3, rng.integers(2, 8, count), 1)
    source = np.repeat(rng.integers(0, len(clip), count), run)
    frame = np.repeat(clip.frame[source[np.cumsum(run) - 1]], run) + _position_in_run(run)
    near = np.repeat(rng.random(count) < 0.6, run)
    size = clip.boxes_xyxy[source, 2:] - clip.boxes_xyxy[source, :2]
    shift = np.repeat(rng.normal(0, 0.5, (count, 2)), run, axis=0) * size
    far = np.repeat(rng.random((count, 2)), run, axis=0) * np.array(clip.image_size)
    scale = np.repeat(np.exp(rng.normal(0, 0.3, (count, 2))), run, axis=0)
    corner = np.where(near[:, None], clip.boxes_xyxy[source, :2] + shift, far - size / 2)
    boxes = np.concatenate([corner, corner + size * scale], axis=1).astype(np.float32)
    inside = frame < clip.length
    extra = Clip(
        frame=frame[inside],
        boxes_xyxy=boxes[inside],
        score=(0.1 + 0.5 * np.repeat(rng.random(count) ** 2, run)).astype(np.float32)[inside],
        identity=np.full(int(inside.sum()), -1),
        is_object=np.full(int(inside.sum()), BACKGROUND, dtype=np.int8),
        truth_xyxy=np.full((int(inside.sum()), 4), np.nan, dtype=np.float32),
        camera=None if clip.camera is None else _camera_of_frame(clip, frame[inside], source[inside]),
        frame_rate=clip.frame_rate,
        image_size=clip.image_size,
        length=clip.length,
        embedding=None if clip.embedding is None else _stray_vectors(clip, source, near, run, rng)[inside],
        sentence=None if clip.sentence is None else np.full(int(inside.sum()), -1),
    )
    return concatenate(clip, extra)


def _stray_vectors(
    clip: Clip, source: np.ndarray, near: np.ndarray, run: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return vectors for false detections: partly somebody's where they are near him, else of false detections."""
    assert clip.embedding is not None
    other = np.repeat(rng.integers(0, len(clip), len(run)), run)
    stray = np.flatnonzero(clip.is_object == BACKGROUND)
    if len(stray):  # what the detector took for people elsewhere in this video
        other = np.repeat(stray[rng.integers(0, len(stray), len(run))], run)
    share = np.repeat(rng.uniform(0.2, 0.8, len(run)), run)
    share = np.where(near, share, 0.0)[:, None]
    vectors = clip.embedding.astype(np.float32)
    return (share * vectors[source] + (1 - share) * vectors[other]).astype(clip.embedding.dtype)


def concatenate(first: Clip, second: Clip) -> Clip:
    """Return the detections of both, sorted by frame; what only one of them knows is left out."""
    camera = embedding = sentence = None
    if first.camera is not None and second.camera is not None:
        camera = np.concatenate([first.camera, second.camera])
    if first.embedding is not None and second.embedding is not None:
        embedding = np.concatenate([first.embedding, second.embedding])
    if first.sentence is not None and second.sentence is not None:
        sentence = np.concatenate([first.sentence, second.sentence])
    return replace(
        first,
        frame=np.concatenate([first.frame, second.frame]),
        boxes_xyxy=np.concatenate([first.boxes_xyxy, second.boxes_xyxy]),
        score=np.concatenate([first.score, second.score]),
        identity=np.concatenate([first.identity, second.identity]),
        is_object=np.concatenate([first.is_object, second.is_object]),
        truth_xyxy=np.concatenate([first.truth_xyxy, second.truth_xyxy]),
        camera=camera,
        embedding=embedding,
        sentence=sentence,
    ).sorted()


_GUEST_SHARE = (0.2, 0.6)  # of the persons of the second clip, that enter the first


def overlay(clip: Clip, guests: Clip, rng: np.random.Generator) -> Clip:
    """Let some persons of another clip walk among those of the first: encounters that nobody filmed.

    There are few encounters in annotated video and upper levels learn from little else. Guests are brought to the
    heights and to the ground of the hosts; whoever stands in front of somebody of the other clip hides him, as in
    ``imagine_detections``. Camera motion is left out, because there are two cameras now.

    Args:
        clip: stays as it is but for what guests hide.
        guests: of about the same frame rate; frames beyond the length of ``clip`` are not used.
        rng: source of chance.
    """
    persons = np.unique(guests.identity[guests.identity >= 0])
    chosen = persons[rng.random(len(persons)) < rng.uniform(*_GUEST_SHARE)]
    guests = guests.select(np.isin(guests.identity, chosen) & (guests.frame < clip.length))
    if len(clip) == 0 or len(guests) == 0:
        return clip
    scale, shift = _to_ground_of(clip, guests, rng)
    move = np.concatenate([shift, shift]).astype(np.float32)
    guests = replace(
        guests,
        boxes_xyxy=guests.boxes_xyxy * scale + move,
        truth_xyxy=guests.truth_xyxy * scale + move,
        identity=guests.identity + clip.identity.max() + 1,
        camera=None,
    )
    centre = (guests.boxes_xyxy[:, :2] + guests.boxes_xyxy[:, 2:]) / 2
    guests = guests.select(((centre > 0) & (centre < clip.image_size)).all(axis=1))
    is_guest = np.concatenate([np.zeros(len(clip), dtype=bool), np.ones(len(guests), dtype=bool)])
    order = np.argsort(np.concatenate([clip.frame, guests.frame]), kind="stable")
    both = concatenate(replace(clip, camera=None), guests)
    covered, _ = covered_by(both, is_guest[order])
    least = both.score.min()  # below it nothing was kept of these detections
    smooth = _smooth_noise(both.identity, 5, rng)
    is_missed = (covered > 0) & (covered + 0.12 * smooth[:, 0] > rng.uniform(0.6, 0.95))
    score = np.clip(both.score, 1e-3, 1 - 1e-3)
    logit = np.log(score / (1 - score)) - 2 * covered * (1 + 0.3 * smooth[:, 0])
    size = both.boxes_xyxy[:, 2:] - both.boxes_xyxy[:, :2]
    noise = 0.05 * covered[:, None] * smooth[:, 1:] * np.concatenate([size, size], axis=1)
    boxes = both.boxes_xyxy + noise.astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    score = np.where(covered > 0, 1 / (1 + np.exp(-logit)), both.score).astype(np.float32)
    return replace(both, boxes_xyxy=boxes, score=score).select(~is_missed & (score >= least))


def _to_ground_of(clip: Clip, guests: Clip, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """Return the scale and the shift that put guests where the hosts are, give or take."""
    middle, height = [], []
    for one in (clip, guests):
        boxes = one.boxes_xyxy
        height.append(float(np.median(boxes[:, 3] - boxes[:, 1])))
        middle.append(np.array([np.median(boxes[:, [0, 2]].mean(axis=1)), np.median(boxes[:, 3])]))
    scale = height[0] / max(height[1], 1.0) * float(np.exp(rng.normal(0, 0.12)))
    stray = rng.normal(0, [0.8, 0.15]) * height[0]
    return scale, middle[0] + stray - scale * middle[1]


def _smooth_noise(identity: np.ndarray, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return (N, columns) noise of deviation about 1, smooth along each identity (but not across their joints)."""
    order = np.argsort(identity, kind="stable")
    noise = np.empty((len(identity), columns))
    noise[order] = lfilter([np.sqrt(1 - 0.85**2)], [1, -0.85], rng.normal(size=noise.shape), axis=0)
    return noise


def imagine_detections(truth: Clip, rng: np.random.Generator) -> Clip:
    """Turn ground-truth boxes into what a detector might have seen.

    Boxes wobble smoothly and jump a little, people behind others are missed for a while or found with a low score, and
    scores follow visibility. Used for sequences that come without detections; rates are drawn per clip.

    Args:
        truth: a clip whose rows are ground-truth boxes.
        rng: source of chance.
    """
    covered, _ = covered_by(truth)
    skill = rng.uniform(0.6, 1.0)
    smooth = _smooth_noise(truth.identity, 6, rng)
    visibility = 1 - covered
    logit = 2.6 * skill * (visibility**0.7) - 0.2 + 0.5 * smooth[:, 0] + 0.3 * rng.normal(size=len(truth))
    score = 1 / (1 + np.exp(-logit))
    is_missed = (covered + 0.12 * smooth[:, 1] > rng.uniform(0.6, 0.95)) | (rng.random(len(truth)) < 0.05 * (1 - skill))
    size = truth.boxes_xyxy[:, 2:] - truth.boxes_xyxy[:, :2]
    amount = rng.uniform(0.01, 0.035) * (1 + 2 * covered)[:, None]
    noise = amount * (0.8 * smooth[:, 2:] + 0.6 * rng.normal(size=(len(truth), 4)))
    boxes = truth.boxes_xyxy + (noise * np.concatenate([size, size], axis=1)).astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    seen = replace(
        truth,
        boxes_xyxy=boxes.astype(np.float32),
        truth_xyxy=truth.boxes_xyxy,
        score=np.clip(score, 0.1, 0.97).astype(np.float32),
        is_object=np.full(len(truth), OBJECT, dtype=np.int8),
    )
    return seen.select(~is_missed)


def covered_by(clip: Clip, side: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Find who stands in front of whom.

    Args:
        clip: N detections sorted by frame.
        side: (N,); where given, only boxes of another side cover.

    Returns:
        (N,) the largest share of each box covered by a box of its frame that reaches lower in the picture, and (N,)
        int64 the row of that box, -1 where nobody covers anything.
    """
    covered = np.zeros(len(clip))
    by = np.full(len(clip), -1)
    boxes = clip.boxes_xyxy.astype(np.float64)
    bounds = np.searchsorted(clip.frame, np.arange(clip.length + 1))
    for low, high in pairwise(bounds):
        if high - low < 2:
            continue
        frame_boxes = boxes[low:high]
        inner = np.minimum(frame_boxes[:, None, 2:], frame_boxes[None, :, 2:]) - np.maximum(
            frame_boxes[:, None, :2], frame_boxes[None, :, :2]
        )
        overlap = np.clip(inner, 0, None).prod(axis=2)
        overlap[frame_boxes[None, :, 3] <= frame_boxes[:, None, 3]] = 0
        if side is not None:
            overlap[side[low:high, None] == side[None, low:high]] = 0
        area = (frame_boxes[:, 2:] - frame_boxes[:, :2]).prod(axis=1)
        most = overlap.max(axis=1)
        covered[low:high] = most / np.maximum(area, 1e-6)
        by[low:high] = np.where(most > 0, low + overlap.argmax(axis=1), -1)
    return np.minimum(covered, 1), by


def _position_in_run(run: np.ndarray) -> np.ndarray:
    return np.arange(run.sum()) - np.repeat(np.cumsum(run) - run, run)


def _camera_of_frame(clip: Clip, frame: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the camera of any detection in each frame; frames without detections borrow the source's."""
    assert clip.camera is not None
    position = np.searchsorted(clip.frame, frame)
    found = (position < len(clip)) & (clip.frame[np.minimum(position, len(clip) - 1)] == frame)
    return clip.camera[np.where(found, np.minimum(position, len(clip) - 1), source)]
