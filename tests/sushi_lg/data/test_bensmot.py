from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import cv2
import networkx
import numpy as np
import pytest
from bensmot_miniature import CAPTIONS, FIRST, SECOND, THIRD, write_miniature
from hypothesis import given, settings
from hypothesis import strategies as st

from sushi_lg.data.bensmot import (
    BensmotClip,
    BensmotTrack,
    Relation,
    find_bensmot_clips,
    read_bensmot,
    read_bensmot_clip,
    write_bensmot_clip,
    write_combined_files,
)
from sushi_lg.errors import DataError

SIZE = (32, 24)
PICTURE = cv2.imencode(".jpg", np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8))[1].tobytes()


def _same(one: BensmotClip, other: BensmotClip) -> None:
    """Compare all but faults and notes."""
    plain = {"tracks": (), "sizes": np.zeros((0, 2), dtype=np.int64), "faults": {}, "notes": ()}
    assert repr(replace(one, **plain)) == repr(replace(other, **plain))
    assert one.sizes.tolist() == other.sizes.tolist()
    assert [track.track_id for track in one.tracks] == [track.track_id for track in other.tracks]
    for first, second in zip(one.tracks, other.tracks, strict=True):
        assert first.frame.tolist() == second.frame.tolist()
        assert np.allclose(first.boxes_xyxy, second.boxes_xyxy, rtol=0, atol=1e-6)


def _clip(**changes: object) -> BensmotClip:
    clip = BensmotClip(
        name="cooking/x_0",
        split="train",
        stems=("3", "5", "10"),
        sizes=np.tile(SIZE, (3, 1)),
        tracks=(
            BensmotTrack(2, np.array([0, 2]), np.array([[0, 0, 10, 20], [1.25, 2, 8, 20.5]])),
            BensmotTrack(7, np.array([1]), np.array([[-3.0, 0, 10, 20]])),
        ),
        captions={2: "He says: stop.", 7: "She\u2019s gone."},
        names={2: "man0", 7: "woman0"},
        summary="Two people.",
        relations=(Relation(2, 7, ("talk.v.01", "smile.v.01ook.v.01")), Relation(7, 2, (" look.v.01",))),
        frame_rate=2.5,
    )
    return replace(clip, **changes)  # type: ignore[arg-type]


def _written(root: Path, clip: BensmotClip) -> Path:
    return write_bensmot_clip(root / clip.split, clip, [PICTURE] * clip.length)


def test_there_and_back(tmp_path: Path) -> None:
    clip = _clip()
    root = _written(tmp_path, clip)
    read = read_bensmot_clip(root)
    _same(read, clip)
    assert not read.faults and not read.notes
    assert (root / "gt" / "gt.txt").read_text().splitlines()[0] == "3,2,1,1,10,20,1,1,1"
    assert sorted(path.name for path in (root / "imgs").iterdir()) == ["10.jpg", "3.jpg", "5.jpg"]
    graph = networkx.read_graphml(root / "interactions.graphml")
    assert graph.edges["man0", "woman0"] == {"relationship": "talk.v.01,smile.v.01ook.v.01"}


def test_what_is_not_there_is_not_written_and_an_older_file_of_it_goes(tmp_path: Path) -> None:
    root = _written(tmp_path, _clip())
    clip = _clip(captions={}, names={}, summary="", relations=None, frame_rate=None)
    (root / "seqinfo.ini").unlink()
    assert _written(tmp_path, clip) == root
    assert sorted(path.name for path in root.iterdir()) == ["gt", "imgs"]
    read = read_bensmot_clip(root)
    _same(read, clip)
    assert set(read.faults) == {
        "clips without instance captions",
        "clips without interactions",
        "clips without video caption",
        "tracks without caption",
    }
    nobody = _clip(relations=())  # annotated: nobody does anything
    assert read_bensmot_clip(_written(tmp_path, nobody)).relations == ()


def test_the_combined_files_say_who_is_meant(tmp_path: Path) -> None:
    clip = _clip(captions={7: "She is gone."}, names={7: "woman0"})
    root = _written(tmp_path, clip)
    alone = read_bensmot_clip(root)
    assert alone.captions == {} and alone.faults["captions left out for that"] == 1
    # the graph has a node for everybody, so the order tells
    assert alone.relations == clip.relations
    assert alone.faults["graphs with other names than the captions, matched by order"] == 1
    for folder in (tmp_path, tmp_path / "train"):
        paths = write_combined_files(folder, [clip])
        _same(read_bensmot_clip(root), clip)
        for path in paths:
            path.unlink()


@st.composite
def _clips(draw: st.DrawFn) -> BensmotClip:
    length = draw(st.integers(1, 5))
    numbers = sorted(draw(st.lists(st.integers(0, 400), unique=True, min_size=length, max_size=length)))
    ids = sorted(draw(st.lists(st.integers(1, 99), unique=True, max_size=4)))
    edge = st.integers(-400, 4000).map(lambda value: value / 8)
    side = st.integers(1, 4000).map(lambda value: value / 8)
    tracks = []
    for one in ids:
        frames = sorted(draw(st.lists(st.integers(0, length - 1), unique=True, min_size=1)))
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (draw(st.tuples(edge, edge, side, side)) for _ in frames)]
        tracks.append(BensmotTrack(one, np.array(frames), np.array(boxes)))
    word = st.text(st.characters(categories=["L", "P", "N", "S"]), min_size=1, max_size=6)
    text = st.lists(word, min_size=1, max_size=5).map(" ".join)
    captions = {one: draw(text) for one in ids if draw(st.booleans())}
    labels = st.lists(st.sampled_from(["talk.v.01", "look.v.01 ", "smile.01", "<&>"]), unique=True, min_size=1)
    pairs = [(a, b) for a in ids for b in ids if a != b and draw(st.booleans())]
    return BensmotClip(
        name=f"{draw(st.sampled_from(['a', '_Uncategoried']))}/x-_0",
        split=draw(st.sampled_from(["train", "test"])),
        stems=tuple(f"{number:0{draw(st.sampled_from([1, 6]))}d}" for number in numbers),
        sizes=np.tile(SIZE, (length, 1)),
        tracks=tuple(tracks),
        captions=captions,
        names={one: f"woman{one}" for one in captions},
        summary=draw(text | st.just("")),
        relations=tuple(Relation(*pair, tuple(draw(labels))) for pair in pairs),
    )


@settings(max_examples=60, deadline=None)
@given(clip=_clips())
def test_any_clip_comes_back(tmp_path_factory: pytest.TempPathFactory, clip: BensmotClip) -> None:
    folder = tmp_path_factory.mktemp("any")
    _written(folder, clip)
    write_combined_files(folder, [clip])
    [read] = read_bensmot(folder).clips
    _same(read, clip)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_junk_stops_the_reading_of_a_clip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("junk") / "a" / "x_0"
    names = (
        "gt/gt.txt",
        "instance_captions.txt",
        "video_caption.txt",
        "interactions.graphml",
        "seqinfo.ini",
        "imgs/1.jpg",
    )
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data.draw(st.binary(max_size=40) | st.text(max_size=40).map(str.encode)))
    clip = read_bensmot_clip(root)
    assert clip.length == 1 and all(text.isprintable() for text in (clip.summary, *clip.captions.values()))


def test_the_miniature(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    found = find_bensmot_clips(root)
    assert [str(path.relative_to(root / "test")) for path in found] == sorted([FIRST, SECOND, THIRD])
    clips = {clip.name: clip for clip in read_bensmot(root).clips}
    assert {name: clip.captions for name, clip in clips.items()} == CAPTIONS
    assert clips[FIRST].names == {1: "man0", 2: "woman0"} and clips[SECOND].names == {2: "girl0", 9: "woman0"}
    # spellings are kept as they are
    assert clips[FIRST].relations == (
        Relation(1, 2, ("talk.v.01", "smile.v.01ook.v.01")),
        Relation(2, 1, (" talk.v.01", "accept.v.02 ", "zzz.v.01")),
    )
    assert clips[THIRD].relations is None and clips[THIRD].stems == ("8", "9", "10")
    assert clips[FIRST].notes == (f"{found[1]}/gt/gt.txt:10: rows of frames without a picture, left out",)


def test_graphs_by_name_by_order_and_not_at_all(tmp_path: Path) -> None:
    root = _written(tmp_path, _clip())
    path = root / "interactions.graphml"

    def read_with(*edges: tuple[str, str, str]) -> BensmotClip:
        graph = networkx.DiGraph()
        for source, target, labels in edges:
            graph.add_edge(source, target, relationship=labels)
        networkx.write_graphml(graph, path)
        return read_bensmot_clip(root)

    # names count before order
    assert read_with(("woman0", "man0", "hit.v.03")).relations == (Relation(7, 2, ("hit.v.03",)),)
    clip = read_with(("lady", "man0", "hit.v.03"))
    assert clip.relations == (Relation(2, 7, ("hit.v.03",)),)
    assert clip.faults == {"graphs with other names than the captions, matched by order": 1}
    clip = read_with(("a", "b", "hit.v.03"), ("b", "c", "hit.v.03,hug"))
    assert clip.relations is None
    assert clip.faults == {"graphs whose people cannot be told, left out": 1, "interactions left out for that": 2}
    clip = read_with(("man0", "man0", "hit.v.03"), ("man0", "woman0", ",hit.v.03,hit.v.03, ," + "x" * 101))
    assert clip.relations == (Relation(2, 7, ("hit.v.03",)),)
    assert clip.faults == {
        "interactions of a person with itself, left out": 1,
        "labels that are empty or too long, left out": 3,
        "labels that a pair has twice": 1,
    }
    path.write_text("<!DOCTYPE x><graphml/>")
    clip = read_bensmot_clip(root)
    assert clip.relations is None and clip.faults == {"graphs that cannot be read": 1}
    assert clip.notes == (f"{path}: has a document type, which no graph needs",)


def test_faults_of_the_combined_files(tmp_path: Path) -> None:
    root = _written(tmp_path, _clip())
    path = tmp_path / "relation.json"
    path.write_text(json.dumps({"cooking/x_0": {"2-7": "a.v.01,b", "7 2": ["c"], "2-8": ["c"], "7-7": ["c"]}}))
    clip = read_bensmot_clip(root)
    assert clip.relations == (Relation(2, 7, ("a.v.01", "b")),)
    assert clip.faults == {
        "pairs that are not <id>-<id>, left out": 1,
        "interactions of ids that gt.txt does not have, left out": 1,
        "interactions of a person with itself, left out": 1,
    }
    path.write_text("{}")
    clip = read_bensmot_clip(root)
    assert clip.relations == _clip().relations and clip.faults == {"clips that relation.json lacks": 1}
    for wrong in ('{"cooking/x_0": []}', '{"cooking/x_0": {"2-7": [1]}}', "[]", "{", "[" * 100_000, '{"x": "\udcff"}'):
        path.write_bytes(wrong.encode(errors="surrogateescape"))
        with pytest.raises(DataError, match=r"relation\.json"):
            read_bensmot_clip(root)
    path.unlink()
    for name in ("instance_caption", "video_summary"):
        path = tmp_path / f"{name}.json"
        path.write_text('{"cooking/x_0": {"2": 1}}')
        with pytest.raises(DataError, match=name):
            read_bensmot_clip(root)
        path.unlink()


def test_texts_that_steer_terminals_or_never_end(tmp_path: Path) -> None:
    root = _written(tmp_path, _clip())
    (root / "video_caption.txt").write_text("red \x1b[31malert\x07\u202e" + "x" * 5000)
    clip = read_bensmot_clip(root)
    assert clip.summary.startswith("red [31malertxxx") and len(clip.summary) == 4000
    assert clip.faults == {"texts with control characters, taken out": 1, "texts cut off": 1}
    (root / "video_caption.txt").write_bytes(b"x" * (2 << 20))
    assert read_bensmot_clip(root).faults == {"texts that cannot be read": 1, "clips without video caption": 1}


def test_without_pictures_boxes_say_how_much_there_is(tmp_path: Path) -> None:
    gt = tmp_path / "a" / "x_0" / "gt" / "gt.txt"
    gt.parent.mkdir(parents=True)
    gt.write_text("2,1,1,1,100.5,50\n4,1,11,1,10,60\n")
    clip = read_bensmot_clip(gt.parents[1])
    assert clip.stems == () and clip.sizes.tolist() == [[101, 60]] * 4
    assert clip.tracks[0].frame.tolist() == [1, 3] and clip.faults["clips without pictures"] == 1
    gt.write_text("999999999,1,1,1,5,5\n")
    clip = read_bensmot_clip(gt.parents[1])
    assert clip.length == 0 and "clips whose frame numbers are beyond reason, boxes left out" in clip.faults
    gt.unlink()
    (gt.parents[1] / "video_caption.txt").write_text("x")
    assert "clips without gt.txt" in read_bensmot_clip(gt.parents[1]).faults


def test_a_broken_picture_is_as_large_as_the_one_before(tmp_path: Path) -> None:
    root = _written(tmp_path, _clip())
    (root / "imgs" / "5.jpg").write_bytes(b"broken")
    clip = read_bensmot_clip(root)
    assert clip.sizes.tolist() == [list(SIZE)] * 3
    assert clip.faults == {"pictures whose size cannot be read": 1} and "5.jpg" in clip.notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "x"}, "<scenario>/<clip>"),
        ({"name": "../x"}, "<scenario>/<clip>"),
        ({"name": "a/b/c"}, "<scenario>/<clip>"),
        ({"stems": ("1", "2")}, "one number a frame"),
        ({"stems": ("1", "2", "x")}, "one number a frame"),
        ({"stems": ("1", "3", "2")}, "do not rise"),
        ({"sizes": np.array([SIZE, SIZE, (9, 9)])}, "10.jpg: 32 x 24 pixels, the clip says 9 x 9"),
        ({"captions": {3: "x"}}, "no track 3"),
        ({"relations": (Relation(2, 9, ("a",)),)}, "no track 9"),
        ({"relations": (Relation(2, 7, ("a,b",)),)}, "no comma"),
        ({"names": {2: "man0", 7: "man0"}}, "call each person otherwise"),
        ({"names": {2: "man 0: x"}}, "call each person otherwise"),
    ],
)
def test_what_the_files_cannot_hold_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_bensmot_clip(tmp_path, _clip(**changes), [PICTURE] * 3)
    assert not list(tmp_path.rglob("gt.txt"))


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 pictures for 3 frames"):
        write_bensmot_clip(tmp_path, _clip(), [PICTURE] * 2)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    (root / "test" / "again").symlink_to(root)
    (root / "elsewhere").symlink_to(root / "test" / "cooking")
    found = find_bensmot_clips(root)
    assert root / "elsewhere" / "aaaa_0" in found and len(found) < 50


def test_no_picture_of_an_earlier_clip_becomes_a_frame(tmp_path: Path) -> None:
    root = _written(tmp_path, _clip())
    earlier = {path.name for path in (root / "imgs").iterdir()}
    (root / "imgs" / "notes.txt").write_text("mine")
    (root / "imgs" / "0001.png").write_bytes(PICTURE)
    clip = _clip(stems=("1", "2", "11"))
    read = read_bensmot_clip(_written(tmp_path, clip))
    assert (read.length, read.stems, read.faults) == (3, ("1", "2", "11"), {})
    assert {path.name for path in (root / "imgs").iterdir()} == {"1.jpg", "2.jpg", "11.jpg", "notes.txt"} != earlier
    assert read_bensmot_clip(_written(tmp_path, _clip(frame_rate=None))).frame_rate is None, (
        "nor does its seqinfo.ini stay"
    )


def test_a_clip_without_frames_is_written(tmp_path: Path) -> None:
    nobody = {"tracks": (), "captions": {}, "names": {}, "relations": ()}
    clip = _clip(stems=(), sizes=np.zeros((0, 2), np.int64), frame_rate=2.0, **nobody)
    assert read_bensmot_clip(write_bensmot_clip(tmp_path, clip, [])).length == 0


def test_a_great_many_people_are_read_in_seconds(tmp_path: Path) -> None:
    root = tmp_path / "a" / "x_0"
    (root / "gt").mkdir(parents=True)
    count = 50_000
    (root / "gt" / "gt.txt").write_text("".join(f"{k // 1000 + 1},{count - k},1,1,5,5\n" for k in range(count)))
    (root / "instance_captions.txt").write_text("".join(f"man{k}: text {k + 1}\n" for k in range(count)))
    begin = time.perf_counter()
    clip = read_bensmot_clip(root)
    assert time.perf_counter() - begin < 15  # over a minute where all are looked at for each
    assert [track.track_id for track in clip.tracks] == list(range(1, count + 1))
    assert clip.tracks[0].frame.tolist() == [49] and clip.captions[count] == f"text {count}"
