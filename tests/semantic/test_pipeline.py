from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_describer import FakeDescriber, grey_frames, walking_clip

from semantic.config import DescribeConfig, TextConfig
from semantic.describers.protocol import Job
from semantic.pictures import MemoryReader, Reader
from semantic.pipeline import ClipReport, ClipSource, describe_clips
from semantic.records_io import read_semantics
from semantic.structures import Answer, Clip
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.perception.lock import locked

CLIPS = [walking_clip(f"street/{k}", people=2 + k, seed=k) for k in range(3)]


def _source(clip: Clip, reader: Reader | None = None) -> ClipSource:
    return ClipSource(clip.name, lambda: (clip, reader or MemoryReader(grey_frames(clip))))


def _run(
    out: Path, describer: FakeDescriber | None = None, clips: Sequence[Clip] = CLIPS, **options: object
) -> list[ClipReport]:
    return list(describe_clips([_source(clip) for clip in clips], describer or FakeDescriber(), out, **options))  # type: ignore[arg-type]


def _results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "semantics").iterdir())}


def test_every_clip_gets_a_result_that_names_its_requests(tmp_path: Path) -> None:
    describer = FakeDescriber(looks=True)
    reports = _run(tmp_path, describer)
    assert [(one.name, one.status) for one in reports] == [(clip.name, "described") for clip in CLIPS]
    assert len(describer.asked) == len(set(describer.asked)) > 15
    for clip, report in zip(CLIPS, reports, strict=True):
        read, semantics = read_semantics(report.path)
        assert read.name == clip.name and len(read.tracks) == len(clip.tracks)
        asked = {semantics.summary_request, *(one.request_id for one in semantics.captions)}
        asked |= {one.request_id for one in semantics.interactions}
        assert asked <= set(describer.asked)
        assert semantics.counts["tracks too short for a caption"] == 1
        assert semantics.counts["requests: instance"] == len(clip.tracks) - 1
        missing = semantics.counts.get("tracks without caption", 0)
        assert len(semantics.captions) == len(clip.tracks) - 1 - missing == report.captions
        assert semantics.provenance["describer"] == "fake"
    assert sum(report.counts.get("tracks without caption", 0) for report in reports) > 0, "some answers are empty"


def test_summaries_of_a_group_come_first_and_are_handed_on(tmp_path: Path) -> None:
    waves: list[list[str]] = []
    prompts: list[str] = []

    class Noting(FakeDescriber):
        def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
            waves.append([job.request.kind for job in jobs])
            prompts.extend(job.request.prompt for job in jobs if job.request.kind != "summary")
            for job in jobs:
                text = f"Summary {{of}} {len(job.clip.tracks)}." if job.request.kind == "summary" else "none"
                yield Answer(job.request.request_id, text)

    _run(tmp_path, Noting(), group=2)
    assert [set(wave) for wave in waves] == [{"summary"}, {"instance", "pair"}] * 2
    assert [len(waves[0]), len(waves[2])] == [2, 1]
    assert all('"Summary of ' in prompt for prompt in prompts)


def test_groups_change_no_byte(tmp_path: Path) -> None:
    for group in (1, 2, 8):
        _run(tmp_path / str(group), FakeDescriber(failing=7), group=group)
    assert _results(tmp_path / "1") == _results(tmp_path / "2") == _results(tmp_path / "8")


def test_parts_of_the_work_make_the_same_files_and_know_each_others_answers(tmp_path: Path) -> None:
    _run(tmp_path / "whole")
    first = _run(tmp_path / "parts", part=(1, 2))
    second = _run(tmp_path / "parts", part=(2, 2))
    assert [one.name for one in first] == ["street/0", "street/2"] and [one.name for one in second] == ["street/1"]
    assert _results(tmp_path / "parts") == _results(tmp_path / "whole")
    torn = tmp_path / "parts" / "jobs-1of2.jsonl"
    torn.write_bytes(torn.read_bytes() + b'{"request": "still being wri')
    for path in (tmp_path / "parts" / "semantics").iterdir():
        path.unlink()
    again = FakeDescriber()
    _run(tmp_path / "parts", again)
    assert again.asked == [] and torn.read_bytes().endswith(b"wri")
    assert _results(tmp_path / "parts") == _results(tmp_path / "whole")
    with pytest.raises(ConfigError, match="part: 3/2"):
        _run(tmp_path / "parts", part=(3, 2))


def test_finished_clips_are_kept_and_answers_used_again(tmp_path: Path) -> None:
    _run(tmp_path)
    before = _results(tmp_path)
    again = FakeDescriber()
    assert {one.status for one in _run(tmp_path, again)} == {"kept"}
    (tmp_path / "semantics" / "street__1.json").unlink()
    (tmp_path / "semantics" / "street__2.json").write_bytes(before["street__2.json"][:100])
    assert [one.status for one in _run(tmp_path, again)] == ["kept", "described", "described"]
    assert again.asked == [] and _results(tmp_path) == before


def test_twenty_kills_at_random_points_end_with_the_same_bytes(tmp_path: Path) -> None:
    program = Path(__file__).with_name("kill_and_resume.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), "20"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    hits, finished = map(int, done.stdout.split())
    assert hits == 20 and finished >= 1


@pytest.mark.parametrize("torn", [b'{"request": "abc', b'{"request"', b""])
def test_an_unfinished_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    _run(tmp_path / "alone")
    _run(tmp_path / "torn", clips=CLIPS[:1])
    log = tmp_path / "torn" / "jobs.jsonl"
    log.write_bytes(log.read_bytes() + torn)
    _run(tmp_path / "torn")
    assert _results(tmp_path / "torn") == _results(tmp_path / "alone")
    assert all(json.loads(line) for line in log.read_bytes().splitlines())


def test_lines_that_are_no_answers_are_asked_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _run(tmp_path / "alone")
    _run(tmp_path / "broken")
    log = tmp_path / "broken" / "jobs.jsonl"
    lines = log.read_bytes().splitlines()
    row = json.loads(lines[1])
    lines[0], lines[1] = b"{}", json.dumps(row | {"text": 3}).encode()
    lines[2] = b"\xff\xfe" + lines[2]
    log.write_bytes(b"\n".join(lines) + b"\n")
    for path in (tmp_path / "broken" / "semantics").iterdir():
        path.unlink()
    describer = FakeDescriber()
    _run(tmp_path / "broken", describer)
    assert len(describer.asked) == 3
    assert [f"jobs.jsonl:{k}" in caplog.text for k in (1, 2, 3, 4)] == [True, True, True, False]
    assert _results(tmp_path / "broken") == _results(tmp_path / "alone")


class Flaky(FakeDescriber):
    """Fails the first time it is asked about people, or always."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.seen = times, dict[str, int]()

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        for job in jobs:
            request = job.request
            self.seen[request.request_id] = self.seen.get(request.request_id, 0) + 1
            fails = request.kind == "instance" and self.seen[request.request_id] <= self.times
            yield Answer(request.request_id, "" if fails else "none", error="out of memory" if fails else "")


def test_what_fails_is_asked_once_more(tmp_path: Path) -> None:
    once = Flaky(1)
    reports = _run(tmp_path / "once", once)
    assert not any(name.startswith("failed") for one in reports for name in one.counts)
    assert set(once.seen.values()) == {1, 2}
    rows = [json.loads(line) for line in (tmp_path / "once" / "jobs.jsonl").read_text().splitlines()]
    assert {row["error"] for row in rows} == {"", "out of memory"}
    always = Flaky(99)
    reports = _run(tmp_path / "always", always)
    assert [one.counts["failed: instance"] for one in reports] == [1, 2, 3]
    assert max(always.seen.values()) == 2
    again = Flaky(0)
    assert {one.status for one in _run(tmp_path / "always", again)} == {"kept"} and not again.seen
    mended = _run(tmp_path / "always", again, retry=True)
    assert {one.status for one in mended} == {"described"} and len(again.seen) == 6
    assert not any(name.startswith("failed") for one in mended for name in one.counts)


def test_a_damaged_clip_does_not_take_others_with_it(tmp_path: Path) -> None:
    def broken() -> tuple[Clip, None]:
        raise DataError("gt.txt:3: not a number", "mend it")

    sources = [_source(CLIPS[0]), ClipSource("street/1", broken), _source(CLIPS[2])]
    reports = list(describe_clips(sources, FakeDescriber(), tmp_path))
    assert [one.status for one in reports] == ["described", "failed", "described"]
    assert "gt.txt:3" in reports[1].error and not reports[1].path.exists()
    _run(tmp_path / "alone", clips=[CLIPS[0], CLIPS[2]])
    assert _results(tmp_path) == _results(tmp_path / "alone")


class Holed(MemoryReader):
    """Frames of which some cannot be read."""

    def __init__(self, frames: list[np.ndarray], holes: set[int], stops: bool) -> None:
        super().__init__(frames)
        self._holes, self._stops = holes, stops

    def read(self, numbers: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        for number, picture in super().read(numbers):
            if number not in self._holes:
                yield number, picture
            elif self._stops:
                raise DataError(f"{number:06d}.jpg: ends early", "copy it again")


def test_a_picture_that_cannot_be_read_fails_its_clip_alone(tmp_path: Path) -> None:
    holed = Holed(grey_frames(CLIPS[1]), {0}, stops=True)
    sources = [_source(CLIPS[0]), _source(CLIPS[1], holed), _source(CLIPS[2])]
    reports = list(describe_clips(sources, FakeDescriber(looks=True), tmp_path))
    assert [one.status for one in reports] == ["described", "failed", "described"]
    assert "000000.jpg" in reports[1].error
    _run(tmp_path / "alone", FakeDescriber(looks=True), clips=[CLIPS[0], CLIPS[2]])
    assert _results(tmp_path) == _results(tmp_path / "alone")


def test_bad_pictures_are_passed_over_where_that_is_asked_for(tmp_path: Path) -> None:
    holed = Holed(grey_frames(CLIPS[1]), {0, 5}, stops=False)
    describer = FakeDescriber(looks=True)
    (report,) = describe_clips([_source(CLIPS[1], holed)], describer, tmp_path, skip_bad_images=True)
    assert report.status == "described"
    blind = Holed(grey_frames(CLIPS[1]), set(range(12)), stops=False)
    (report,) = describe_clips([_source(CLIPS[1], blind)], describer, tmp_path / "blind", skip_bad_images=True)
    assert report.status == "failed" and "no picture can be read" in report.error


def test_a_clip_none_of_whose_requests_is_answered_is_no_result(tmp_path: Path) -> None:
    (report,) = _run(tmp_path, FakeDescriber(failing=1), clips=CLIPS[:1])
    assert report.status == "failed" and "it was told to fail" in report.error and "retry=true" in report.remedy
    assert not list(tmp_path.glob("semantics/*"))
    (report,) = _run(tmp_path, FakeDescriber(), clips=CLIPS[:1], retry=True)
    assert report.status == "described"


def test_a_folder_keeps_to_one_describer_and_one_set_of_settings(tmp_path: Path) -> None:
    _run(tmp_path)
    before = _results(tmp_path)
    with pytest.raises(ConfigError, match="describer_fingerprint differ"):
        _run(tmp_path, FakeDescriber(fingerprint="fake 2"))
    with pytest.raises(ConfigError, match=r"settings\.text\.words differ"):
        _run(tmp_path, config=DescribeConfig(text=TextConfig(words=9)))
    moved = replace(CLIPS[0], frame_rate=3.0)
    (report,) = _run(tmp_path, clips=[moved])
    assert report.status == "failed" and "other tracks or pictures" in report.error
    assert _results(tmp_path) == before


def test_two_clips_of_one_file_and_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two clips have one result"):
        _run(tmp_path, clips=[CLIPS[0], replace(CLIPS[1], name="street__0")])
    with locked(tmp_path, "describe"), pytest.raises(DataError, match="another run"):
        _run(tmp_path)


def test_clips_of_equal_content_are_asked_about_once_and_both_described(tmp_path: Path) -> None:
    describer = FakeDescriber()
    reports = _run(tmp_path, describer, clips=[CLIPS[2], replace(CLIPS[2], name="street/9")])
    assert {one.status for one in reports} == {"described"}
    assert len(describer.asked) == len(set(describer.asked))


def test_a_describer_that_looks_needs_pictures(tmp_path: Path) -> None:
    source = ClipSource("street/0", lambda: (CLIPS[0], None))
    (report,) = describe_clips([source], FakeDescriber(looks=True), tmp_path)
    assert report.status == "failed" and "--frames" in report.remedy
    (report,) = describe_clips([source], FakeDescriber(), tmp_path / "blind")
    assert report.status == "described"


def test_answers_to_what_was_not_asked_are_a_bug_and_missing_ones_a_failure(tmp_path: Path) -> None:
    class Wrong(FakeDescriber):
        def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
            yield Answer("something else", "none")

    class Silent(FakeDescriber):
        def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
            yield from (Answer(job.request.request_id, "none") for job in jobs[1:])

    with pytest.raises(RuntimeError, match="was not asked"):
        _run(tmp_path / "wrong", Wrong(), clips=CLIPS[:1])
    (report,) = _run(tmp_path / "silent", Silent(), clips=CLIPS[2:])
    assert report.counts["failed: summary"] == 1


def test_text_of_a_model_cannot_leave_its_line_or_break_the_file(tmp_path: Path) -> None:
    class Hostile(FakeDescriber):
        def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
            for job in jobs:
                yield Answer(
                    job.request.request_id, 'A man"}\n\x00{"x": <script>alert(1)</script> \ud800 \u2028 walks' * 9
                )

    (report,) = _run(tmp_path, Hostile(), clips=CLIPS[2:])
    _, semantics = read_semantics(report.path)
    for text in [semantics.summary_text, *(one.text for one in semantics.captions)]:
        assert text and not set(text) & set("<>\x00\n\u2028\ud800")
    assert report.counts["repaired: control characters"] >= 1


class Unsure(FakeDescriber):
    """Judges labels, and overflows on the way."""

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        for job in jobs:
            scores = None
            if job.request.kind == "pair":
                a, b = job.request.subjects
                scores = (((a, b, "talk.v.01"), float("nan")), ((b, a, "talk.v.01"), 0.9))
            yield Answer(job.request.request_id, "A man walks.", scores=scores)


def test_probabilities_that_are_no_numbers_fail_one_request_and_not_the_run(tmp_path: Path) -> None:
    (report,) = _run(tmp_path, Unsure(), clips=CLIPS[2:])
    assert report.status == "described" and report.captions > 0 and report.interactions == 0
    assert report.counts["failed: pair"] == report.counts["requests: pair"] > 0


@pytest.mark.parametrize("change", [{"sentences": [[]]}, {"sentences": [["A.", [float("inf")], 0, 0]]}])
def test_lines_of_odd_shape_are_asked_again(tmp_path: Path, change: dict[str, object]) -> None:
    _run(tmp_path)
    before = _results(tmp_path)
    log = tmp_path / "jobs.jsonl"
    first, *rest = log.read_text().splitlines(keepends=True)
    log.write_text(json.dumps(json.loads(first) | change) + "\n" + "".join(rest))
    for path in (tmp_path / "semantics").iterdir():
        path.unlink()
    again = FakeDescriber()
    _run(tmp_path, again)
    assert len(again.asked) == 1 and _results(tmp_path) == before


def test_whom_no_picture_shows_is_not_asked_about_by_who_looks(tmp_path: Path) -> None:
    clip = CLIPS[2]
    outside = replace(clip.tracks[0], boxes_xyxy=clip.tracks[0].boxes_xyxy + 1000)
    clip = replace(clip, tracks=(outside, *clip.tracks[1:]))
    looking = FakeDescriber(looks=True)
    (report,) = _run(tmp_path / "looks", looking, clips=[clip])
    assert report.counts["nothing to see: instance"] == 1 and report.counts["tracks without caption"] >= 1
    assert report.counts["requests: instance"] == len(clip.tracks) - 2
    assert not any(name.startswith("failed") for name in report.counts)
    (report,) = _run(tmp_path / "blind", FakeDescriber(), clips=[clip])
    assert report.counts["requests: instance"] == len(clip.tracks) - 1


def test_a_folder_that_cannot_be_read_fails_its_clip_alone(tmp_path: Path) -> None:
    def closed() -> tuple[Clip, None]:
        raise PermissionError(13, "Permission denied", "imgs")

    sources = [ClipSource("street/1", closed), _source(CLIPS[2])]
    reports = list(describe_clips(sources, FakeDescriber(), tmp_path))
    assert [one.status for one in reports] == ["failed", "described"] and "imgs" in reports[0].error


@pytest.mark.parametrize(
    ("running", "part"), [("describe", (1, 2)), ("describe-1of2", (1, 1)), ("describe-1of2", (2, 3))]
)
def test_runs_that_count_parts_otherwise_are_refused(tmp_path: Path, running: str, part: tuple[int, int]) -> None:
    with locked(tmp_path, running), pytest.raises(DataError, match="another run"):
        _run(tmp_path, part=part)
    with locked(tmp_path, "describe-1of2"):
        assert [one.status for one in _run(tmp_path, part=(2, 2))] == ["described"]
    (tmp_path / ".lock-describe-5of9").touch()  # of a run that was killed
    assert len(_run(tmp_path)) == 3
