"""Tracking and captions in one number: CHOTA (Zhou et al., "Dense Video Object Captioning from Disjoint Supervision").

The cube root of DetA, AssA and CapA at an overlap of 0.5. DetA and AssA are those of HOTA (Luiten et al., IJCV 2021):
boxes are matched one to one in every frame, tracks that agree over the whole clip first. CapA is the mean of caption
scores over matched boxes whose person has a caption; a caption counts once a box.

As published, CapA is the mean of CIDEr, METEOR and SPICE. SPICE needs a model from the network, so here it is the mean
of the first two and has a name of its own, ``CapA2``, and so has ``CHOTA2``; METEOR is NLTK's. As in the published code
CIDEr stays on its scale up to 10, and takes the weights of words from the boxes of one clip: it is 0 in clips with one
described person.

Shapes: P predicted tracks, G annotated tracks, C clips, B draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pycocoevalcap.cider.cider_scorer import CiderScorer
from scipy.optimize import linear_sum_assignment

from semantic.evaluation.lists import Record
from semantic.evaluation.matching import paired_overlap
from semantic.evaluation.measures import Floats, Measure, divide
from semantic.evaluation.meteor import nltk_meteor
from semantic.structures import Track

LEAST_OVERLAP = 0.5
Words = Callable[[str], Sequence[str]]
_Captions = Counter[tuple[str, str]]  # (candidate, reference): number of boxes
_EPSILON = float(np.finfo(np.float64).eps)


def chota_measures(records: Sequence[tuple[Record | None, Record]], words: Words) -> tuple[list[Measure], int]:
    """Return DetA, AssA, CapA2 and CHOTA2, and the number of matched boxes whose captions were compared.

    Args:
        records: prediction (None where there is none) and annotation of C clips.
        words: parts a caption into words.
    """
    rows = [_score_clip(prediction, truth, words) for prediction, truth in records]
    sums = np.array(rows, dtype=np.float64).reshape(-1, 6)
    total = sums.sum(axis=0, keepdims=True)
    measures = [
        Measure(name, float(formula(total)[0]), sums, formula)
        for name, formula in (("DetA", _det_a), ("AssA", _ass_a), ("CapA2", _cap_a), ("CHOTA2", _chota))
    ]
    return measures, int(total[0, 5])


def _det_a(sums: Floats) -> Floats:
    return divide(sums[:, 0], sums[:, 1])


def _ass_a(sums: Floats) -> Floats:
    return divide(sums[:, 2], sums[:, 0])


def _cap_a(sums: Floats) -> Floats:
    return divide(sums[:, 3] + sums[:, 4], 2 * sums[:, 5])


def _chota(sums: Floats) -> Floats:
    return np.asarray(np.cbrt(_det_a(sums) * _ass_a(sums) * _cap_a(sums)))


def _score_clip(prediction: Record | None, truth: Record, words: Words) -> list[float]:
    """Return matched boxes, all boxes, sum of association, of CIDEr and of METEOR over boxes, and boxes described."""
    annotated, predicted = truth[0].tracks, prediction[0].tracks if prediction else ()
    boxes = [sum(map(len, tracks)) for tracks in (predicted, annotated)]
    matched = match_boxes(predicted, annotated)
    right = float(matched.sum())
    lengths = [np.array([len(track) for track in tracks], dtype=np.float64) for tracks in (predicted, annotated)]
    together = lengths[0][:, None] + lengths[1][None, :] - matched
    association = float((matched * divide(matched, together)).sum())
    captions = _captions(prediction, truth, matched)
    cider, meteor = _caption_sums(captions, words)
    return [right, sum(boxes) - right, association, cider, meteor, float(sum(captions.values()))]


def match_boxes(predicted: Sequence[Track], annotated: Sequence[Track]) -> Floats:
    """Return (P, G) number of frames in which two tracks are matched at an overlap of at least 0.5."""
    matched = np.zeros((len(predicted), len(annotated)))
    agreement = np.zeros_like(matched)
    ours, theirs = _by_frame(predicted), _by_frame(annotated)
    overlaps: dict[int, tuple[list[int], list[int], Floats]] = {}
    for frame in sorted(ours.keys() & theirs.keys()):
        rows, columns = list(ours[frame]), list(theirs[frame])
        first = np.stack([ours[frame][row] for row in rows])[:, None]
        second = np.stack([theirs[frame][column] for column in columns])[None]
        overlap = paired_overlap(first, second)
        overlaps[frame] = rows, columns, overlap
        rivals = overlap.sum(axis=0)[None] + overlap.sum(axis=1)[:, None] - overlap
        agreement[np.ix_(rows, columns)] += np.where(rivals > _EPSILON, divide(overlap, rivals), 0.0)
    lengths = [np.array([len(track) for track in tracks], dtype=np.float64) for tracks in (predicted, annotated)]
    agreement = divide(agreement, lengths[0][:, None] + lengths[1][None, :] - agreement)
    for rows, columns, overlap in overlaps.values():
        best = linear_sum_assignment(-agreement[np.ix_(rows, columns)] * overlap)
        for row, column in zip(*best, strict=True):
            if overlap[row, column] >= LEAST_OVERLAP - _EPSILON:
                matched[rows[row], columns[column]] += 1
    return matched


def _by_frame(tracks: Sequence[Track]) -> dict[int, dict[int, Floats]]:
    """Return boxes by frame, then by number of the track."""
    frames: dict[int, dict[int, Floats]] = {}
    for number, track in enumerate(tracks):
        for frame, box in zip(track.frame.tolist(), track.boxes_xyxy, strict=True):
            frames.setdefault(frame, {})[number] = box
    return frames


def _captions(prediction: Record | None, truth: Record, matched: Floats) -> _Captions:
    said = _texts(prediction)
    references = _texts(truth)
    captions: _Captions = Counter()
    for p, g in np.argwhere(matched > 0):
        assert prediction is not None  # something was matched
        reference = references.get(truth[0].tracks[g].track_id, "")
        if reference.strip():
            captions[said.get(prediction[0].tracks[p].track_id, ""), reference] += int(matched[p, g])
    return captions


def _texts(record: Record | None) -> Mapping[int, str]:
    return {caption.track_id: caption.text for caption in record[1].captions} if record else {}


def _caption_sums(captions: _Captions, words: Words) -> tuple[float, float]:
    """Return the sums of CIDEr and of METEOR over boxes."""
    if not captions:
        return 0.0, 0.0
    counts = list(captions.values())
    candidates = [words(candidate) for candidate, _ in captions]
    references = [words(reference) for _, reference in captions]
    scores = repeated_cider(references, candidates, counts), nltk_meteor(references, candidates).each
    cider, meteor = (sum(count * score for count, score in zip(counts, each, strict=True)) for each in scores)
    return cider, meteor


def repeated_cider(
    references: Sequence[Sequence[str]], candidates: Sequence[Sequence[str]], counts: Sequence[int]
) -> list[float]:
    """Return CIDEr of N different pairs that are there several times each, scored once.

    Args:
        references: words of N texts.
        candidates: words of N texts.
        counts: (N,) times a pair is there.
    """
    scorer = CiderScorer()
    for reference, candidate in zip(references, candidates, strict=True):
        scorer += (" ".join(candidate), [" ".join(reference)])
    for [runs], count in zip(scorer.crefs, counts, strict=True):
        for run in runs:
            scorer.document_frequency[run] += count
    scorer.crefs += [[]] * (sum(counts) - len(counts))  # it takes the number of documents from here
    return [float(score) for score in scorer.compute_cider()]
