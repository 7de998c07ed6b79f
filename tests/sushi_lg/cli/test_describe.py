"""``sushi-lg describe``: where tracks and pictures come from, what is kept, and what it says when it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from bensmot_miniature import write_miniature
from fake_describer import FakeDescriber
from pictures import moving_squares, write_images, write_lossless

from semantic.describers import registry
from semantic.records_io import read_semantics
from sushi_lg.cli.app import main
from sushi_lg.data.trajectory_io import TrajectoryTable, write_trajectories

DATA, CONFIG = 3, 4  # exit codes
FRAMES = 12


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["describe", *map(str, words)])
    return int(stop.value.code or 0)


@pytest.fixture(autouse=True)
def options(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Put a describer that needs pictures in the place of all; return the options it was loaded with."""
    given: list[dict[str, object]] = []

    def load(name: str, **settings: object) -> FakeDescriber:
        given.append({"name": name, **settings})
        return FakeDescriber(looks=name != "blind", failing=1 if name == "failing" else 0, fingerprint=name)

    monkeypatch.setattr(registry, "load_describer", load)
    return given


def write_tracks(path: Path, first_frame: int = 1, length: int = FRAMES, last: int = FRAMES) -> Path:
    """Three people who walk as the squares of ``moving_squares``; the third one was lost for two frames."""
    frame = np.tile(np.arange(last), 3)
    track = np.repeat([1, 2, 5], last)
    left = 5 + 2 * frame + 30 * np.repeat(range(3), last)
    boxes = np.stack([left, 8 + 28 * np.repeat(range(3), last), np.full(3 * last, 10), np.full(3 * last, 12)], axis=1)
    filled = (track == 5) & np.isin(frame, [4, 5])
    table = TrajectoryTable(
        frame,
        track,
        boxes.astype(np.float64),
        np.full(3 * last, 0.8),
        filled,
        np.where(filled, -1, 0),
        {"sequence": path.stem, "first_frame": first_frame, "length": length},
    )
    return write_trajectories(path, table)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    for name in ("hall", "yard"):
        write_tracks(tmp_path / "run" / "tracks" / f"{name}.txt")
        write_lossless(tmp_path / "videos" / f"{name}.mp4", _pictures(), rate=5) if name == "hall" else write_images(
            tmp_path / "videos" / name, _pictures()
        )
    return tmp_path / "run"


def _pictures() -> list[np.ndarray]:
    return moving_squares(FRAMES)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()


def test_a_run_is_described_kept_and_gone_on_with(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, videos = tmp_path / "out", tmp_path / "videos"
    words = (run_folder, "--frames", videos, "--out", out, "--frame-rate", "5")
    assert run(*words) == 0
    said = capsys.readouterr()
    assert f"wrote {out / 'semantics'} (2 clips: 2 described)" in said.out
    assert "[1/2] hall: " in said.err and "[2/2] yard: " in said.err
    clip, semantics = read_semantics(out / "semantics" / "hall.json")
    assert (clip.name, clip.length, clip.frame_rate) == ("hall", FRAMES, 5.0)
    assert [track.track_id for track in clip.tracks] == [1, 2, 5]
    assert clip.tracks[2].is_interpolated.tolist() == [k in (4, 5) for k in range(FRAMES)]
    np.testing.assert_allclose(clip.tracks[0].boxes_xyxy[3], [11, 8, 21, 20])
    assert semantics.counts["requests: instance"] == 3
    before = {path.name: path.read_bytes() for path in (out / "semantics").iterdir()}
    assert run(*words) == 0
    assert "2 kept" in capsys.readouterr().out
    (out / "semantics" / "yard.json").unlink()
    assert run(*words) == 0
    assert {path.name: path.read_bytes() for path in (out / "semantics").iterdir()} == before


@pytest.mark.parametrize("tracks", ["run/tracks", "run/tracks/hall.txt", "run/tracks/hall.parquet"])
def test_parts_of_a_run_and_one_video(run_folder: Path, tmp_path: Path, tracks: str) -> None:
    shutil.rmtree(tmp_path / "videos" / "yard")
    (run_folder / "tracks" / "yard.txt").unlink()
    (run_folder / "tracks" / "yard.parquet").unlink()
    assert run(tmp_path / tracks, "--frames", tmp_path / "videos" / "hall.mp4", "--out", tmp_path / "out") == 0
    clip, _ = read_semantics(tmp_path / "out" / "semantics" / "hall.json")
    assert clip.tracks[2].is_interpolated.any(), "the table beside the text is read"


def test_pages_to_read(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (run_folder, "--frames", tmp_path / "videos", "--out", tmp_path / "out", "--frame-rate", "5", "--pages")
    assert run(*words) == 0
    said = capsys.readouterr().err
    for name in ("hall", "yard"):
        page = tmp_path / "out" / "pages" / f"{name}.html"
        assert f"wrote {page}" in said
        text = page.read_text()
        assert f"<h1>{name}</h1>" in text and text.count("data:image/jpeg") >= 9, "three pictures of everybody"
    (tmp_path / "out" / "pages" / "hall.html").unlink()
    assert run(*words) == 0, "results are kept, pages are written anew"
    assert (tmp_path / "out" / "pages" / "hall.html").is_file()


def test_text_alone_will_do(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "tracks" / "hall.parquet").unlink()
    words = (run_folder / "tracks" / "hall.txt", "--frames", tmp_path / "videos" / "hall.mp4")
    assert run(*words, "--out", tmp_path / "out") == 0
    clip, _ = read_semantics(tmp_path / "out" / "semantics" / "hall.json")
    np.testing.assert_allclose(clip.tracks[0].boxes_xyxy[3], [11, 8, 21, 20])
    assert not clip.tracks[2].is_interpolated.any()


def test_tracks_of_a_part_of_a_video_are_shown_with_its_pictures(tmp_path: Path) -> None:
    tracks = write_tracks(tmp_path / "half.txt", first_frame=7, length=6, last=6)
    video = write_lossless(tmp_path / "videos" / "half.mp4", _pictures(), rate=5)
    assert run(tracks, "--frames", video, "--out", tmp_path / "out") == 0
    assert read_semantics(tmp_path / "out" / "semantics" / "half.json")[0].length == 6
    late = write_tracks(tmp_path / "late" / "half.txt", first_frame=8, length=6, last=6)
    assert run(late, "--frames", video, "--out", tmp_path / "late_out") == DATA


def test_a_run_says_itself_where_its_sequences_are(tmp_path: Path) -> None:
    write_tracks(tmp_path / "run" / "tracks" / "hall.txt")
    folder = tmp_path / "data" / "hall"
    write_images(folder / "img1", _pictures())
    (folder / "seqinfo.ini").write_text(
        "[Sequence]\nname=hall\nimDir=img1\nframeRate=5\nseqLength=12\nimWidth=128\nimHeight=96\nimExt=.png\n"
    )
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"sequences": [str(folder)]}))
    assert run(tmp_path / "run", "--out", tmp_path / "out") == 0
    shutil.rmtree(folder / "img1")
    assert run(tmp_path / "run", "--out", tmp_path / "blind", "--describer", "blind") == 0
    clip, _ = read_semantics(tmp_path / "blind" / "semantics" / "hall.json")
    assert clip.sizes[0].tolist() == [128, 96] and clip.frame_rate == 5.0
    assert run(tmp_path / "run", "--out", tmp_path / "looks") == DATA


def test_annotated_tracks_of_bensmot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_miniature(tmp_path)
    assert run(root, "--truth", "--out", tmp_path / "out", "text.least_frames=1") == 0
    assert "3 clips: 3 described" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "out" / "semantics").iterdir())
    assert names == ["_Uncategoried__cccc_0.json", "cooking__aaaa_0.json", "dancing_with_child__bbbb_0.json"]
    clip, semantics = read_semantics(tmp_path / "out" / "semantics" / "cooking__aaaa_0.json")
    assert clip.name == "cooking/aaaa_0" and clip.stems == ("001", "002", "004", "006", "007")
    assert semantics.counts["requests: instance"] == len(clip.tracks) == 2
    assert run(root / "test" / "cooking" / "aaaa_0", "--truth", "--out", tmp_path / "one", "text.least_frames=1") == 0
    one = tmp_path / "one" / "semantics" / "cooking__aaaa_0.json"
    assert one.read_bytes() == (tmp_path / "out" / "semantics" / "cooking__aaaa_0.json").read_bytes()
    assert run(root, "--out", tmp_path / "other") == DATA
    assert "--truth" in capsys.readouterr().err


def test_tracks_of_bensmot_clips_get_the_name_and_the_pictures_of_their_clip(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    write_tracks(tmp_path / "run" / "tracks" / "aaaa_0.txt", length=5, last=5)
    assert run(tmp_path / "run", "--frames", root, "--out", tmp_path / "out") == 0
    clip, _ = read_semantics(tmp_path / "out" / "semantics" / "cooking__aaaa_0.json")
    assert clip.name == "cooking/aaaa_0" and clip.length == 5 and len(clip.tracks) == 3
    folder = str(root / "test" / "cooking" / "aaaa_0")
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"sequences": [folder]}))
    assert run(tmp_path / "run", "--out", tmp_path / "again") == 0
    assert read_semantics(tmp_path / "again" / "semantics" / "cooking__aaaa_0.json")[0].name == "cooking/aaaa_0"
    write_tracks(tmp_path / "run" / "tracks" / "dddd_0.txt")
    assert run(tmp_path / "run", "--frames", root, "--out", tmp_path / "third") == DATA


def test_annotated_identities_of_a_mot_sequence_and_a_video_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "hall"
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        "[Sequence]\nname=hall\nimDir=img1\nframeRate=5\nseqLength=12\nimWidth=128\nimHeight=96\nimExt=.png\n"
    )
    rows = [f"{frame},{one},{10 * one + frame},9,10,12,1,1,1" for one in (1, 2) for frame in range(1, 13)]
    (folder / "gt" / "gt.txt").write_text("\n".join(rows))
    video = write_lossless(tmp_path / "videos" / "hall.mp4", _pictures(), rate=5)
    assert run(folder, "--truth", "--frames", video, "--out", tmp_path / "out") == 0
    clip, _ = read_semantics(tmp_path / "out" / "semantics" / "hall.json")
    assert len(clip.tracks) == 2 and clip.tracks[0].frame[0] == 0
    assert clip.tracks[0].boxes_xyxy[0].tolist() == [10, 8, 20, 20]


def test_one_damaged_clip_is_named_and_the_others_are_written(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos" / "hall.mp4").write_bytes(b"no video")
    words = (run_folder, "--frames", tmp_path / "videos", "--out", tmp_path / "out", "--frame-rate", "5")
    assert run(*words) == DATA
    said = capsys.readouterr()
    assert "1 of 2 clips could not be described: hall" in said.err and "hall.mp4" in said.err
    assert "2 clips: 1 described, 1 failed" in said.out
    assert [path.name for path in (tmp_path / "out" / "semantics").iterdir()] == ["yard.json"]
    write_lossless(tmp_path / "videos" / "hall.mp4", _pictures(), rate=5)
    assert run(*words) == 0
    assert "1 described, 1 kept" in capsys.readouterr().out


@pytest.mark.parametrize("clips", [1, 2])
def test_results_of_other_tracks_have_one_remedy(
    run_folder: Path, tmp_path: Path, clips: int, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["hall", "yard"][:clips]
    words = (run_folder, "--frames", tmp_path / "videos", "--out", tmp_path / "out", "--frame-rate", "5")
    assert run(*words) == 0
    for name in names:
        write_tracks(run_folder / "tracks" / f"{name}.txt", last=FRAMES - 1)
    capsys.readouterr()
    assert run(*words) == DATA
    told = capsys.readouterr().err
    path = tmp_path / "out" / "semantics" / "hall.json"
    assert f"{path}: made from other tracks or pictures of hall" in told
    assert told.count("fix: ") == 1 and "mend or leave out" not in told
    assert "fix: remove this file to have the clip described anew, or choose another --out" in told
    for name in names:
        (tmp_path / "out" / "semantics" / f"{name}.json").unlink()
    assert run(*words) == 0


def test_a_broken_picture_fails_its_clip_or_is_passed_over(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "videos" / "yard" / "000001.png"
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    words = (run_folder, "--frames", tmp_path / "videos", "--frame-rate", "5")
    assert run(*words, "--out", tmp_path / "out") == DATA
    assert "000001.png" in capsys.readouterr().err
    assert run(*words, "--out", tmp_path / "skipped", "on_bad_image=skip") == 0


def test_requests_that_failed_are_said(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (run_folder, "--frames", tmp_path / "videos", "--out", tmp_path / "out", "--frame-rate", "5")
    assert run(*words, "--describer", "failing") == DATA
    said = capsys.readouterr().err
    assert "2 of 2 clips could not be described" in said and "retry=true" in said


def test_settings_reach_describer_and_requests(
    run_folder: Path, tmp_path: Path, options: list[dict[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = (run_folder, "--frames", tmp_path / "videos", "--out", tmp_path / "out", "--frame-rate", "5")
    assert run(*words, "--describer", "mllm", "describer.model=some/model", "describer.batch=4", "group=1") == 0
    assert options == [{"name": "mllm", "model": "some/model", "batch": 4}]
    assert run(*words, "--describer", "mllm", "views.observations=4") == CONFIG
    assert "settings.views.observations differ" in capsys.readouterr().err
    assert run(*words, "views.observation=4") == CONFIG
    assert "did you mean views.observations?" in capsys.readouterr().err
    assert run(*words, "group=0") == CONFIG
    assert run(*words, "threshold=2") == CONFIG
    for part in ("0/2", "3/2", "2", "a/b", "1/0"):
        assert run(*words, f"part={part}") == CONFIG


def test_two_runs_share_the_work(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (run_folder, "--frames", tmp_path / "videos", "--out", tmp_path / "out", "--frame-rate", "5")
    assert run(*words, "part=1/2") == run(*words, "part=2/2") == 0
    said = capsys.readouterr().err
    assert "[1/1] hall: " in said and "[1/1] yard: " in said
    assert len(list((tmp_path / "out" / "semantics").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("nothing",), DATA, "no such file or folder"),
        (("run", "run"), DATA, "2 TRACKS"),
        (("run",), DATA, "say it with --frames"),
        (("run", "--frames", "videos/hall.mp4"), DATA, "another sequence"),
        (("run", "--frames", "empty"), DATA, "neither hall/ nor hall.mp4"),
        (("run", "--frames", "videos/hal.mp4"), DATA, "no such file or folder"),
        (("empty",), DATA, "no trajectories"),
        (("run/tracks/hall.txt", "--truth"), DATA, "--truth takes"),
    ],
)
def test_what_it_says_when_it_cannot(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(*words, "--out", "out") == code
    assert complaint in capsys.readouterr().err


def test_a_clip_of_bensmot_without_readable_tracks_is_a_failure(tmp_path: Path) -> None:
    root = write_miniature(tmp_path)
    (root / "test" / "cooking" / "aaaa_0" / "gt" / "gt.txt").write_bytes(b"\x00\xff" * 40)
    assert run(root, "--truth", "--out", tmp_path / "out") == DATA
    assert len(list((tmp_path / "out" / "semantics").iterdir())) == 2


def test_annotated_people_of_a_real_video(shared_data: Path, tmp_path: Path) -> None:
    folder, video = shared_data / "mot" / "MOT15" / "train" / "TUD-Campus", shared_data / "videos" / "TUD-Campus.mp4"
    if not folder.is_dir() or not video.is_file():
        pytest.skip("no TUD-Campus")
    assert run(folder, "--truth", "--frames", video, "--out", tmp_path / "out") == 0
    clip, semantics = read_semantics(tmp_path / "out" / "semantics" / "TUD-Campus.json")
    assert clip.length == 71 and len(clip.tracks) == 8
    assert semantics.counts["requests: instance"] == 8 and semantics.counts["requests: pair"] <= 2 * 8 + 4


def test_the_folders_of_a_data_set_are_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from semantic import sources
    from sushi_lg.cli import describe

    root = write_miniature(tmp_path / "data")
    walks = list[Path]()
    find = sources.find_bensmot_clips

    def noted(folder: Path) -> list[Path]:
        walks.append(folder)
        return find(folder)

    monkeypatch.setattr(sources, "find_bensmot_clips", noted)
    clips = [f"{clip.parent.name}__{clip.name}" for clip in find(root)]
    (tmp_path / "tracks").mkdir()
    for name in clips:
        (tmp_path / "tracks" / f"{name}.txt").touch()
    found = describe._trajectories(tmp_path / "tracks", describe._Looking(root, None, "error", "error"))
    assert len(found) == len(clips) > 2
    assert walks.count(root) <= 2, "not again for every clip"


@pytest.mark.parametrize("settings", [b"sequences: null\n", b"sequences: \xff\n"])
def test_a_run_that_does_not_say_where_its_sequences_are(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: bytes
) -> None:
    (run_folder / "config.yaml").write_bytes(settings)
    assert run(run_folder, "--out", tmp_path / "out") == DATA
    assert "say it with --frames" in capsys.readouterr().err


def test_the_settings_of_a_run_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = list[object]()
    load = yaml.safe_load

    def noted(text: str) -> object:
        reads.append(text)
        return load(text)

    monkeypatch.setattr(yaml, "safe_load", noted)
    folders = [str(tmp_path / "data" / name) for name in "abc"]
    for name in "abc":
        write_tracks(tmp_path / "run" / "tracks" / f"{name}.txt")
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"sequences": folders}))
    assert run(tmp_path / "run", "--out", tmp_path / "out") == DATA
    assert len(reads) == 1
