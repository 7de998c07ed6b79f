"""Looks: the same whatever the scale, width or direction of the vectors, and nothing from nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from toy import cut, make, members, tracklets_of, walkers

from sushi_lg.errors import DataError
from sushi_lg.graph import appearance
from sushi_lg.graph.appearance import (
    EDGE_WIDTH,
    NODE_WIDTH,
    Looks,
    edge_likeness,
    measure_looks,
    node_likeness,
    tracklet_looks,
)
from sushi_lg.graph.evidence import EvidenceBuilder
from sushi_lg.graph.occlusion import overlap_features
from sushi_lg.graph.settings import EvidenceConfig
from sushi_lg.graph.tracklets import Tracklets, singletons
from sushi_lg.structures import Detections


def dressed(detections: Detections, seed: int = 0, width: int = 24, noise: float = 0.3) -> Detections:
    """Return the detections with one look a person, disturbed."""
    random = torch.Generator().manual_seed(seed)
    people = torch.randn(int(detections.identity.max()) + 1, width, generator=random)
    vectors = people[detections.identity] + noise * torch.randn(len(detections), width, generator=random)
    return replace(detections, embedding=vectors)


def looks_of(detections: Detections) -> Looks:
    looks = measure_looks(detections, overlap_features(detections))
    assert looks is not None
    return looks


def pairs_of(tracklets: Tracklets) -> Tensor:
    earlier, later = torch.meshgrid(torch.arange(len(tracklets)), torch.arange(len(tracklets)), indexing="ij")
    chosen = (tracklets.last_frame[earlier] < tracklets.first_frame[later]) & (
        tracklets.clip[earlier] == tracklets.clip[later]
    )
    return torch.stack([earlier[chosen], later[chosen]])


def test_boxes_alone_have_no_looks() -> None:
    detections = walkers(0)
    assert measure_looks(detections, overlap_features(detections)) is None


@pytest.mark.parametrize("change", ["scale", "rotation", "half"])
def test_only_differences_between_people_matter(change: str) -> None:
    detections = dressed(walkers(1, clips=2))
    assert detections.embedding is not None
    vectors = torch.nn.functional.normalize(detections.embedding)
    rotation = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(3))).Q
    changed = {
        "scale": 1000 * vectors,
        "rotation": vectors @ rotation,
        "half": vectors.half().float(),
    }[change]
    tracklets = cut(detections, 1)
    edges = pairs_of(tracklets)
    values = []
    for one in (vectors, changed):
        looks = looks_of(replace(detections, embedding=one))
        values.append(edge_likeness(looks, tracklet_looks(looks, tracklets), tracklets, edges))
    torch.testing.assert_close(values[0], values[1], atol=5e-3 if change == "half" else 1e-4, rtol=0)


def test_one_person_is_near_one_and_two_are_near_zero() -> None:
    detections = dressed(walkers(2, people=8, frames=60, missing=0.1))
    looks = looks_of(detections)
    tracklets = cut(detections, 2)
    earlier, later = edges = pairs_of(tracklets)
    person = detections.identity[tracklets.first]
    same = person[earlier] == person[later]
    likeness = edge_likeness(looks, tracklet_looks(looks, tracklets), tracklets, edges)
    assert likeness.shape == (edges.shape[1], EDGE_WIDTH) and bool(likeness.isfinite().all())
    for column in (1, 2, 3, 4):
        assert float(likeness[same, column].median()) == pytest.approx(1.0, abs=0.15)
        assert float(likeness[~same, column].median()) == pytest.approx(0.0, abs=0.35)
    assert float(looks.contrast) > 3


def test_vectors_that_say_nothing_are_worth_nothing() -> None:
    detections = walkers(3, people=8, frames=60, missing=0.1)
    told = looks_of(dressed(detections))
    random = torch.randn(len(detections), 24, generator=torch.Generator().manual_seed(0))
    assert float(looks_of(replace(detections, embedding=random)).contrast) < 0.3 * float(told.contrast)


def test_rows_of_zeros_say_nothing() -> None:
    detections = dressed(walkers(4, frames=12))  # too short to leave the picture
    assert detections.embedding is not None
    unknown = detections.identity == 0
    silent = replace(detections, embedding=detections.embedding * ~unknown[:, None])
    looks = looks_of(silent)
    assert bool((looks.quality[unknown] == 0).all()) and bool((looks.quality[~unknown] > 0).all())
    tracklets = cut(detections, 4)
    edges = pairs_of(tracklets)
    likeness = edge_likeness(looks, tracklet_looks(looks, tracklets), tracklets, edges)
    nobody = unknown[tracklets.first][edges].any(dim=0)
    assert bool((likeness[nobody] == 0).all()) and bool((likeness[~nobody, 0] == 1).all())
    nodes = node_likeness(looks, tracklet_looks(looks, tracklets), tracklets, slice(None))
    assert nodes.shape == (len(tracklets), NODE_WIDTH)
    assert bool((nodes[unknown[tracklets.first]] == 0).all()) and bool((nodes[~unknown[tracklets.first], 0] == 1).all())


def test_a_tracklet_keeps_the_clearest_view_of_each_stretch() -> None:
    """Checked against plain lists: first second, quarters, last second."""
    detections = dressed(walkers(5, people=3, frames=90, missing=0.3))
    tracklets = cut(detections, 5, mean_length=25)
    quality = torch.rand(len(detections), generator=torch.Generator().manual_seed(1))
    looks = replace(looks_of(detections), quality=quality)
    views = tracklet_looks(looks, tracklets).views
    assert views.shape == (len(tracklets), 6)
    seconds = looks.seconds.tolist()
    lengths = set()
    for own, chosen in zip(members(tracklets), views.tolist(), strict=True):
        lengths.add(len(own))

        early = [row for row in own if seconds[row] - seconds[own[0]] < 1]
        late = [row for row in own if seconds[own[-1]] - seconds[row] < 1]
        assert chosen[0] == max(early, key=lambda row: float(quality[row]))
        assert chosen[-1] == max(late, key=lambda row: float(quality[row]))
        if len(own) < 4:
            assert set(chosen[1:-1]) == set(own)
            continue
        bounds = [round(k * len(own) / 4 + 1e-9) for k in range(5)]
        for quarter, row in enumerate(chosen[1:-1]):
            place = own.index(row)
            assert bounds[quarter] - 1 <= place <= bounds[quarter + 1]  # give or take where quarters meet
            inner = own[bounds[quarter] + 1 : bounds[quarter + 1] - 1]
            assert all(quality[row] >= quality[other] for other in inner)
    assert min(lengths) < 4 and max(lengths) > 25


def test_a_tracklet_of_two_people_does_not_look_like_itself() -> None:
    detections = dressed(walkers(6, people=4, frames=40, missing=0.0))
    pure = detections.identity.numpy()
    swapped = np.where(detections.frame.numpy() < 20, pure, (pure + 1) % 4)
    looks = looks_of(detections)
    worst = []
    for label in (pure, swapped):
        tracklets = tracklets_of(detections, label)
        worst.append(node_likeness(looks, tracklet_looks(looks, tracklets), tracklets, slice(None))[:, 1])
    assert float(worst[0].min()) > 0.6 and float(worst[1].max()) < 0.5


def test_wide_vectors_are_reduced_and_say_the_same() -> None:
    detections = dressed(walkers(7, people=8, frames=60), width=300, noise=0.5)
    looks = looks_of(detections)
    assert looks.vectors.shape[1] == appearance.MOST_DIMENSIONS
    tracklets = cut(detections, 7)
    edges = pairs_of(tracklets)
    person = detections.identity[tracklets.first]
    same = person[edges[0]] == person[edges[1]]
    likeness = edge_likeness(looks, tracklet_looks(looks, tracklets), tracklets, edges)
    in_picture = likeness[:, 0] == 1
    assert float(in_picture.float().mean()) > 0.7
    assert float(likeness[same & in_picture, 1].min()) > float(likeness[~same & in_picture, 1].max())


def test_a_crossing_is_decided_by_looks() -> None:
    """Two people meet, vanish and come out where the other would have: boxes say one thing, looks the other."""
    frames = np.arange(30)
    seen = (frames < 13) | (frames > 16)
    left = np.where(frames <= 14, 100 + 10 * frames, 100 + 10 * (29 - frames))
    boxes, frame, person = [], [], []
    for who, x in enumerate((left, 390 - left)):
        for f in frames[seen]:
            boxes.append([x[f] - 15, 100, x[f] + 15, 180])
            frame.append(f)
            person.append(who)
    order = np.argsort(frame, kind="stable")
    detections = dressed(
        make(np.array(frame)[order], np.array(boxes, dtype=np.float32)[order], 0.9, np.array(person)[order]), noise=0.2
    )
    tracklets = tracklets_of(detections, detections.identity.numpy() + 2 * (detections.frame.numpy() > 15))
    overlap = overlap_features(detections)
    graph = EvidenceBuilder(EvidenceConfig(), 8, 4, 1, 1, overlap, measure_looks(detections, overlap))(
        detections, tracklets
    )
    person_of = detections.identity[tracklets.first]
    same = person_of[graph.edge_index[0]] == person_of[graph.edge_index[1]]
    assert int(same.sum()) == 2 and int((~same).sum()) == 2
    assert graph.edge_likeness is not None
    assert float(graph.edge_likeness[same, 1].min()) > 0.8 > 0.3 > float(graph.edge_likeness[~same, 1].max())


def test_looking_alike_makes_a_candidate_cheaper_and_none_impossible() -> None:
    detections = dressed(walkers(8, people=6, frames=30))
    tracklets = cut(detections, 8)
    overlap = overlap_features(detections)

    def graph(weight: float, looks: Looks | None) -> dict[tuple[int, int], float]:
        config = EvidenceConfig(appearance_weight=weight)
        built = EvidenceBuilder(config, 12, 50, 1, 1, overlap, looks)(detections, tracklets)
        return dict(zip(map(tuple, built.edge_index.T.tolist()), built.cost.tolist(), strict=True))

    looks = measure_looks(detections, overlap)
    plain, weighted, unweighted = graph(0.5, None), graph(0.5, looks), graph(0.0, looks)
    assert plain == unweighted and plain.keys() == weighted.keys()
    extra = {pair: weighted[pair] - plain[pair] for pair in plain}
    person = detections.identity[tracklets.first].tolist()
    same = [value for (a, b), value in extra.items() if person[a] == person[b]]
    other = [value for (a, b), value in extra.items() if person[a] != person[b]]
    assert min(extra.values()) >= 0 and np.median(same) < 0.1 < 0.25 < np.median(other) <= 0.5


def test_features_in_parts_are_those_at_once() -> None:
    detections = dressed(walkers(9, people=6, frames=40))
    overlap = overlap_features(detections)
    looks = measure_looks(detections, overlap)
    for tracklets in (singletons(detections), cut(detections, 9)):
        whole = EvidenceBuilder(EvidenceConfig(), 5, 4, 1, 1, overlap, looks)(detections, tracklets)
        parts = EvidenceBuilder(EvidenceConfig(), 5, 4, 1, 1, overlap, looks, in_parts=True)(detections, tracklets)
        assert parts.edge_likeness is not None and parts.node_likeness is not None
        rows = torch.cat([parts.edge_likeness[begin : begin + 7] for begin in range(0, whole.num_edges, 7)])
        assert torch.equal(rows, whole.edge_likeness)
        assert torch.equal(parts.node_likeness[:], whole.node_likeness)


@pytest.mark.parametrize("pairs", [1, 7, 100])
def test_means_compared_a_part_at_a_time_say_the_same(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    detections = dressed(walkers(3, frames=20))
    tracklets = cut(detections, 3, mean_length=3)
    looks = looks_of(detections)
    of, (earlier, later) = tracklet_looks(looks, tracklets), pairs_of(tracklets)
    whole = appearance.mean_likeness(looks, of, tracklets, earlier, later)
    monkeypatch.setattr(appearance, "COMPARED_PAIRS", pairs)
    assert torch.equal(appearance.mean_likeness(looks, of, tracklets, earlier, later), whole)
    nobody = earlier[:0]
    assert appearance.mean_likeness(looks, of, tracklets, nobody, nobody).shape == (0,)


def visit(frames: range, x: float, look: Tensor, seed: int) -> Detections:
    """Return somebody who stands at ``x`` for some frames."""
    random = torch.Generator().manual_seed(seed)
    vectors = look + 0.04 * torch.randn(len(frames), len(look), generator=random)
    boxes = np.tile([[x, 100.0, x + 30, 180.0]], (len(frames), 1))
    return replace(make(np.array(frames), boxes, identity=0), embedding=vectors)


def together(parts: list[Detections]) -> Detections:
    """Return one clip of people, with identities 0, 1, 2, ..."""
    frame = torch.cat([part.frame for part in parts])
    order = torch.argsort(frame, stable=True)
    embedding = torch.cat([part.embedding for part in parts if part.embedding is not None])
    person = torch.cat([torch.full((len(part),), number) for number, part in enumerate(parts)])
    boxes = torch.cat([part.boxes_xyxy for part in parts])
    return replace(
        make(frame[order].numpy(), boxes[order].numpy(), identity=person[order].numpy()), embedding=embedding[order]
    )


def looks_like(detections: Detections, label: Tensor) -> Tensor:
    """Return (M, M) likeness of the means of tracklets with these labels."""
    looks = looks_of(detections)
    tracklets = tracklets_of(detections, label.numpy())
    count = len(tracklets)
    first, second = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
    of = tracklet_looks(looks, tracklets)
    values = appearance.mean_likeness(looks, of, tracklets, first.reshape(-1), second.reshape(-1))
    return values.reshape(count, count)


def test_somebody_alone_stays_who_he_is() -> None:
    look = torch.randn(24, generator=torch.Generator().manual_seed(0)) / 5
    alone = visit(range(200), 100, look, 1)
    assert float(looks_like(alone, (alone.frame > 99).long())[0, 1]) > 0.9
    pair = visit(range(2), 100, look, 1)
    assert float(looks_like(pair, pair.frame)[0, 1]) > 0.9


def test_who_is_seen_most_does_not_make_the_others_alike() -> None:
    looks = torch.randn(4, 24, generator=torch.Generator().manual_seed(0)) / 5
    regular = visit(range(1000), 100, looks[0], 1)
    guests = [visit(range(100 + 300 * n, 150 + 300 * n), 300, looks[n + 1], n + 2) for n in range(3)]
    detections = together([regular, *guests])
    likeness = looks_like(detections, detections.identity)
    assert float(likeness.diagonal().min()) > 0.9
    assert float(likeness[~torch.eye(4, dtype=torch.bool)].max()) < 0.6


@pytest.mark.parametrize("frames", [2047, 2048])
def test_the_reduction_sees_everybody(frames: int) -> None:
    """With eight people in one order, every eighth box is the same person."""
    random = torch.Generator().manual_seed(0)
    people = torch.randn(8, 256, generator=random)
    frame, who = np.repeat(np.arange(frames), 8), np.tile(np.arange(8), frames)
    boxes = np.stack([who * 70.0, np.full(len(who), 100.0), who * 70.0 + 30, np.full(len(who), 180.0)], axis=1)
    vectors = people[who] + 1.5 * torch.randn(len(who), 256, generator=random)
    detections = replace(make(frame, boxes, identity=who), embedding=vectors)
    looks = looks_of(detections)
    likeness = looks.likeness(looks.vectors[:80] @ looks.vectors[-80:].T, torch.zeros(80, 80, dtype=torch.int64))
    same = torch.from_numpy(who[:80, None] == who[None, -80:])
    assert float(likeness[same].quantile(0.05)) > float(likeness[~same].quantile(0.99))


def test_what_stands_in_front_does_not_speak_for_who_is_behind() -> None:
    """The last five of twenty boxes show mostly somebody else."""
    looks = torch.randn(3, 24, generator=torch.Generator().manual_seed(1)) / 5
    covered, front, later = (visit(range(20), 100 + 80 * n, looks[n], n) for n in range(3))
    assert covered.embedding is not None and front.embedding is not None
    mixed = covered.embedding.clone()
    mixed[15:] = 0.05 * covered.embedding[15:] + 0.95 * front.embedding[15:]
    behind = replace(covered, embedding=mixed)
    # Afterwards both go on, elsewhere: the one who was covered, and the one who covered him.
    again = visit(range(30, 50), 100, looks[0], 8)
    other = visit(range(30, 50), 180, looks[1], 9)
    detections = together([behind, front, later, again, other])
    overlap = overlap_features(detections)
    overlap[(detections.identity == 0) & (detections.frame >= 15), 1] = 0.95
    measured = measure_looks(detections, overlap)
    assert measured is not None
    tracklets = tracklets_of(detections, detections.identity.numpy())
    of = tracklet_looks(measured, tracklets)
    right, wrong = edge_likeness(measured, of, tracklets, torch.tensor([[0, 0], [3, 4]]))
    for column in (1, 2, 3, 4):
        assert float(right[column]) > 0.8 > 0.4 > float(wrong[column])
    assert float(node_likeness(measured, of, tracklets, slice(0, 1))[0, 1]) > 0.8


def test_where_nothing_tells_nothing_is_claimed() -> None:
    detections = walkers(3, people=8, frames=60, missing=0.1)
    third = detections.select(torch.nonzero(detections.frame % 3 == 0).squeeze(1))  # nobody follows anybody
    random = torch.randn(len(third), 24, generator=torch.Generator().manual_seed(0))
    assert float(looks_of(replace(third, embedding=random)).contrast) == 0


def test_half_precision_of_a_training_stays_outside() -> None:
    detections = dressed(walkers(6, people=6, frames=40), width=300)
    tracklets = cut(detections, 6)
    edges = pairs_of(tracklets)
    values = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            looks = looks_of(detections)
            of = tracklet_looks(looks, tracklets)
            values.append(edge_likeness(looks, of, tracklets, edges))
            values.append(node_likeness(looks, of, tracklets, slice(None)))
            assert looks.vectors.dtype == torch.float32
    assert torch.equal(values[0], values[2]) and torch.equal(values[1], values[3])


def test_numbers_that_are_none_are_refused() -> None:
    detections = dressed(walkers(0))
    assert detections.embedding is not None
    detections.embedding[3, 2] = torch.nan
    with pytest.raises(DataError, match="NaN"):
        looks_of(detections)


def test_equal_vectors_are_worth_nothing() -> None:
    detections = walkers(0, people=8, frames=200, missing=0.1)
    looks = looks_of(replace(detections, embedding=torch.ones(len(detections), 7)))
    assert float(looks.contrast) < 0.5
