"""Splits and layouts: lists are complete, folders are found under their several names, absences are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sushi_lg.data import resources
from sushi_lg.data.layouts import LAYOUTS, layout_of
from sushi_lg.data.splits import load_split, locate_split, read_split, split_names
from sushi_lg.errors import ConfigError, DataError

SEQINFO = "[Sequence]\nframeRate=30\nseqLength=10\nimWidth=640\nimHeight=480\n"
MOT17_VIDEOS = ["02", "04", "05", "09", "10", "11", "13"]


def _make(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "seqinfo.ini").write_text(SEQINFO)


def test_every_split_file_reads() -> None:
    names = split_names()
    assert {"mot17-half-train", "mot17-half-val", "mot20-test", "dancetrack-val", "sportsmot-train"} <= set(names)
    sizes = {name: len(read_split(name).sequences) for name in names}
    assert (sizes["dancetrack-train"], sizes["dancetrack-val"], sizes["dancetrack-test"]) == (40, 25, 35)
    assert sizes["mot17-half-val"] == 7 and sizes["mot15-train"] == 11 and sizes["sportsmot-train"] == 45


def test_parts_of_a_data_set_are_disjoint() -> None:
    parts = [set(read_split(f"dancetrack-{part}").sequences) for part in ("train", "val", "test")]
    assert len(set.union(*parts)) == 100
    even, odd = (read_split(f"dancetrack-fold-{fold}").sequences for fold in ("even", "odd"))
    assert not set(even) & set(odd) and set(even) | set(odd) <= parts[1]
    merged = sorted((*even, *odd))
    assert (tuple(merged[0::2]), tuple(merged[1::2])) == (even, odd)


@pytest.mark.parametrize("below", ["", "MOT17", "MOT17/train"], ids=["data sets", "data set", "part"])
@pytest.mark.parametrize("suffix", ["", "-FRCNN", "-DPM"])
def test_root_and_names_in_their_variants(tmp_path: Path, below: str, suffix: str) -> None:
    _make(tmp_path / "MOT17" / "train", [f"MOT17-{video}{suffix}" for video in MOT17_VIDEOS])
    sequences = load_split("mot17-half-val", tmp_path / below)
    assert [s.name for s in sequences] == [f"MOT17-{video}{suffix}" for video in MOT17_VIDEOS]
    assert {(s.first, s.length) for s in sequences} == {(7, 4)}
    assert sequences[0].info.layout.name == "MOT17"
    assert {(s.first, s.length) for s in load_split("mot17-half-train", tmp_path / below)} == {(1, 6)}
    assert {(s.first, s.length) for s in load_split("mot17-train", tmp_path / below)} == {(1, 10)}


def test_one_video_with_three_detectors_is_taken_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _make(tmp_path / "mot17" / "train", [f"MOT17-{v}-{d}" for v in MOT17_VIDEOS for d in ("DPM", "FRCNN", "SDP")])
    assert [s.name for s in load_split("mot17-train", tmp_path)] == [f"MOT17-{v}-FRCNN" for v in MOT17_VIDEOS]
    assert "MOT17-02 is there 3 times, MOT17-02-FRCNN taken" in caplog.text


def test_absent_sequences_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _make(tmp_path / "MOT17" / "train", ["MOT17-02", "MOT17-13"])
    with pytest.raises(DataError, match=r"5 of 7 .* absent: MOT17-04, MOT17-05, MOT17-09, MOT17-10, MOT17-11\n.*skip"):
        load_split("mot17-half-val", tmp_path)
    assert [s.name for s in load_split("mot17-half-val", tmp_path, missing="skip")] == ["MOT17-02", "MOT17-13"]
    assert "MOT17-04" in caplog.text
    assert locate_split("mot17-half-val", tmp_path).missing == [
        "MOT17-04",
        "MOT17-05",
        "MOT17-09",
        "MOT17-10",
        "MOT17-11",
    ]


def test_wrong_folder_is_an_error_even_with_skip(tmp_path: Path) -> None:
    _make(tmp_path / "data", ["MOT16-02"])
    with pytest.raises(DataError, match=r"none of the 7 sequences of mot17-train\n.*nearest names there: MOT16-02"):
        load_split("mot17-train", tmp_path / "data", missing="skip")
    with pytest.raises(DataError, match="no such folder"):
        load_split("mot17-train", tmp_path / "nowhere")


def test_unknown_split_lists_the_nearest() -> None:
    with pytest.raises(DataError, match=r"'mot17-halfval' is no known split\n.*did you mean mot17-half-val"):
        read_split("mot17-halfval")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# dataset: MOT17\n# part: train\nA\nA\n", r"s\.txt:4: A is listed twice"),
        ("# dataset: MOT17\n../A\n", r"s\.txt:2: '\.\./A' is not a sequence name"),
        ("# part: x\n# dataset: MOT99\nA\n", r"s\.txt:2: '# dataset:' is 'MOT99'\n.*did you mean MOT"),
        ("# dataset: mot17\nA\n", r"s\.txt:1: .*\n.*did you mean MOT17\? write one of"),
        ("\n# datset: MOT17\nA\n", r"s\.txt:2: '# datset:' is unknown.*\n.*looks like this(.*\n)*.*# dataset: MOT17"),
        ("\nA\n", r"s\.txt:2: .* 'A' comes without a line '# dataset: NAME' above\n.*looks like this"),
        ("# of mine\n", r"s\.txt: .*it lists nothing\n.*looks like this"),
        ("1,-1,10,20,30,40,0.9\n" * 2, r"s\.txt:1: .* is a box.*\n.*name the sequence folder"),
        ("# dataset: MOT17\nA\n\udcff\udcfe\n", r"s\.txt:3: not text"),
        ("# dataset: MOT17\n# view: third\nA\n", "'# view:' is 'third'"),
        ("# dataset: MOT17\n", "no sequence listed"),
    ],
)
def test_split_file_faults(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "s.txt").write_text(content, errors="surrogateescape")
    with pytest.raises(DataError, match=message):
        read_split(str(tmp_path / "s.txt"))


def test_own_split_file_by_path(tmp_path: Path) -> None:
    _make(tmp_path / "custom" / "a b", ["Señal 1"])
    (tmp_path / "mine.txt").write_text("# dataset: custom\n# part: a b\nSeñal 1\n", encoding="utf-8")
    assert [s.name for s in load_split(str(tmp_path / "mine.txt"), tmp_path)] == ["Señal 1"]


def test_layout_is_guessed_from_folder_names() -> None:
    assert layout_of("/x/mot17/train/a").name == "MOT17"
    assert layout_of("/mot17/DanceTrack/val/dancetrack0004").name == "DanceTrack"
    assert layout_of("/somewhere/MOT20-05").name == "MOT20"
    assert layout_of("/data/2DMOT2015/train/KITTI-17").name == "MOT15"
    assert layout_of("/data/SportsMOT/train/v_x_c001").name == "SportsMOT"
    assert layout_of("/data/mot17-like/clip").name == "custom"


def test_layout_table_is_consistent() -> None:
    for layout in LAYOUTS.values():
        assert not set(layout.scored_classes or ()) & set(layout.distractor_classes)
    assert LAYOUTS["MOT17"].canonical_name("MOT17-02-SDP") == "MOT17-02" == LAYOUTS["MOT17"].canonical_name("MOT17-02")
    assert LAYOUTS["DanceTrack"].image_name(7) == "00000007.jpg"
    assert LAYOUTS["BenSMOT"].image_name(7, ".png") == "007.png"


def test_configs_are_found_in_a_wheel_before_a_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "site" / "sushi_lg" / "data" / "resources.py"
    monkeypatch.setattr(resources, "__file__", str(module))
    with pytest.raises(ConfigError, match="reinstall"):
        resources.configs_path()
    (tmp_path / "site" / "configs" / "splits").mkdir(parents=True)
    assert resources.configs_path() == tmp_path / "site" / "configs"
    (tmp_path / "site" / "sushi_lg" / "_configs" / "splits").mkdir(parents=True)
    assert resources.configs_path() == tmp_path / "site" / "sushi_lg" / "_configs"


def test_half_split_of_the_real_data(shared_data: Path) -> None:
    """Start frames as listed by the community for the validation half."""
    starts = {s.name[-2:]: s.first for s in load_split("mot17-half-val", shared_data / "mot")}
    assert starts == {"02": 302, "04": 527, "05": 420, "09": 264, "10": 329, "11": 452, "13": 377}
