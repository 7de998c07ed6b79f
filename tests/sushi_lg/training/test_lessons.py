"""What language teaches: who has which sentence, and where its gradients go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from guided import WIDTH, Said, rows_of, write_said
from synthetic import PERSONS
from torch import Tensor
from torch.nn.functional import normalize

from sushi_lg.errors import ConfigError, DataError
from sushi_lg.language.descriptions import Description, descriptions_path, write_descriptions
from sushi_lg.language.text_encoder import TextEncoder, load_text_encoder
from sushi_lg.nn.guidance import Guidance
from sushi_lg.solver.oracle import accept_labels
from sushi_lg.tracking.level import LevelResult
from sushi_lg.tracking.tracker import HierarchicalTracker
from sushi_lg.training import lessons as lessons_module
from sushi_lg.training.lessons import LanguageGuide, Lessons, _told_apart, load_lessons
from sushi_lg.training.objective import JudgedEdges, judge
from sushi_lg.training.sampling import Batch, to_batch
from sushi_lg.training.settings import LanguageConfig, SourceConfig, TrainConfig
from sushi_lg.training.sources import Source, load_sources

NAMES = ("learn-1", "learn-2", "learn-3", "learn-4")
Load = Callable[..., list[Source]]


@pytest.fixture
def load(world: Path) -> Load:
    """Return a function that reads the toy world, described by a folder or by nobody."""

    def sources(*described: str | Path | None, **changes: Any) -> list[Source]:  # noqa: ANN401
        split = str(world / "split-learn-1.txt")
        configs = [SourceConfig(split, descriptions=None if one is None else str(one), **changes) for one in described]
        return load_sources(configs, [], world)

    return sources


def by_name(sources: list[Source]) -> dict[str, Any]:
    """Return the clips of all sequences."""
    return {sequence.sequence: sequence.clip for source in sources for sequence in source.sequences}


def sentence_of_everybody(lessons: Lessons, sources: list[Source]) -> dict[tuple[str, int], Tensor]:
    """Return what each described person of each sequence is taught, as the teacher put it but for the projection."""
    found: dict[tuple[str, int], Tensor] = {}
    for name, clip in by_name(sources).items():
        for person in np.unique(clip.identity):
            (number,) = set(clip.sentence[clip.identity == person].tolist())  # all of one person's boxes
            if number >= 0:
                found[name, int(person)] = lessons.sentences_as_published[number]
    return found


def alike(first: Tensor, second: Tensor) -> bool:
    """Tell whether rows of vectors have the same products with each other: they are equal but for a turn."""
    return bool(torch.allclose(first @ first.T, second @ second.T, atol=1e-5))


# ------------------------------------------------------------------------------------------------- who has which


def test_everybody_is_taught_the_sentence_about_him(load: Load, said: Said) -> None:
    config = LanguageConfig(teacher=said.teacher)
    lessons, sources = load_lessons(load(said.descriptions), config, seed=0)
    encoder = load_text_encoder(said.teacher)
    texts = {(name, row.track_id): row.sentence for name in NAMES for row in rows_of(name)}
    found = sentence_of_everybody(lessons, sources)
    # nobody's boxes have none, and nobody describes the last person
    assert found.keys() == {(name, person) for name in NAMES for person in range(1, PERSONS)}
    vectors = torch.from_numpy(encoder.encode([texts[key] for key in found]))
    assert alike(torch.stack(list(found.values())), vectors)
    scenes = [by_name(sources)[name].scene for name in NAMES]
    assert scenes == [0, 1, 2, 3]
    of_scenes = torch.from_numpy(encoder.encode([texts[name, None] for name in NAMES]))
    torch.testing.assert_close(lessons.scenes_as_published, of_scenes)


def test_the_same_words_are_one_sentence(load: Load, said: Said) -> None:
    lessons, sources = load_lessons(load(said.descriptions), LanguageConfig(teacher=said.teacher), seed=0)
    texts = {row.sentence for name in NAMES for row in rows_of(name) if row.track_id is not None}
    assert len(lessons.sentences) == len(lessons.sentences_as_published) == len(texts) < 5 * len(NAMES)
    clip = by_name(sources)["learn-1"]
    first, other, also = (set(clip.sentence[clip.identity == person]) for person in (1, 2, PERSONS - 1))
    assert first == also != other
    used = np.concatenate([clip.sentence for clip in by_name(sources).values()])
    assert set(used.tolist()) == set(range(-1, len(texts)))  # every row is somebody's


def test_sources_without_descriptions_are_not_guided(load: Load, said: Said) -> None:
    before = load(None, said.descriptions, min_score=0.5)
    silent = [replace(one, name=f"{one.name}, of another detector") for one in before[0].sequences]
    before = [replace(before[0], sequences=silent), replace(before[1], sequences=before[1].sequences[:2])]
    lessons, after = load_lessons(before, LanguageConfig(teacher=said.teacher), seed=0)
    assert len(lessons.scenes) == 2
    for plain, silent in zip(before[0].sequences, after[0].sequences, strict=True):
        assert (silent.clip.sentence == -1).all() and silent.clip.scene == -1
        assert silent.clip.boxes_xyxy is plain.clip.boxes_xyxy and len(silent.clip.sentence) == len(plain.clip)
    assert [sequence.clip.scene for sequence in after[1].sequences] == [0, 1]


def test_a_sequence_without_a_scene_is_described_all_the_same(load: Load, said: Said, tmp_path: Path) -> None:
    folder = write_said(tmp_path, NAMES)
    write_descriptions(descriptions_path(folder, "learn-2"), [row for row in rows_of("learn-2") if row.track_id])
    lessons, sources = load_lessons(load(folder), LanguageConfig(teacher=said.teacher), seed=0)
    assert [by_name(sources)[name].scene for name in NAMES] == [0, -1, 1, 2]
    assert lessons.scenes.shape[:2] == (3, 2) and len(lessons.scenes_as_published) == 3
    assert len(sentence_of_everybody(lessons, sources)) == 5 * len(NAMES)


def test_what_is_missing_is_named(load: Load, said: Said, tmp_path: Path) -> None:
    config = LanguageConfig(teacher=said.teacher)
    with pytest.raises(ConfigError, match=r"language\.teacher: nobody has described.*") as caught:
        load_lessons(load(None), config, seed=0)
    assert "sources.0.descriptions" in str(caught.value.remedy)
    write_said(tmp_path, NAMES[:3])
    with pytest.raises(DataError, match=r"learn-4\.jsonl"):
        load_lessons(load(tmp_path), config, seed=0)
    for name in NAMES:
        write_descriptions(descriptions_path(tmp_path, name), [Description(name, None, "a street")])
    with pytest.raises(DataError, match="none is about a person"):
        load_lessons(load(tmp_path), config, seed=0)


def test_the_same_about_everybody_is_refused_where_people_are_to_be_told_apart(
    load: Load, said: Said, tmp_path: Path
) -> None:
    for name in NAMES:
        rows = [row if row.track_id is None else replace(row, sentence="a person in red") for row in rows_of(name)]
        write_descriptions(descriptions_path(tmp_path, name), rows)
    with pytest.raises(DataError, match="the same is said about everybody"):
        load_lessons(load(tmp_path), LanguageConfig(teacher=said.teacher), seed=0)
    scenes_alone = LanguageConfig(teacher=said.teacher, instance="none")
    assert load_lessons(load(tmp_path), scenes_alone, seed=0)[0].scenes.shape[:2] == (4, 2)


# ------------------------------------------------------------------------------------------------------ controls


def test_the_permuted_control_deals_the_same_sentences_out_to_others(load: Load, said: Said) -> None:
    plain, right = load_lessons(load(said.descriptions), LanguageConfig(teacher=said.teacher), seed=0)
    config = LanguageConfig(teacher=said.teacher, control="permuted")
    dealt, wrong = load_lessons(load(said.descriptions), config, seed=0)
    assert sorted(map(tuple, plain.sentences_as_published.tolist())) == sorted(
        map(tuple, dealt.sentences_as_published.tolist())
    )
    own, others = sentence_of_everybody(plain, right), sentence_of_everybody(dealt, wrong)
    assert own.keys() == others.keys()  # who was described still is, and nobody else
    assert not any(torch.equal(own[key], others[key]) for key in own)
    for name in NAMES:  # and each sequence keeps what was said there

        def told(found: dict[tuple[str, int], Tensor], name: str = name) -> list[tuple[float, ...]]:
            return sorted(tuple(vector.tolist()) for key, vector in found.items() if key[0] == name)

        assert told(own) == told(others)
    assert torch.equal(plain.scenes_as_published, dealt.scenes_as_published)
    again = sentence_of_everybody(*load_lessons(load(said.descriptions), config, seed=0))
    other_seed = sentence_of_everybody(*load_lessons(load(said.descriptions), config, seed=1))
    assert all(torch.equal(again[key], others[key]) for key in others)
    assert not all(torch.equal(other_seed[key], others[key]) for key in others)


def test_the_one_hot_control_needs_no_teacher(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons_module, "load_text_encoder", lambda *_: pytest.fail("a network was asked"))
    config = LanguageConfig(teacher="minilm", control="one_hot")
    lessons, sources = load_lessons(load(write_said(tmp_path, NAMES)), config, seed=0)
    found = sentence_of_everybody(lessons, sources)
    attributes = {(name, row.track_id): row.attributes for name in NAMES for row in rows_of(name)}
    vectors = torch.stack(list(found.values()))
    for row, key in enumerate(found):
        for column, other in enumerate(found):  # of four entries each, shirt and trousers are always shared
            same = sum(attributes[key][part] == attributes[other][part] for part in ("upper", "lower"))
            assert float(vectors[row] @ vectors[column]) == pytest.approx((2 + same) / 4, abs=1e-5)
    assert lessons.scenes.shape[:2] == (3, 2)  # two of four scenes are spoken of in the same words


@pytest.mark.parametrize(
    ("changes", "key"), [({"directions": 0}, "language.directions"), ({"control": "noise"}, "language.control")]
)
def test_settings_are_checked(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        LanguageConfig(**changes).validate(num_levels=3)


def test_of_a_few_people_only_what_several_can_show_is_taught() -> None:
    """With as many directions as sentences every sentence would be a name, alike or not."""
    torch.manual_seed(3)
    said = normalize(torch.randn(20, 60))
    said[1] = normalize(said[0] + 0.02 * torch.randn(60), dim=0)  # nearly the same
    names = _told_apart(said, 48)
    words = _told_apart(said, 20 // 4)
    assert abs(float(names[0] @ names[1])) < 0.1 and float(words[0] @ words[1]) > 0.9


# ----------------------------------------------------------------------------------------------------- whitening


def nearly_alike(count: int, width: int = 32) -> Tensor:
    """Return unit vectors that differ in little, as sentences about people do."""
    common, noise = torch.randn(1, width), torch.randn(count, width)
    return normalize(common + 0.1 * noise)


def test_sentences_that_differ_in_little_are_told_apart() -> None:
    torch.manual_seed(0)
    vectors = nearly_alike(6)
    assert float((vectors @ vectors.T).min()) > 0.8
    apart = _told_apart(vectors, 48)
    # six points span five directions; brought to one length in all of them they are as far apart as six can be
    assert apart.shape == (6, 5) and apart.dtype == torch.float32
    torch.testing.assert_close(apart @ apart.T, torch.eye(6) * 1.2 - 0.2, atol=1e-4, rtol=0)


def test_only_the_largest_differences_count() -> None:
    torch.manual_seed(0)
    large = torch.tensor([1.0, 1.0, -1.0, -1.0])  # differ in this
    vectors = normalize(torch.cat([torch.full((4, 1), 9.0), large[:, None], 0.1 * torch.randn(4, 5)], dim=1))
    apart = _told_apart(vectors, 1)
    assert apart.shape == (4, 2)  # one number could only be right or wrong
    assert torch.equal(apart[:, 0].sign() * apart[0, 0].sign(), large)
    torch.testing.assert_close(apart.abs(), torch.tensor([[1.0, 0.0]]).expand(4, 2))


@pytest.mark.parametrize(("different", "count"), [(5, 5), (4, 7), (2, 3)])
def test_rows_have_length_one_and_no_more_directions_than_there_are(different: int, count: int) -> None:
    torch.manual_seed(1)
    vectors = nearly_alike(different)[torch.arange(count) % different]
    apart = _told_apart(vectors, 48)
    assert apart.shape == (count, max(2, different - 1))
    torch.testing.assert_close(apart.norm(dim=1), torch.ones(count))
    torch.testing.assert_close(apart[different:], apart[: count - different], atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_equal_sentences_tell_nothing(count: int) -> None:
    torch.manual_seed(2)
    assert _told_apart(nearly_alike(1).expand(count, -1), 48).shape == (count, 0)


# ----------------------------------------------------------------------------------------------- where gradients go


class Listener(Guidance):
    """Keeps what it is asked to compare."""

    def instance(self, embedding: Tensor, sentence: Tensor, sentences: Tensor) -> tuple[Tensor, int]:
        self.heard = embedding, sentence, sentences
        return super().instance(embedding, sentence, sentences)

    def scene(self, slot: str, latents: Tensor, label: Tensor, scene: Tensor, sentences: Tensor) -> tuple[Tensor, int]:
        self.heard_of_edges = slot, label, scene, sentences
        return super().scene(slot, latents, label, scene, sentences)


class Taught:
    """A tracker with an encoder, a batch of the described toy world, and what guides them."""

    def __init__(self, config: TrainConfig, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.teachers: list[TextEncoder] = []

        def kept(name: str, device: str) -> TextEncoder:
            self.teachers.append(load_text_encoder(name, device))
            return self.teachers[-1]

        monkeypatch.setattr(lessons_module, "load_text_encoder", kept)
        torch.manual_seed(0)
        sources = load_sources(config.sources, [], world)
        self.lessons, sources = load_lessons(sources, config.language, config.seed)
        self.batch = to_batch([sequence.clip for source in sources for sequence in source.sequences])
        appearance = replace(config.tracker.appearance, width=WIDTH)
        self.tracker = HierarchicalTracker(replace(config.tracker, appearance=appearance)).train()
        edge_dims = {slot: block.edge_dim for slot, block in config.tracker.blocks.items()}
        widths = self.lessons.sentences.shape[1], self.lessons.scenes.shape[2]
        self.guidance = Listener(config.language, appearance.dim, edge_dims, *widths)
        self.guide = LanguageGuide(self.guidance, self.lessons)

    def run(self) -> Iterator[tuple[int, dict[str, Any], LevelResult, JudgedEdges]]:
        """Yield what language adds at every level of a hierarchy that decides right."""
        tracker, detections = self.tracker, self.batch.detections
        encoded = tracker.encode(detections)
        solvers = [accept_labels] * len(tracker.config.levels)
        for level, result in enumerate(tracker.run(detections, solvers, with_labels=True, encoded=encoded)):
            judged = judge(self.batch, result)
            yield level, self.guide(self.batch, encoded, tracker, level, result, judged), result, judged

    def learn(self, name: str) -> dict[int, int]:
        """Follow the gradients of one loss alone; return what it supervised at each level."""
        terms = {level: found[name] for level, found, *_ in self.run() if name in found}
        sum(weight * loss for weight, loss, _ in terms.values()).backward()  # type: ignore[union-attr]
        return {level: number for level, (_, _, number) in terms.items()}

    def reached(self) -> set[str]:
        """Return the parameters of the tracker that got a gradient other than 0."""
        return {
            name
            for name, parameter in self.tracker.named_parameters()
            if parameter.grad is not None and bool(parameter.grad.any())
        }


@pytest.fixture
def taught(
    guided_settings: Callable[..., TrainConfig], world: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Taught]:
    def make(**language: Any) -> Taught:  # noqa: ANN401
        return Taught(guided_settings(language=language), world, monkeypatch)

    return make


def assert_the_teacher_learned_nothing(taught: Taught) -> None:
    for entry in fields(taught.lessons):
        tensor = getattr(taught.lessons, entry.name)
        assert not tensor.requires_grad and tensor.grad is None
    (teacher,) = taught.teachers
    parameters = list(teacher._network.parameters())  # type: ignore[attr-defined]
    assert parameters and not any(one.requires_grad or one.grad is not None for one in parameters)


@pytest.mark.parametrize("form", ["contrast", "kl"])
def test_what_is_said_about_people_reaches_the_first_layer_of_the_encoder(
    taught: Callable[..., Taught], form: str
) -> None:
    one = taught(instance=form, scene="none")
    supervised = one.learn("instance")
    reached = one.reached()
    assert {"appearance.first.weight", "appearance.first.bias"} <= reached
    # the published loss looks in between the two layers; ours sees what comes out
    assert ({"appearance.straight.weight", "appearance.second.weight"} <= reached) == (form == "contrast")
    assert all(name.startswith("appearance.") for name in reached)
    assert supervised.keys() == ({0, 1, 2} if form == "contrast" else {0}) and min(supervised.values()) > 0
    assert_the_teacher_learned_nothing(one)


@pytest.mark.parametrize("form", ["contrast", "kl"])
def test_what_is_said_about_scenes_reaches_the_first_layer_of_every_edge_encoder(
    taught: Callable[..., Taught], form: str
) -> None:
    one = taught(instance="none", scene=form)
    supervised = one.learn("scene")
    reached = one.reached()
    for slot in ("detections", "tracklets"):
        for layer in ("edge_encoder.layers.0.weight", "edge_likeness.weight"):
            assert f"scorer.blocks.{slot}.{layer}" in reached
    assert "appearance.first.weight" in reached  # how alike two look is asked of the encoder
    assert not any("classifier" in name or name.startswith(("verifier", "refiner")) for name in reached)
    assert supervised.keys() == {0, 1, 2} and min(supervised.values()) > 0
    assert_the_teacher_learned_nothing(one)


def test_a_block_that_did_not_run_learns_nothing(taught: Callable[..., Taught]) -> None:
    one = taught(instance="none", levels=[0])
    one.learn("scene")
    reached = one.reached()
    assert "scorer.blocks.detections.edge_encoder.layers.0.weight" in reached
    assert not any(name.startswith("scorer.blocks.tracklets") for name in reached)


# -------------------------------------------------------------------------------------------------- what is taught


def test_tracklets_are_taught_what_is_said_about_their_person(taught: Callable[..., Taught]) -> None:
    one = taught()
    encoded = one.tracker.encode(one.batch.detections)
    assert encoded is not None and one.batch.sentence is not None and one.batch.scene is not None
    longest = 0
    for level, found, result, judged in one.run():
        embedding, sentence, sentences = one.guidance.heard
        assert sentences is one.lessons.sentences and len(sentence) == len(result.before)
        slot, label, scene, _ = one.guidance.heard_of_edges
        assert slot == one.tracker.config.levels[level].slot and torch.equal(label, judged.label)
        for tracklet in range(len(result.before)):
            own = result.before.member_of == tracklet
            assert set(one.batch.sentence[own].tolist()) == {int(sentence[tracklet])}  # decisions were right
            torch.testing.assert_close(embedding[tracklet], normalize(encoded.embedding[own].sum(dim=0), dim=0))
            longest = max(longest, int(own.sum()))
        both = (one.batch.detections.identity[result.before.order[result.before.start[:-1]]] >= 0)[
            result.graph.edge_index
        ].all(dim=0)
        clip = result.before.clip[result.graph.edge_index[0]]
        assert torch.equal(scene, torch.where(both, one.batch.scene[clip], -1))
        assert found["instance"][2] == int(((sentence >= 0) & (embedding != 0).any(dim=1)).sum())
        assert found["scene"][2] == int(both.sum())
    assert longest > 10  # something was joined


def test_who_is_somebody_else_at_the_end_is_taught_nothing(taught: Callable[..., Taught]) -> None:
    one = taught()
    encoded = one.tracker.encode(one.batch.detections)
    for level, _, result, judged in one.run():
        _, before, _ = one.guidance.heard
        at_end = judged.at_end.clone()
        mixed = int(torch.nonzero(before >= 0)[0])
        at_end[mixed] = next(int(person) for person in at_end if person not in (-1, at_end[mixed]))
        one.guide(one.batch, encoded, one.tracker, level, result, replace(judged, at_end=at_end))
        _, after, _ = one.guidance.heard
        assert after[mixed] == -1 and torch.equal(after[after >= 0], before[(before >= 0) & (after >= 0)])
        assert int((before != after).sum()) == 1


def test_weights_do_not_depend_on_the_number_of_levels_but_for_the_published_form(
    taught: Callable[..., Taught],
) -> None:
    def weights(**language: Any) -> dict[str, list[float]]:  # noqa: ANN401
        found: dict[str, list[float]] = {}
        for _, terms, *_ in taught(instance_weight=3.0, scene_weight=0.5, **language).run():
            for name, (weight, _, _) in terms.items():
                found.setdefault(name, []).append(weight)
        return found

    assert weights() == {"instance": pytest.approx([1, 1, 1]), "scene": pytest.approx([1 / 6] * 3)}
    assert weights(levels=[0, 2]) == {"instance": [1.5, 1.5], "scene": [0.25, 0.25]}
    assert weights(instance="kl", scene="kl") == {"instance": [3], "scene": [0.5] * 3}
    assert weights(instance="none", scene="none") == {}


def test_boxes_without_vectors_are_taught_about_edges_only(taught: Callable[..., Taught]) -> None:
    one = taught()
    one.batch = replace(one.batch, detections=replace(one.batch.detections, embedding=None))
    assert [set(found) for _, found, *_ in one.run()] == [{"scene"}] * 3
    one.batch = Batch(one.batch.detections, one.batch.is_object, one.batch.truth_xyxy)  # nobody said anything
    assert [found for _, found, *_ in one.run()] == [{}] * 3
