"""The page of a clip: it shows what was said, and trusts none of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from semantic.page import write_page
from semantic.structures import Caption, Clip, Interaction, Semantics, Sentence, Track, View
from sushi_lg.inspection.inline import css_colour
from sushi_lg.inspection.overlay import PALETTE_SIZE

EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }}"


class Grey:
    """Pictures of a clip, each of its own grey."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def frames(self, numbers: Iterable[int]) -> dict[int, NDArray[np.uint8]]:
        self.asked += list(numbers)
        return {number: np.full((120, 160, 3), number, np.uint8) for number in self.asked[-1:]}

    def render(self, views: Sequence[View]) -> list[NDArray[np.uint8]]:
        raise NotImplementedError

    def content_key(self) -> str:
        return "grey"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def walker(track_id: int, first: int, last: int, left: float) -> Track:
    frame = np.arange(first, last + 1)
    boxes = np.tile([left, 20.0, left + 30, 100.0], (len(frame), 1))
    return Track(track_id, frame, boxes, np.ones(len(frame)), np.zeros(len(frame), bool))


@pytest.fixture
def clip() -> Clip:
    tracks = (walker(1, 0, 19, 10.0), walker(2, 5, 29, 60.0), walker(7, 28, 29, 150.0))
    return Clip("town/1", 30, 10.0, np.tile([160, 120], (30, 1)), tracks)


@pytest.fixture
def semantics() -> Semantics:
    return Semantics(
        "town/1",
        (Caption(1, (Sentence("A person in red waits.", (1,), 0, 19),)), Caption(2, (Sentence(EVIL, (2,), 5, 29),))),
        (Interaction(1, 2, "talk.v.01", 0.83, 5, 14, "rules"),),
        (Sentence("Two people meet.", (1, 2), 0, 29),),
        counts={"too short": 1, "requests: pair": 3},
        provenance={"describer": "rules"},
    )


def test_everything_said_is_shown(clip: Clip, semantics: Semantics, tmp_path: Path) -> None:
    pictures = Grey()
    page = Page(write_page(tmp_path / "page.html", clip, semantics, pictures).read_text())
    for said in (
        "Two people meet.",
        "A person in red waits. 0.0-2.0 s",
        "talks to",
        "talk.v.01",
        "83 %",
        "too short 1",
    ):
        assert said in page.text
    assert "requests" not in page.text, "asking is no repair"
    assert "trajectories this short" in page.text, "who is not described is said to be so"
    images = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 3 + 3 + 3 + 2 and all(str(src).startswith("data:image/jpeg;base64,") for src in images)
    assert sorted(set(pictures.asked)) == sorted(pictures.asked), "every frame is decoded once"
    acts = [attrs for tag, attrs in page.tags if tag == "rect" and attrs.get("height") == "3"]
    assert [act["fill"] for act in acts] == [css_colour(2)]


def test_nothing_said_becomes_part_of_the_page(clip: Clip, semantics: Semantics, tmp_path: Path) -> None:
    page = Page(write_page(tmp_path / "page.html", clip, semantics, None).read_text())
    assert EVIL in page.text
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "link", "form", "a"})
    policy = [attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_nobody_and_nothing(tmp_path: Path) -> None:
    clip = Clip("empty", 0, 25.0, np.zeros((0, 2), np.int64), ())
    page = Page(write_page(tmp_path / "page.html", clip, Semantics("empty", (), (), ()), Grey()).read_text())
    assert "No summary." in page.text and "Nothing that could be said" in page.text


def test_people_who_are_never_seen_together_are_shown_apart(clip: Clip, tmp_path: Path) -> None:
    act = Interaction(1, 7, "follow.v.01", 0.5, 0, 29, "rules")
    page = Page(write_page(tmp_path / "p.html", clip, Semantics("town/1", (), (act,), ()), Grey()).read_text())
    assert sum(tag == "img" for tag, _ in page.tags) == 3 + 3 + 3 + 2


def both_ways(label: str, second: tuple[int, int] = (5, 14)) -> Semantics:
    acts = (Interaction(1, 2, label, 0.8, 5, 14, "rules"), Interaction(2, 1, label, 0.8, *second, "rules"))
    return Semantics("town/1", (), acts, ())


def test_what_holds_both_ways_is_shown_once(clip: Clip, tmp_path: Path) -> None:
    page = Page(write_page(tmp_path / "p.html", clip, both_ways("pass.v.01"), None).read_text())
    assert page.text.count("pass.v.01") == 1 and "and the other way round" in page.text
    page = Page(write_page(tmp_path / "p.html", clip, both_ways("pass.v.01", (15, 19)), None).read_text())
    assert page.text.count("pass.v.01") == 2 and "the other way round" not in page.text


def test_of_what_people_do_with_each_other_the_other_way_round_goes_without_saying(clip: Clip, tmp_path: Path) -> None:
    page = Page(write_page(tmp_path / "p.html", clip, both_ways("handshake.n.01"), None).read_text())
    assert page.text.count("handshake.n.01") == 1 and "the other way round" not in page.text


def test_pictures_of_people_are_of_detected_boxes(clip: Clip, tmp_path: Path) -> None:
    """A filled box is where somebody should be; who stands in front of it may be all there is to see."""

    def filled(track: Track, frames: Iterable[int]) -> Track:
        return dataclasses.replace(track, is_interpolated=np.isin(track.frame, list(frames)))

    one, two, seven = clip.tracks
    changed = (filled(one, range(3, 20)), filled(two, range(5, 14)), filled(seven, (28, 29)))
    hidden = dataclasses.replace(clip, tracks=changed)
    pictures = Grey()
    write_page(tmp_path / "p.html", hidden, Semantics("town/1", (), (), ()), pictures)
    assert {frame for frame in pictures.asked if frame < 14} == {0, 1, 2}
    assert {frame for frame in pictures.asked if frame >= 28} == {28, 29}, (
        "who was never detected is shown all the same"
    )
    act = Interaction(1, 2, "talk.v.01", 0.8, 5, 29, "rules")
    hidden = dataclasses.replace(clip, tracks=(filled(one, range(5, 16)), filled(two, range(17, 30)), seven))
    pictures = Grey()
    write_page(tmp_path / "p.html", hidden, Semantics("town/1", (), (act,), ()), pictures)
    assert 16 in pictures.asked, "the only frame in which both were detected"


def test_numbers_can_be_read_on_every_colour() -> None:
    for track_id in range(1, PALETTE_SIZE + 1):
        levels = [int(level) / 255 for level in css_colour(track_id).removeprefix("rgb(").removesuffix(")").split()]
        linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert (luminance + 0.05) / 0.05 >= 4.5, f"contrast of black on P{track_id}, WCAG 2 level AA"


def test_who_is_outside_the_picture_has_no_pictures(tmp_path: Path) -> None:
    track = walker(1, 0, 9, 10.0)
    away = dataclasses.replace(track, boxes_xyxy=track.boxes_xyxy + np.array([0, -900, 30_000, -900]))
    clip = Clip("town/1", 10, 10.0, np.tile([160, 120], (10, 1)), (away,))
    page = Page(write_page(tmp_path / "p.html", clip, Semantics("town/1", (), (), ()), Grey()).read_text())
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_the_chart_of_hours_has_few_ticks(tmp_path: Path) -> None:
    clip = Clip("town/1", 30, 1e-6, np.tile([160, 120], (30, 1)), (walker(1, 0, 19, 10.0),))
    page = Page(write_page(tmp_path / "p.html", clip, Semantics("town/1", (), (), ()), None).read_text())
    assert 6 <= sum(tag == "line" for tag, _ in page.tags) <= 14


def test_half_a_surrogate_pair_is_no_reason_to_stop(clip: Clip, tmp_path: Path) -> None:
    said = Semantics("town/1", (), (), (Sentence("odd \ud83d end", (1,), 0, 1),))
    assert "odd ? end" in Page(write_page(tmp_path / "p.html", clip, said, None).read_text()).text
