"""The floor: describers that do not look."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from semantic.describers.priors import Said, read_said, usual_labels, usual_text
from semantic.describers.protocol import Job
from semantic.describers.registry import load_describer
from semantic.structures import Clip, Request, Track
from sushi_lg.data.bensmot import BensmotClip, BensmotTrack, Relation, write_bensmot_clip, write_combined_files
from sushi_lg.errors import ConfigError

LABELS = ("look.v.01", "smile.v.01", "talk.v.01")


def train_clip(number: int) -> BensmotClip:
    frame = np.arange(2)
    boxes = np.tile([1.0, 1.0, 9.0, 9.0], (2, 1))
    return BensmotClip(
        name=f"talking/clip_{number}",
        split="train",
        stems=("001", "002"),
        sizes=np.tile([32, 24], (2, 1)),
        tracks=tuple(BensmotTrack(k, frame, boxes) for k in (1, 2)),
        captions={1: f"A man in a red coat talks to woman {number}.", 2: "A woman listens to a man in a red coat."},
        names={1: "man0", 2: "woman0"},
        summary=f"Two people talk in town {number}.",
        relations=(Relation(1, 2, ("talk.v.01", "look.v.01")[: 1 + number % 2]),),
    )


@pytest.fixture
def train(tmp_path: Path) -> Path:
    import cv2

    picture = cv2.imencode(".jpg", np.zeros((24, 32, 3), np.uint8))[1].tobytes()
    clips = [train_clip(number) for number in range(4)]
    for clip in clips:
        write_bensmot_clip(tmp_path / "train", clip, [picture, picture])
    write_combined_files(tmp_path / "train", clips)
    return tmp_path / "train"


def jobs() -> list[Job]:
    frame = np.arange(5)
    tracks = tuple(Track(k, frame + k, np.zeros((5, 4)), np.ones(5), np.zeros(5, bool)) for k in (3, 4))
    clip = Clip("test/clip_0", 9, 2.0, np.tile([32, 24], (9, 1)), tracks)
    kinds: list[tuple[str, tuple[int, ...]]] = [("summary", (3, 4)), ("instance", (3,)), ("pair", (3, 4))]
    return [Job(Request(f"id{k}", clip.name, kind, who, (), ""), clip, None) for k, (kind, who) in enumerate(kinds)]


def test_constant_says_the_most_usual(train: Path) -> None:
    summary, caption, pair = load_describer("constant", train=train).answer(jobs())
    assert caption.text == "A woman listens to a man in a red coat." and caption.sentences is not None
    assert (caption.sentences[0].track_ids, caption.sentences[0].first_frame) == ((3,), 3)
    assert summary.text.startswith("Two people talk in town")
    both = [(one, other, label) for one, other in ((3, 4), (4, 3)) for label in ("look.v.01", "talk.v.01")]
    assert pair.scores == tuple((triple, 1.0) for triple in both)


def test_random_draws_what_was_said_and_always_the_same(train: Path) -> None:
    first, again, other = (list(load_describer("random", train=train, seed=seed).answer(jobs())) for seed in (0, 0, 1))
    assert first == again != other
    written = {train_clip(number).captions[1] for number in range(4)} | {train_clip(0).captions[2]}
    assert first[1].text in written


def test_the_order_of_requests_changes_nothing(train: Path) -> None:
    describer = load_describer("random", train=train)
    forward = {answer.request_id: answer for answer in describer.answer(jobs())}
    assert forward == {answer.request_id: answer for answer in describer.answer(jobs()[::-1])}


def test_the_best_constant_labels_are_found() -> None:
    rng = np.random.default_rng(0)
    pairs = [tuple(label for label in LABELS if rng.random() < share) for share in (0.1, 0.4, 0.9) for _ in range(20)]

    def micro_f1(labels: tuple[str, ...]) -> float:
        told = [pair for pair in pairs if pair]
        right = sum(label in pair for pair in told for label in labels)
        return 2 * right / (len(labels) * len(told) + sum(map(len, told)))

    subsets = [some for size in (1, 2, 3) for some in itertools.combinations(LABELS, size)]
    assert micro_f1(usual_labels(pairs)) == max(micro_f1(some) for some in subsets)


def test_the_usual_text_is_like_the_others() -> None:
    assert usual_text(["a b", "a b c", "x y z", "a c"]) == "a b c"


def test_what_they_learn_is_in_the_fingerprint(train: Path) -> None:
    said = Said(("a",), ("b",), (("talk.v.01",),))
    assert said.fingerprint() != Said(("c",), ("b",), (("talk.v.01",),)).fingerprint()
    by_seed = {load_describer("random", train=train, seed=seed).fingerprint for seed in (0, 1)}
    assert len(by_seed | {load_describer("constant", train=train).fingerprint}) == 3


@pytest.mark.parametrize("name", ["constant", "random"])
def test_nothing_to_learn_from(name: str) -> None:
    with pytest.raises(ConfigError, match=r"describer\.train=FOLDER"):
        load_describer(name)


def test_the_test_set_is_not_learned_from(train: Path) -> None:
    whole = train.parent
    shutil.copytree(train / "talking", whole / "test" / "talking_of_others")
    for path in (whole / "test").rglob("instance_captions.txt"):
        path.write_text("man0: A secret.\nwoman0: A secret.\n")
    assert "A secret." in read_said(whole / "test").captions, "asked for by name it is"
    assert read_said(whole) == read_said(train)


def test_pairs_are_ordered_and_those_who_do_nothing_count(train: Path) -> None:
    labels = [("talk.v.01",), ("look.v.01", "talk.v.01")] * 2
    assert read_said(train).pairs == tuple(pair for said in labels for pair in (said, ()))
