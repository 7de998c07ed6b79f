"""Every profile packs what is right and refuses what its server would reject."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sushi_lg.cli.app import build_app
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.submission.archive import write_archive
from sushi_lg.submission.pack import note, pack, validate
from sushi_lg.submission.profile import load_profile, profile_names

ROW = "1,1,10,10,20,40,0.9,-1,-1,-1\n"


def results(folder: Path, profile: str) -> Path:
    """Write a row for every sequence that has to be tracked."""
    folder.mkdir(parents=True)
    for sequence, may_be_empty in load_profile(profile).sequences().items():
        if not may_be_empty:
            (folder / f"{sequence}.txt").write_text(ROW)
    return folder


def sportsmot(root: Path, count: int = 150) -> Path:
    for number in range(count):
        (root / "SportsMOT" / "test" / f"v_{number:011d}_c001").mkdir(parents=True)
    return root


@pytest.mark.parametrize(("profile", "count", "empty"), [("mot17", 42, 21), ("mot20", 8, 4), ("dancetrack", 35, 0)])
def test_plain_names_are_packed(tmp_path: Path, profile: str, count: int, empty: int) -> None:
    sheet = pack(profile, results(tmp_path / "r", profile), tmp_path / "x.zip")
    assert sheet.faults == [] and len(sheet.files) == count
    assert sum(not file.rows for file in sheet.files.values()) == empty
    assert all("/" not in name for name in sheet.files)
    assert validate(tmp_path / "x.zip").profile == profile, "the names of files tell the profile"


def test_results_by_detector_stay_apart(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "mot17")
    (folder / "MOT17-01-SDP.txt").write_text(ROW * 1 + "2" + ROW[1:])
    sheet = pack("mot17", folder, tmp_path / "x.zip")
    few = [remark for remark in sheet.remarks if remark.startswith("MOT17-0")]
    assert [remark.split(":")[0] for remark in few] == [  # once for copies under several names
        "MOT17-01-DPM.txt",
        "MOT17-01-SDP.txt",
        *(f"MOT17-{number}-DPM.txt" for number in ("03", "06", "07", "08")),
    ]
    rows = {name: file.rows for name, file in sheet.files.items() if name.startswith("MOT17-01")}
    assert rows == {"MOT17-01-DPM.txt": 1, "MOT17-01-FRCNN.txt": 1, "MOT17-01-SDP.txt": 2}


def test_a_run_of_the_tracker_is_found(tmp_path: Path) -> None:
    results(tmp_path / "run" / "tracks", "mot20")
    (tmp_path / "run" / "log.txt").write_text("no result")
    assert pack("mot20", tmp_path / "run", tmp_path / "x.zip").faults == []


def test_halves_of_videos_are_refused(tmp_path: Path) -> None:
    """Their frames begin at 1 again: a server would compare them with the first halves."""
    run = results(tmp_path / "run", "mot17")
    (run / "config.yaml").write_text("split: mot17-half-val\n")
    with pytest.raises(DataError, match="of the second half of every video"):
        pack("mot17", run, tmp_path / "out.zip")
    (run / "config.yaml").write_text("split: mot17-train\n")
    assert not pack("mot17", run, tmp_path / "out.zip").faults


def test_the_folder_of_dancetrack(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "dancetrack")
    sheet = pack("dancetrack", folder, tmp_path / "x.zip", layout="folder")
    assert sheet.layout == "folder" and all(name.startswith("tracker/") for name in sheet.files)
    files = {name: ROW.encode() for name in sheet.files}
    write_archive(tmp_path / "z.zip", files | {"other/dancetrack0003.txt": b"hidden"})
    assert any("not in the folder 'tracker'" in fault for fault in validate(tmp_path / "z.zip").faults)
    with pytest.raises(DataError, match=r"takes root$"):
        pack("mot20", results(tmp_path / "m", "mot20"), tmp_path / "y.zip", layout="folder")


def test_sportsmot_takes_its_names_from_the_data(tmp_path: Path) -> None:
    data = sportsmot(tmp_path / "data")
    folder = tmp_path / "r"
    folder.mkdir()
    for path in (data / "SportsMOT" / "test").iterdir():
        (folder / f"{path.name}.txt").write_text(ROW)
    with pytest.raises(DataError, match="--data ROOT"):
        pack("sportsmot", folder, tmp_path / "x.zip")
    assert len(pack("sportsmot", folder, tmp_path / "x.zip", data=data).files) == 150
    assert validate(tmp_path / "x.zip").faults == [], "checked by their form where the data set is not at hand"
    with pytest.raises(DataError, match="149 sequences"):
        pack("sportsmot", folder, tmp_path / "x.zip", data=sportsmot(tmp_path / "less", 149))


def test_what_is_missing_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "mot20")
    (folder / "MOT20-07.txt").unlink()
    with pytest.raises(DataError, match=r"1 of 8 files are missing: MOT20-07\.txt\n.*track mot20-test --data ROOT"):
        pack("mot20", folder, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_bad_rows_are_refused(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "mot20")
    (folder / "MOT20-07.txt").write_text("586" + ROW[1:])
    with pytest.raises(DataError, match=r"MOT20-07\.txt:1: frame 586 is behind the last one, 585"):
        pack("mot20", folder, tmp_path / "x.zip")
    (folder / "MOT20-07.txt").write_text("")
    with pytest.raises(DataError, match=r"MOT20-07\.txt: is empty"):
        pack("mot20", folder, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_annotations_are_not_sent(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "mot20")
    truth = "".join(f"{frame},1,10,10,20,40,1,1,1\n" for frame in range(1, 30))
    (tmp_path / "data/MOT20/train/MOT20-01/gt").mkdir(parents=True)
    (tmp_path / "data/MOT20/train/MOT20-01/gt/gt.txt").write_text(truth)
    (tmp_path / "data/MOT20/train/MOT20-01/seqinfo.ini").write_text(
        "[Sequence]\nname=MOT20-01\nimDir=img1\nframeRate=25\nseqLength=429\nimWidth=100\nimHeight=100\nimExt=.jpg\n"
    )
    copied = "".join(f"{frame},1,10,10,20,40,1,-1,-1,-1\n" for frame in range(1, 30))
    (folder / "MOT20-01.txt").write_text(copied)
    with pytest.raises(DataError, match="is the annotation itself"):
        pack("mot20", folder, tmp_path / "x.zip", data=tmp_path / "data")
    (folder / "MOT20-01.txt").write_text(copied.replace(",10,10,", ",12,11,"))
    assert pack("mot20", folder, tmp_path / "x.zip", data=tmp_path / "data").faults == []


def test_what_others_packed_is_judged(tmp_path: Path) -> None:
    names = [f"MOT20-{k:02d}.txt" for k in (1, 2, 3, 4, 5, 6, 7)]
    files = {name: ROW.encode() for name in names} | {"mot20-08.txt": ROW.encode(), "readme.md": b"hello"}
    write_archive(tmp_path / "x.zip", files)
    faults = validate(tmp_path / "x.zip").faults
    assert faults == [
        "MOT20-08.txt: is missing",
        "mot20-08.txt: is no file of MOT20 test; the name is MOT20-08.txt",
        "readme.md: is no file of MOT20 test",
    ]
    write_archive(tmp_path / "y.zip", {f"data/{name}": ROW.encode() for name in [*names, "MOT20-08.txt"]})
    assert validate(tmp_path / "y.zip").faults == ["files lie in the folder 'data'; MOT20 test wants them at the root"]
    write_archive(tmp_path / "z.zip", {"strange.txt": b""})
    with pytest.raises(DataError, match="no file is named like a sequence"):
        validate(tmp_path / "z.zip")


def test_the_ledger_remembers(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "mot20")
    sheet = pack("mot20", folder, tmp_path / "x.zip")
    assert note(tmp_path / "l.jsonl", sheet, folder) == []
    (before,) = note(tmp_path / "l.jsonl", sheet, folder)
    assert before["content"] == sheet.content and before["sha256"] == sheet.sha256
    assert before["run"] == str(folder) and before["quota"] == load_profile("mot20").quota
    other = pack("dancetrack", results(tmp_path / "d", "dancetrack"), tmp_path / "y.zip")
    assert note(tmp_path / "l.jsonl", other, folder) == []
    rows = (tmp_path / "l.jsonl").read_bytes()
    for bad in (b"torn", b"[]", b'{"profile": "mot20"}', b"\xff\xfe"):
        (tmp_path / "l.jsonl").write_bytes(rows + bad + b"\n")
        with pytest.raises(DataError, match=r"l\.jsonl:4"):
            note(tmp_path / "l.jsonl", sheet, folder)


def test_profiles_say_when_they_were_read() -> None:
    for name in profile_names():
        assert load_profile(name).checked and load_profile(name).server and load_profile(name).quota
    with pytest.raises(ConfigError, match="did you mean dancetrack"):
        load_profile("DanceTrak")


def test_from_the_command_line(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", "mot20")
    run = CliRunner().invoke(build_app("pack"), ["pack", "mot20", str(folder), "--out", str(tmp_path / "x.zip")])
    assert run.exit_code == 0 and "8 files at the root, 4 boxes" in run.output and "4 files empty" in run.output
    assert (tmp_path / "submissions.jsonl").is_file()
    run = CliRunner().invoke(build_app("validate"), ["validate", str(tmp_path / "x.zip")])
    assert run.exit_code == 0 and "no faults" in run.output
    with zipfile.ZipFile(tmp_path / "x.zip", "a") as archive:
        archive.writestr("notes.txt", "hello")
    run = CliRunner().invoke(build_app("validate"), ["validate", str(tmp_path / "x.zip")])
    assert isinstance(run.exception, DataError) and "fault: notes.txt: is no file of MOT20 test" in run.output
