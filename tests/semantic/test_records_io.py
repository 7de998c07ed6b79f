from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.records_io import read_semantics, result_path, write_semantics
from semantic.structures import Caption, Clip, Interaction, Semantics, Sentence, Track
from sushi_lg.errors import DataError


def _track(track_id: int, frames: list[int], boxes: list[list[float]]) -> Track:
    count = len(frames)
    return Track(
        track_id,
        np.asarray(frames),
        np.asarray(boxes, dtype=np.float64),
        np.linspace(0.3, 1.0, count),
        np.arange(count) % 2 == 1,
    )


def _clip() -> Clip:
    tracks = (
        _track(1, [0, 1, 3], [[0, 0, 10.5, 20], [1, 1.25, 11, 21], [-2, 0, 8, 20]]),
        _track(4, [2, 3], [[30, 5, 40, 25], [31, 5, 41, 25]]),
    )
    return Clip("kitchen/a_0", 4, 2.0, np.tile([64, 48], (4, 1)), tracks, ("001", "002", "004", "006"))


def _semantics() -> Semantics:
    return Semantics(
        clip="kitchen/a_0",
        captions=(
            Caption(1, (Sentence("A man in red walks.", (1,), 0, 3), Sentence("He waits.", (1, 4), 3, 3)), "r1"),
        ),
        interactions=(
            Interaction(1, 4, "look.v.01", 0.75, 2, 3, "mllm", "r2"),
            Interaction(1, 4, "talk.v.01", 0.5, 2, 3, "mllm", "r2", "Talk.v.01"),
            Interaction(4, 1, "talk.v.01", 0.45, 2, 3, "symmetry", "r2"),
        ),
        summary=(Sentence('Two people {meet} \u00e9\u4eba "here".', (1, 4), 0, 3),),
        summary_request="r0",
        counts={"dropped": 2, "aliased": 1},
        provenance={"describer": "rules"},
    )


def test_records_come_back_and_the_bytes_do_not_change(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_semantics(path, _clip(), _semantics())
    clip, semantics = read_semantics(path)
    assert semantics == _semantics()
    assert (clip.name, clip.length, clip.frame_rate, clip.stems) == ("kitchen/a_0", 4, 2.0, _clip().stems)
    np.testing.assert_array_equal(clip.sizes, _clip().sizes)
    for read, written in zip(clip.tracks, _clip().tracks, strict=True):
        for name in ("frame", "boxes_xyxy", "confidence", "is_interpolated"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    first = path.read_bytes()
    write_semantics(path, clip, semantics)
    assert path.read_bytes() == first


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4, allow_nan=False)] * 4), min_size=1, max_size=4))
def test_boxes_of_any_fraction_are_written_the_same_once_read(tmp_path_factory: pytest.TempPathFactory, boxes) -> None:  # noqa: ANN001
    folder = tmp_path_factory.mktemp("boxes")
    track = _track(1, list(range(len(boxes))), [list(box) for box in boxes])
    clip = Clip("c", len(boxes), 25.0, np.tile([9, 9], (len(boxes), 1)), (track,))
    write_semantics(folder / "1.json", clip, Semantics("c", (), (), ()))
    again, semantics = read_semantics(folder / "1.json")
    assert np.abs(again.tracks[0].boxes_xyxy - track.boxes_xyxy).max() < 1e-3
    write_semantics(folder / "2.json", again, semantics)
    assert (folder / "1.json").read_bytes() == (folder / "2.json").read_bytes()


def test_a_clip_without_tracks_and_words_is_a_result(tmp_path: Path) -> None:
    write_semantics(tmp_path / "a.json", Clip("c", 1, 2.0, np.array([[4, 4]]), ()), Semantics("c", (), (), ()))
    clip, semantics = read_semantics(tmp_path / "a.json")
    assert clip.tracks == () and semantics == Semantics("c", (), (), ())


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("schema",), "semtrack/2", "schema: is 'semtrack/2'"),
        (("frames", 1, "index"), 3, "frames[1].index: is 3, not 2"),
        (("frames", 0, "w"), 0, "frames[0].w: is 0"),
        (("tracks", 0, "id"), "1", "tracks[0].id: is no whole number but text"),
        (("tracks", 0, "id"), True, "tracks[0].id: is no whole number but true"),
        (("tracks", 1, "id"), 1, "tracks: kitchen/a_0: track ids do not rise"),
        (("tracks", 0, "idx"), [1, 2, 2], "tracks[0]: track 1: frames are none, or do not rise"),
        (("tracks", 0, "idx"), [0, 2, 4], "tracks[0].filled: has frames that idx does not have|tracks[0].idx"),
        (("tracks", 0, "xywh", 0), [1, 2, 3], "tracks[0].xywh[0]: has 3 numbers"),
        (("tracks", 0, "conf", 0), None, "tracks[0].conf: has no number but null"),
        (("tracks", 0, "caption"), "Something else.", "tracks[0].caption: is not what the sentences say"),
        (("tracks", 0, "sentences", 0, "frames"), [1, 9], "frames (0, 8) of a clip of 4 frames"),
        (("tracks", 0, "sentences", 1, "tracks"), [7], "tracks [7] are spoken of"),
        (("interactions", 0, "labels", 0, "p"), 1.5, "interactions[0].labels[0].p: is 1.5"),
        (("interactions", 0, "b"), 1, "with itself"),
        (("interactions", 0, "source"), "guess", "source 'guess'"),
        (("summary",), "", "summary: is not what"),
        (("counts", "dropped"), 0.5, "counts.dropped"),
        (("surprise",), 1, "surprise: is no key of the schema"),
    ],
)
def test_a_wrong_value_is_refused_with_file_and_key(tmp_path: Path, place, value, complaint) -> None:  # noqa: ANN001
    path = tmp_path / "a.json"
    write_semantics(path, _clip(), _semantics())
    content = json.loads(path.read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="|".join(re.escape(part) for part in complaint.split("|"))) as caught:
        read_semantics(path)
    assert str(path) in str(caught.value)


def test_a_missing_key_a_doubled_key_and_half_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_semantics(path, _clip(), _semantics())
    text = path.read_text()
    path.write_text(text.replace('"summary_request": "r0",\n', ""))
    with pytest.raises(DataError, match="summary_request: is missing"):
        read_semantics(path)
    path.write_text(text.replace('"schema"', '"clip": "x", "schema"'))
    with pytest.raises(DataError, match="'clip' is there twice"):
        read_semantics(path)
    path.write_text(text.replace('"frame_rate": 2.0', '"frame_rate": NaN'))
    with pytest.raises(DataError, match="NaN"):
        read_semantics(path)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_semantics(path)
    with pytest.raises(DataError, match="no such file"):
        read_semantics(tmp_path / "b.json")


def test_what_does_not_fit_together_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="about other"):
        write_semantics(tmp_path / "a.json", _clip(), Semantics("other", (), (), ()))
    with pytest.raises(ValueError, match="tracks \\[9\\]"):
        write_semantics(tmp_path / "a.json", _clip(), Semantics("kitchen/a_0", (Caption(9, ()),), (), ()))
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_clip_stays_in_its_folder(tmp_path: Path) -> None:
    assert result_path(tmp_path, "kitchen/a_0") == tmp_path / "semantics" / "kitchen__a_0.json"
    assert result_path(tmp_path, "/etc/x").parent == tmp_path / "semantics"
    for name in ("", "..", "a\nb", "a\\b", "x" * 300, "\u00e9" * 150, "a\ud800", "../../x", ".hidden/x"):
        with pytest.raises(DataError, match="not the name of a clip"):
            result_path(tmp_path, name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"p": 0.75', '"p": ' + "1" * 400),
        ("[30.0, ", "[1e308, "),
        ('"frame_rate": 2.0', '"frame_rate": 1e-300'),
        ('"frame_rate": 2.0', '"frame_rate": ' + "1" * 400),
    ],
)
def test_numbers_beyond_reason_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "a.json"
    write_semantics(path, _clip(), _semantics())
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_semantics(path)
