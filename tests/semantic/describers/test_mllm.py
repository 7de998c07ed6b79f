"""Requests become questions, replies become answers; a whole clip described by a tiny real model, twice the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from fake_describer import walking_clip
from numpy.typing import NDArray
from tiny_mllm import save_tiny

from semantic.clients.protocol import Question, Reply
from semantic.config import DescribeConfig, TextConfig, ViewConfig
from semantic.describers.mllm import MllmDescriber
from semantic.describers.protocol import Job
from semantic.describers.registry import load_describer
from semantic.pictures import MemoryReader
from semantic.pipeline import ClipSource, describe_clips
from semantic.records_io import read_semantics
from semantic.structures import Clip, Request, View
from semantic.templates import template
from sushi_lg.errors import ConfigError, WeightsError

VIEWS = (View(0, None, (1,)), View(3, (0, 0, 20, 20), (1, 2)))
PAIR = Request("pair-id", "a/b", "pair", (1, 2), VIEWS, "What holds?", ("talk.v.01", "hold.v.01"), 40)
ONE = Request("one-id", "a/b", "instance", (1,), VIEWS, "What does P1 do?", (), 30)
_NO_LINE = "dropped: line that is no answer"


class Pictures:
    """Draws grey pictures, and counts."""

    def __init__(self) -> None:
        self.drawn = 0

    def frames(self, numbers: object) -> dict[int, NDArray[np.uint8]]:
        raise AssertionError("views are drawn, not frames")

    def render(self, views: Sequence[View]) -> list[NDArray[np.uint8]]:
        self.drawn += 1
        return [np.full((20, 20, 3), 90, dtype=np.uint8) for _ in views]

    def content_key(self) -> str:
        return "same for all"


class Client:
    """Notes questions and answers them."""

    name = "noting"
    fingerprint = "client"

    def __init__(self, probabilities: tuple[float, ...] = (), error: str = "") -> None:
        self.asked: list[Question] = []
        self._probabilities, self._error = probabilities, error

    def ask(self, questions: Sequence[Question]) -> Iterator[Reply]:
        self.asked += questions
        for one in reversed(questions):
            judged = self._probabilities if one.statements else ()
            yield Reply(one.question_id, "none", judged, (), 40, 2, self._error)


def job(request: Request, pictures: Pictures | None = None, *, blind: bool = False) -> Job:
    return Job(request, walking_clip(), None if blind else pictures or Pictures())


def test_a_request_becomes_a_question() -> None:
    client, pictures = Client(), Pictures()
    answers = {one.request_id: one for one in MllmDescriber(client).answer([job(PAIR, pictures), job(ONE, pictures)])}
    pair, one = client.asked
    rate = walking_clip().frame_rate
    assert pair.seconds == (0.0, 3 / rate) and pair.system == template("system") and pair.prompt == "What holds?"
    assert (pair.subjects, pair.options, pair.max_new_tokens, pair.kind) == ((1, 2), PAIR.options, 40, "pair")
    assert (one.subjects, one.options, one.statements) == ((), (), ())
    assert pair.media_key == one.media_key, "they show the same"
    assert pictures.drawn == 0 and len(pair.pictures()) == 2 and pictures.drawn == 1
    assert answers["pair-id"].text == "none" and answers["pair-id"].scores is None
    assert (answers["one-id"].prompt_tokens, answers["one-id"].new_tokens) == (40, 2)


def test_pictures_drawn_otherwise_are_others() -> None:
    client = Client()
    other = dataclasses.replace(ONE, request_id="other-id", views=VIEWS[:1])
    list(MllmDescriber(client).answer([job(ONE), job(PAIR), job(other)]))
    assert len({one.media_key for one in client.asked}) == 3


def test_labels_are_judged_in_both_directions() -> None:
    client = Client(probabilities=(0.9, 0.1, 0.5, 0.2))
    (answer,) = MllmDescriber(client, "score").answer([job(PAIR)])
    assert answer.scores == (
        ((1, 2, "talk.v.01"), 0.9),
        ((1, 2, "hold.v.01"), 0.1),
        ((2, 1, "talk.v.01"), 0.5),
        ((2, 1, "hold.v.01"), 0.2),
    )
    (question,) = client.asked
    assert not question.options and "P2 talks to P1. Is it true?" in question.statements[2]
    (answer,) = MllmDescriber(Client(), "score").answer([job(ONE)])
    assert answer.scores is None and answer.text == "none"


def test_failures_are_answers() -> None:
    (answer,) = MllmDescriber(Client(error="503 (busy), 5 times")).answer([job(ONE)])
    assert answer.error == "503 (busy), 5 times"
    client = Client()
    unseen = dataclasses.replace(ONE, request_id="unseen", views=())
    errors = [one.error for one in MllmDescriber(client).answer([job(ONE, blind=True), job(unseen)])]
    assert not client.asked and len(errors) == 2 and all("nothing to see" in error for error in errors)


def test_fingerprints_follow_client_and_mode() -> None:
    other = Client()
    other.fingerprint = "other"
    fingerprints = {MllmDescriber(one, mode).fingerprint for one in (Client(), other) for mode in ("write", "score")}
    assert len(fingerprints) == 4


# ------------------------------------------------------------------------------------------------------------- whole


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_tiny(folder)
    return folder


def described(model: Path, out: Path, mode: str) -> bytes:
    describer = load_describer("mllm", model=str(model), mode=mode, local={"device": "cpu", "batch_size": 4})
    rng = np.random.RandomState(0)
    clip: Clip = walking_clip()
    frames = [rng.randint(0, 256, (int(h), int(w), 3)).astype(np.uint8) for w, h in clip.sizes]
    config = DescribeConfig(
        views=ViewConfig(observations=3, full_frames=1, clip_frames=4, longest_side=160, least_side=32),
        text=TextConfig(options=12, summary_tokens=12, instance_tokens=12, pair_tokens=60),
    )
    (report,) = describe_clips([ClipSource(clip.name, lambda: (clip, MemoryReader(frames)))], describer, out, config)
    assert report.status == "described", report.error
    _, semantics = read_semantics(report.path)
    assert not any(name.startswith("failed") for name in semantics.counts)
    if mode == "write":
        faults = {name for name in semantics.counts if "label" in name or name in ("unparsable: pair", _NO_LINE)}
        assert not faults, "constrained answers need no repair"
    assert semantics.interactions or mode == "write"
    return report.path.read_bytes()


def test_a_clip_described_by_a_real_model_twice_is_the_same(model: Path, tmp_path: Path) -> None:
    assert described(model, tmp_path / "a", "write") == described(model, tmp_path / "b", "write")


def test_a_clip_with_labels_judged_by_a_real_model(model: Path, tmp_path: Path) -> None:
    text = described(model, tmp_path / "a", "score").decode()
    assert '"scores"' in text


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"local\.batch_sise"):
        load_describer("mllm", local={"batch_sise": 2})
    for wrong in ({"client": "cloud"}, {"mode": "guess"}, {"local": {"batch_size": 0}}, {"server": {"attempts": 0}}):
        with pytest.raises(ConfigError):
            load_describer("mllm", **wrong)
    with pytest.raises(WeightsError, match="no such folder"):
        load_describer("mllm", model=str(tmp_path / "absent"))
    assert load_describer("mllm", model="any/model", client="server").name == "mllm"
