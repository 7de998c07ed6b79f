"""What rules say of people whose walks are known: what happens, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from walks import FOCAL, HEIGHT, WIDTH, along, ask, paint, toy_clip

from semantic.describers.encounters import Encounter
from semantic.describers.rules import RulesDescriber, load, read_table
from semantic.describers.wording import Names, caption_of
from semantic.pictures import ClipPictures, MemoryReader
from semantic.structures import Answer, Clip, Request
from sushi_lg.errors import ConfigError
from sushi_lg.language.descriptions import Description, write_descriptions

STANDS = along((0, 1.0, 5.0))
APPROACHES = along((0, -1.6, 5.0), (2.5, -1.6, 5.0), (5.5, 0.6, 5.0))
LABELS = {"approach.v.01", "leave.v.01", "walk.v.01", "follow.v.01", "chase.v.01", "handshake.n.01", "talk.v.01"}


@pytest.fixture(scope="module")
def rules() -> RulesDescriber:
    return load()


def labels(answer: Answer) -> dict[tuple[int, int], set[str]]:
    found: dict[tuple[int, int], set[str]] = {}
    for (active, passive, label), _ in answer.scores or ():
        found.setdefault((active, passive), set()).add(label)
    return found


def texts(answers: dict[str, Answer]) -> dict[str, str]:
    return {key: answer.text for key, answer in answers.items()}


def test_one_comes_up_to_another_and_not_the_other_way_round(rules: RulesDescriber) -> None:
    answers = ask(rules, toy_clip({1: STANDS, 2: APPROACHES}))
    assert answers["P2"].text.startswith("A person stands still, then walks to the right up to P1, then stands near P1")
    assert "walks" not in answers["P1"].text and "stands near P2" in answers["P1"].text
    assert "approach.v.01" in labels(answers["P1 P2"])[2, 1]
    assert "approach.v.01" not in labels(answers["P1 P2"]).get((1, 2), set())


def test_two_come_up_to_each_other(rules: RulesDescriber) -> None:
    other = along((0, 2.0, 5.0), (1, 2.0, 5.0), (3, 0.9, 5.0))
    answers = ask(rules, toy_clip({1: along((0, -1.0, 5.0), (1, -1.0, 5.0), (3, 0.4, 5.0)), 2: other}))
    found = labels(answers["P1 P2"])
    assert "approach.v.01" in found[1, 2] and "approach.v.01" in found[2, 1]


def test_one_walks_away_from_another(rules: RulesDescriber) -> None:
    leaves = along((0, 0.6, 5.0), (6, 0.6, 5.0), (9, -1.8, 5.0))
    answers = ask(rules, toy_clip({1: STANDS, 2: leaves}))
    assert "walks to the left leaving P1" in answers["P2"].text
    found = labels(answers["P1 P2"])
    assert "leave.v.01" in found[2, 1] and "leave.v.01" not in found.get((1, 2), set())


def test_who_walks_past_neither_approaches_nor_leaves(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, -2.2, 5.0), (6, 2.2, 5.0)), 2: along((0, 2.2, 5.6), (6, -2.2, 5.6))}, seconds=6)
    answers = ask(rules, clip)
    assert "walks to the right past P2" in answers["P1"].text and "walks to the left past P1" in answers["P2"].text
    assert not {"approach.v.01", "leave.v.01", "walk.v.01"} & set().union(*labels(answers["P1 P2"]).values(), set())


def test_one_follows_another(rules: RulesDescriber) -> None:
    way = [(0, -2.0, 5.0), (4, 1.5, 5.0), (8, -1.0, 7.0), (12, 2.0, 7.0)]
    behind = [(time + 1.6, across, depth) for time, across, depth in way]
    answers = ask(rules, toy_clip({1: along(*way), 2: along((0, -2.0, 5.0), *behind)}))
    found = labels(answers["P1 P2"])
    assert "follow.v.01" in found[2, 1] and "follow.v.01" not in found.get((1, 2), set())
    assert "behind P1" in answers["P2"].text and "behind" not in answers["P1"].text


def test_two_walk_together_also_when_one_is_a_child(rules: RulesDescriber) -> None:
    walks = {1: along((0, -2.0, 5.0), (6, 2.0, 5.0)), 2: along((0, -1.8, 5.2), (6, 2.2, 5.2))}
    answers = ask(rules, toy_clip(walks, seconds=6, tall={2: 0.6}))
    assert "walks to the right together with P2" in answers["P1"].text
    assert all("walk.v.01" in labels(answers["P1 P2"])[pair] for pair in ((1, 2), (2, 1)))


def test_ways_too_short_for_a_leg_are_said_where_the_triplets_say_them(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, 0.0, 5.0)), 2: along((0, 0.45, 5.0))})
    seen = rules.analyse(clip, None)
    path, legs, near = seen.paths[1], seen.legs[1], next(one for one in seen.encounters if one.kind == "stand")
    assert len(legs) == 1
    first, last = legs[0].first, legs[0].last
    comes, goes = Encounter("approach", 1, 2, first, first + 3, 0.5), Encounter("leave", 1, 2, last - 3, last, 0.5)
    from_other = Encounter("approach", 2, 1, first, first + 3, 0.5)
    encounters = (near, goes, comes, replace(comes, last=first + 4), from_other)
    names, kinds = Names({}, "ids"), {"approach", "leave"}

    def said(some: Sequence[Encounter], told: Collection[str]) -> str:
        return caption_of(clip, path, legs, some, {}, names, told).text

    assert said(encounters, kinds) == "A person walks up to P2, then stands near P2, then walks away from P2."
    assert said(encounters, {"leave"}) == "A person stands near P2, then walks away from P2."
    assert said(encounters, ()) == "A person stands near P2."
    answers = ask(rules, toy_clip({1: STANDS, 2: APPROACHES}))
    assert answers["P2"].text.count("up to P1") == 1, "not again where a leg has said it"


def stretched(apart: float, reach: float, seconds: float) -> Clip:
    """Return a clip of two who stand ``apart`` and stretch an arm of ``reach`` towards each other, all in heights."""
    clip = toy_clip({1: along((0, -apart / 2, 5.0)), 2: along((0, apart / 2, 5.0))})
    scale = FOCAL / 5.0
    tracks = []
    for track, side in zip(clip.tracks, (1.0, -1.0), strict=True):
        boxes = track.boxes_xyxy.copy()
        boxes[:, [0, 2]] = boxes[:, [0, 2]].mean(axis=1, keepdims=True) + scale * np.array([-0.08, 0.08])
        now = abs(track.frame / clip.frame_rate - 6.0) <= seconds / 2
        boxes[now, 2 if side > 0 else 0] += side * reach * scale
        tracks.append(replace(track, boxes_xyxy=boxes))
    return replace(clip, tracks=tuple(tracks))


def test_hands_that_meet_are_told_from_arms_that_gesture(rules: RulesDescriber) -> None:
    def reaches(clip: Clip) -> list[float]:
        return [one.seconds for one in rules.analyse(clip, None).encounters if one.kind == "reach"]

    assert len(reaches(stretched(0.32, 0.1, 1.8))) == 1
    assert not reaches(stretched(0.42, 0.1, 1.8)), "hands that do not meet"
    assert not reaches(stretched(0.32, 0.1, 3.5)), "too long for a handshake"
    assert not reaches(stretched(0.32, 0.02, 1.8)), "arms that hang down"


def test_who_is_passed_twice_is_named_once(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, -2.2, 5.0), (6, 2.2, 5.0)), 2: along((0, 2.2, 5.6), (6, -2.2, 5.6))}, seconds=6)
    seen = rules.analyse(clip, None)
    passes = [one for one in seen.encounters if one.kind == "pass" and one.active == 1]
    again = [*passes, *(replace(one, distance=one.distance + 0.1) for one in passes)]
    text = caption_of(clip, seen.paths[1], seen.legs[1], again, {}, Names({}, "ids")).text
    assert "past P2" in text and text.count("P2") == 1


def test_two_who_stand_together_do_not_walk_meet_or_part(rules: RulesDescriber) -> None:
    answers = ask(rules, toy_clip({1: along((0, 0.0, 5.0)), 2: along((0, 0.45, 5.0))}))
    assert answers["P1"].text == "A person stands near P2."
    assert labels(answers["P1 P2"]) == {(1, 2): {"talk.v.01"}, (2, 1): {"talk.v.01"}}
    assert [one.text for one in answers["P1 P2"].sentences or ()] == ["P1 stands near P2."] * 2


def test_people_far_apart_in_depth_are_not_near_though_their_boxes_overlap(rules: RulesDescriber) -> None:
    answers = ask(rules, toy_clip({1: along((0, 0.0, 3.0)), 2: along((0, 0.1, 7.0))}))
    assert "near" not in answers["P1"].text and answers["P1 P2"].text == "none" and answers["P1 P2"].scores == ()


def test_who_turns_back_is_said_to(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, -2.0, 5.0), (5, 1.5, 5.0), (10, -2.0, 5.0))}, seconds=10)
    assert ask(rules, clip)["P1"].text == "A person walks to the right, then turns back and walks to the left."


def test_walking_to_and_from_the_camera_and_running_are_told_apart(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, 0.3, 8.0), (6, 0.3, 4.0)), 2: along((0, -2.6, 5.0), (2.6, 2.4, 5.0))}, seconds=6)
    answers = ask(rules, clip)
    assert answers["P1"].text.startswith("A person walks towards the camera")
    assert answers["P2"].text.startswith("A person runs to the right")


def test_coming_in_and_going_out_are_said(rules: RulesDescriber) -> None:
    answers = ask(rules, toy_clip({1: along((1, -4.5, 5.0), (11, 4.5, 5.0))}))
    assert re.fullmatch(
        r"A person comes into view on the left, then walks to the right, then leaves the picture on the right\.",
        answers["P1"].text,
    )


@pytest.mark.parametrize("jitter", [0.01, 0.03])
def test_noise_of_boxes_adds_nothing(rules: RulesDescriber, jitter: float) -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES}, rate=25, jitter=jitter)
    answers = ask(rules, clip)
    assert answers["P2"].text.startswith("A person stands still, then walks to the right up to P1, then stands")
    assert "walks" not in answers["P1"].text and not re.search("left|camera|past", answers["P2"].text)


def test_a_camera_that_turns_makes_nobody_walk(rules: RulesDescriber) -> None:
    places = {1: (-1.0, 4.0), 2: (0.5, 5.0), 3: (1.5, 6.5), 4: (2.5, 8.0)}
    clip = toy_clip({key: along((0, *place)) for key, place in places.items()}, pan=50, seconds=8)
    answers = ask(rules, clip)
    assert not re.search("walk|run|left|right|camera|stand", " ".join(answer.text for answer in answers.values()))


def test_people_who_walk_the_same_way_are_not_taken_for_a_camera(rules: RulesDescriber) -> None:
    walks = {key: along((0, -2.5, depth), (8, 2.0, depth)) for key, depth in ((1, 5.0), (2, 6.5), (3, 8.5))}
    answers = ask(rules, toy_clip(walks, seconds=8))
    assert all("walks to the right" in answers[f"P{key}"].text for key in walks)


@pytest.mark.parametrize("turns", [False, True])
def test_pixels_tell_a_camera_that_turns(rules: RulesDescriber, turns: bool) -> None:
    pan = 100.0 if turns else 0.0
    # on the picture both stay where they are when the camera turns with them
    ahead = 100.0 / 256 if turns else 0.0
    walk = along((0, -0.5, 5.0), (8, -0.5 + 8 * ahead, 5.0))
    clip = toy_clip({1: walk}, seconds=8, rate=4, pan=pan)
    pictures = ClipPictures(clip, MemoryReader(paint(clip, {1: ((40, 40, 200), (160, 60, 30))}, pan)))
    text = ask(rules, clip, pictures)["P1"].text
    assert ("walks to the right" in text) == turns and ("stands still" in text) == (not turns)
    assert "stands still" in ask(rules, clip)["P1"].text  # without pixels nothing else can be known


def test_clothes_are_named_from_pixels(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, -1.5, 5.0), (6, 1.5, 5.0)), 2: along((0, 1.5, 4.0))}, seconds=6, rate=4)
    colours = {1: ((40, 40, 200), (25, 25, 25)), 2: ((60, 170, 60), (190, 80, 30))}
    answers = ask(rules, clip, ClipPictures(clip, MemoryReader(paint(clip, colours))))
    assert answers["P1"].text.startswith("A person in a red top and black bottoms walks to the right")
    assert answers["P2"].text.startswith("A person in a green top and blue bottoms")


def test_descriptions_of_a_folder_are_taken_instead(tmp_path: Path) -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES})
    rows = [
        Description(seq="toy", track_id=None, sentence="A place.", attributes={"place": "outdoor"}),
        Description(seq="toy", track_id=1, sentence="x", attributes={"sex": "female", "upper": "orange"}),
    ]
    write_descriptions(tmp_path / "toy.jsonl", rows)
    answers = ask(load(descriptions=tmp_path), clip)
    assert answers["P1"].text.startswith("A woman in an orange top stands")
    assert answers["P2"].text.startswith("A person stands")
    assert "outdoors" in answers["summary"].text and "outdoors" not in ask(load(), clip)["summary"].text
    known = load(descriptions=tmp_path).fingerprint
    (tmp_path / ".staging-0123456789ab-left.jsonl").write_text("{")
    assert load(descriptions=tmp_path).fingerprint == known, "what a killed job had staged is no description"


def test_people_are_called_by_their_clothes_on_request(tmp_path: Path) -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES})
    rows = [Description(seq="toy", track_id=1, sentence="x", attributes={"sex": "female", "upper": "orange"})]
    write_descriptions(tmp_path / "toy.jsonl", rows)
    answers = ask(load(descriptions=tmp_path, names="clothes"), clip)
    assert "up to the woman in orange" in answers["P2"].text and "near another person" in answers["P1"].text
    assert not re.search(r"P\d", " ".join(answers[key].text for key in ("P1", "P2", "summary")))


@pytest.mark.parametrize(
    "walks",
    [
        {1: STANDS, 2: APPROACHES},
        {1: along((0, -2.0, 5.0), (6, 2.0, 5.0)), 2: along((0, -1.8, 5.2), (6, 2.2, 5.2))},
        {1: along((0, -2.2, 5.0), (6, 2.2, 5.0)), 2: along((0, 2.2, 5.6), (6, -2.2, 5.6))},
    ],
    ids=["approach", "together", "past"],
)
def test_two_pictures_a_second_tell_the_same_as_fifteen_and_thirty(rules: RulesDescriber, walks: dict) -> None:
    told = [texts(ask(rules, toy_clip(walks, seconds=10, rate=rate))) for rate in (2.0, 15.0, 30.0)]
    assert told[0] == told[1] == told[2]


def test_boxes_missing_now_and_then_change_nothing(rules: RulesDescriber) -> None:
    walks = {1: STANDS, 2: APPROACHES}
    whole = texts(ask(rules, toy_clip(walks)))
    assert texts(ask(rules, toy_clip(walks, keep=lambda track, frame: (frame + track) % 5 > 1))) == whole


def test_numbers_of_people_do_not_matter(rules: RulesDescriber) -> None:
    walks = {1: STANDS, 2: APPROACHES, 3: along((0, -2.0, 8.0), (10, 2.0, 8.0))}
    names = {1: 7, 2: 3, 3: 5}
    told = ask(rules, toy_clip(walks))
    other = ask(rules, toy_clip({names[key]: walk for key, walk in walks.items()}))

    def renamed(text: str) -> str:
        return re.sub(r"P(\d)", lambda match: f"P{names[int(match[1])]}", text)

    assert {other[f"P{names[key]}"].text for key in walks} == {renamed(told[f"P{key}"].text) for key in walks}
    for pair, answer in told.items():
        if " " in pair:
            one, two = sorted(names[int(part[1:])] for part in pair.split())
            assert {(names[a], names[p], label): score for (a, p, label), score in answer.scores or ()} == dict(
                other[f"P{one} P{two}"].scores or ()
            )


def test_the_same_clip_twice_and_together_with_others_is_told_the_same(rules: RulesDescriber) -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES}, jitter=0.01)
    first = ask(rules, clip)
    ask(rules, toy_clip({4: STANDS}))
    assert ask(load(), clip) == first
    assert load().fingerprint == rules.fingerprint != load(attributes="none").fingerprint


def test_a_clip_without_people_or_frames_has_an_answer(rules: RulesDescriber) -> None:
    sizes = np.tile(np.array([WIDTH, HEIGHT]), (10, 1))
    assert ask(rules, Clip("empty", 10, 5.0, sizes, ()))["summary"].text == "Nobody is seen."
    nothing = ask(rules, Clip("nothing", 0, 5.0, sizes[:0], ()))["summary"]
    assert nothing.text == "" and not nothing.error


def test_one_box_is_enough_for_an_answer_and_not_for_a_claim(rules: RulesDescriber) -> None:
    answers = ask(rules, toy_clip({1: STANDS}, keep=lambda _, frame: frame == 4))
    assert answers["P1"].text == "A person is in view." and answers["summary"].text == "One person is in view."


def test_someone_cut_off_by_the_border_is_not_said_to_stand(rules: RulesDescriber) -> None:
    clip = toy_clip({1: along((0, 0.0, 3.2))})
    low = replace(clip.tracks[0], boxes_xyxy=clip.tracks[0].boxes_xyxy + np.array([0, 0, 0, HEIGHT]))
    clip = replace(clip, tracks=(replace(low, boxes_xyxy=np.minimum(low.boxes_xyxy, [WIDTH, HEIGHT] * 2)),))
    assert ask(rules, clip)["P1"].text == "A person stays in place."


def test_every_sentence_says_whom_and_when(rules: RulesDescriber) -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES, 3: along((0, -2.0, 8.0), (10, 2.0, 8.0))})
    for answer in ask(rules, clip).values():
        assert answer.sentences is not None and (answer.scores is None or len(answer.scores) == len(answer.sentences))
        for one in answer.sentences:
            named = {int(number) for number in re.findall(r"P(\d+)", one.text)}
            assert named <= set(one.track_ids) <= {1, 2, 3}
            assert 0 <= one.first_frame <= one.last_frame < clip.length


def test_the_spans_of_an_encounter_are_when_it_happens(rules: RulesDescriber) -> None:
    answer = ask(rules, toy_clip({1: STANDS, 2: APPROACHES}))["P1 P2"]
    spans = dict(zip((key for key, _ in answer.scores or ()), answer.sentences or (), strict=True))
    sentence = spans[2, 1, "approach.v.01"]
    assert sentence.text == "P2 walks up to P1." and sentence.track_ids == (1, 2)
    assert 25 <= sentence.first_frame <= 50 and 70 <= sentence.last_frame <= 98  # walks from second 2.5 to 5.5


def test_captions_stay_short(rules: RulesDescriber) -> None:
    points = [(2.0 * k, (-1.0) ** k * 1.5, 4.0 + (k % 3) * 2.5) for k in range(40)]
    text = ask(rules, toy_clip({1: along(*points)}, seconds=80))["P1"].text
    assert 20 < len(text.split()) <= 45 and text.endswith(".")


def test_only_labels_that_are_offered_are_given(rules: RulesDescriber) -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES})
    from semantic.describers.protocol import Job

    request = Request("id", "toy", "pair", (1, 2), (), "", ("leave.v.01", "talk.v.01"))
    (answer,) = rules.answer([Job(request, clip, None)])
    assert {label for (_, _, label), _ in answer.scores or ()} <= {"leave.v.01", "talk.v.01"}


def test_an_unknown_track_or_kind_is_an_error_of_that_job_alone(rules: RulesDescriber) -> None:
    from semantic.describers.protocol import Job

    clip = toy_clip({1: STANDS})
    asked = [Request("a", "toy", "instance", (9,), (), ""), Request("b", "toy", "dream", (1,), (), "")]
    asked.append(Request("c", "toy", "instance", (1,), (), ""))
    answers = list(rules.answer([Job(one, clip, None) for one in asked]))
    assert [bool(answer.error) for answer in answers] == [True, True, False] and "9" in answers[0].error


def test_labels_that_are_seldom_right_are_not_given() -> None:
    clip = toy_clip({1: STANDS, 2: APPROACHES})
    assert ask(load(least_precision=1.0), clip)["P1 P2"].text == "none"
    everything = ask(load(least_precision=0.0), clip)["P1 P2"]
    assert len(everything.scores or ()) > len(ask(load(), clip)["P1 P2"].scores or ()) > 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"camera": "shaky"}, "shaky"),
        ({"names": "nick"}, "nick"),
        ({"weights": "x.xml"}, "x.xml"),
        ({"descriptions": "no/folder"}, "no/folder"),
        ({"least_precision": 2.0}, "2.0"),
        ({"attributes": "psychic"}, "psychic"),
        ({"table": "no/table.json"}, "no/table.json"),
    ],
)
def test_wrong_options_are_named(options: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        load(**options)


@pytest.mark.parametrize(
    "change", [{"kind": "hug"}, {"role": "both"}, {"label": "stare"}, {"probability": 1.5}, {"seen": "many"}, {"x": 1}]
)
def test_a_wrong_row_of_a_table_is_named(tmp_path: Path, change: dict) -> None:
    row = {"kind": "stand", "role": "either", "label": "talk.v.01", "probability": 0.5, "seen": 3, "right": 2}
    path = tmp_path / "table.json"
    stored = {"schema": "rules-interactions/1", "measured_on": "x", "least_precision": 0.5, "rows": [row]}
    path.write_text(json.dumps(stored))
    assert read_table(path)[0][0].label == "talk.v.01"
    stored["rows"] = [row, row | change]
    path.write_text(json.dumps(stored))
    with pytest.raises(ConfigError, match="row 2"):
        read_table(path)
