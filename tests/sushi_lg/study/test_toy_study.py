"""A whole study of two toy domains, two arms and two seeds: made, gone on with, refused, reported."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from sushi_lg.cli.app import main
from sushi_lg.cli.study import plan_study
from sushi_lg.config import load_config
from sushi_lg.data.gallery import GalleryAbout, detections_key, write_gallery
from sushi_lg.data.mot_format import read_table
from sushi_lg.data.splits import load_split
from sushi_lg.errors import DataError
from sushi_lg.evaluation.mot import evaluate_sequences
from sushi_lg.study.pieces import Task, finish, look
from sushi_lg.study.plan import Study, StudyConfig
from sushi_lg.study.report import make_report
from sushi_lg.study.scores import read_scores
from sushi_lg.tracking.run import track_sequences
from sushi_lg.tracking.weights import load_tracker
from sushi_lg.training.checkpoint import latest_checkpoint
from sushi_lg.training.parallel import World
from sushi_lg.training.settings import TrainConfig
from sushi_lg.training.trainer import Trainer

WriteStudy = Callable[..., Path]
DOMAINS, ARMS, SEEDS = ("plaza", "station"), ("plain", "slow"), (0, 1)


def run(*words: str | Path) -> int:
    """Run ``sushi-lg study`` and return its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["study", *(str(word) for word in words)])
    return int(caught.value.code or 0)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, write_study: WriteStudy) -> Path:
    """Return the folder of a study that came to its end, in ``out``; its settings are in ``study.yaml``."""
    folder = tmp_path_factory.mktemp("finished")
    assert run("cross-domain", "--config", write_study(folder / "study.yaml"), "--out", folder / "out") == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished study that a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


class Silent:
    def progress(self, share: float, iteration: int) -> None: ...

    def line(self, text: str) -> None: ...


def load_study(config: Path, out: Path, **changes: Any) -> Study:  # noqa: ANN401
    return plan_study(replace(load_config(StudyConfig, str(config)), **changes), out)


def complete(study: Study) -> None:
    """Finish a study without workers."""
    pieces = look(study)
    for piece in pieces:
        if not piece.is_done:
            finish(Task(study, piece), Silent(), lambda *_: None)
    assert all(piece.is_done for piece in look(study))


def times(folder: Path) -> dict[str, int]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def test_every_run_and_every_score_is_there(finished: Path) -> None:
    out = finished / "out"
    for arm in ARMS:
        for train in DOMAINS:
            for seed in SEEDS:
                folder = out / "runs" / arm / train / f"seed{seed}"
                rows = (folder / "metrics.jsonl").read_text().splitlines()
                assert [json.loads(row)["iteration"] for row in rows] == [1, 2, 3]
                assert (folder / "weights.safetensors").is_file()
                config = yaml.safe_load((folder / "config.yaml").read_text())
                assert config["seed"] == seed and config["threads"] == 1
                assert config["learning_rate"] == (1e-5 if arm == "slow" else 1.5e-3)
                assert [Path(source["split"]).stem.split("-")[1] for source in config["sources"]] == [train]
                assert len(config["held_out"]) == 2  # no training may see a test set
                for test in DOMAINS:
                    scores = read_scores(out / "scores" / arm / f"{train}-seed{seed}" / f"{test}.json")
                    assert scores.sequences == (f"{test}-test-1", f"{test}-test-2")


def test_a_score_is_what_track_and_evaluate_say(finished: Path, world: Path, tmp_path: Path) -> None:
    tracker = load_tracker(finished / "out/runs/plain/plaza/seed1/weights.safetensors")
    sequences = load_split(str(world / "split-station-test-1.txt"), world)
    list(track_sequences(tracker, sequences, tmp_path, stem="toy", decimals=None))
    result = evaluate_sequences((s, tmp_path / "tracks" / f"{s.name}.txt") for s in sequences)
    written = json.loads((finished / "out/scores/plain/plaza-seed1/station.json").read_text())
    assert result.combined is not None and result.combined.hota > 5
    for key, value in written["combined"].items():
        assert value == pytest.approx(result.combined.values()[key], abs=1e-6), key
    for each in result.sequences:
        assert written["sequences"][each.name]["IDF1"] == pytest.approx(each.values()["IDF1"], abs=1e-6)


def test_report_puts_the_scores_together(finished: Path) -> None:
    out = finished / "out"
    report = json.loads((out / "cross_domain.json").read_text())
    assert report["baseline"] == "plain" and report["seeds"] == [0, 1] and report["learned"] == list(DOMAINS)

    def hota(arm: str, train: str, test: str) -> list[float]:
        paths = [out / "scores" / arm / f"{train}-seed{seed}" / f"{test}.json" for seed in SEEDS]
        return [json.loads(path.read_text())["combined"]["HOTA"] for path in paths]

    for arm in ARMS:
        numbers = report["arms"][arm]["HOTA"]
        for train in DOMAINS:
            for test in DOMAINS:
                cell = numbers["cells"][train][test]
                assert cell["seeds"] == pytest.approx(hota(arm, train, test))
                assert cell["mean"] == pytest.approx(sum(cell["seeds"]) / 2)
        within = [numbers["cells"][d][d]["mean"] for d in DOMAINS]
        across = [numbers["cells"][a][b]["mean"] for a, b in (DOMAINS, DOMAINS[::-1])]
        assert numbers["in-domain"]["mean"] == pytest.approx(sum(within) / 2)
        assert numbers["cross-domain"]["mean"] == pytest.approx(sum(across) / 2)
        assert numbers["relative drop"]["mean"] == pytest.approx(100 * (1 - sum(across) / sum(within)))
    change = report["arms"]["slow"]["HOTA"]["cross-domain"]
    before = report["arms"]["plain"]["HOTA"]["cross-domain"]
    assert "difference" not in before
    assert change["difference"]["value"] == pytest.approx(change["mean"] - before["mean"])
    low, high = change["difference"]["interval"]
    assert low < change["difference"]["value"] < high
    text = (out / "cross_domain.md").read_text()
    assert text.count("| slow |") == 3 + 3 * 2 and "`learning_rate=1e-5`" in text
    assert (out / "cross_domain.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / "cross_domain.svg").read_text()


def test_done_is_done_and_reports_come_from_scores(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, words = copy / "out", ("--config", copy / "study.yaml", "--out", copy / "out")
    before, figure = times(out), (out / "cross_domain.svg").read_bytes()
    assert run("cross-domain", *words) == 0
    assert "8 runs, 8 done" in capsys.readouterr().err
    assert times(out) == before and (out / "cross_domain.svg").read_bytes() == figure
    shutil.rmtree(out / "runs")
    assert run("ablation", *words, "--report-only") == 0
    shown = capsys.readouterr().out
    assert shown.count("plain ") == shown.count("slow ") == 3 and "Δ cross-domain" in shown
    assert all((out / f"ablation{suffix}").is_file() for suffix in (".md", ".json", ".png", ".svg"))
    assert run("ablation", *words, "--report-only", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "ablation.json").read_text())
    assert run("ablation", *words, "--dry-run", "--json", "-") == 0
    assert [row["training"] for row in json.loads(capsys.readouterr().out)] == ["not begun"] * 8


def test_another_arm_may_be_the_baseline(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, words = copy / "out", ("--config", copy / "study.yaml", "--out", copy / "out", "--report-only")
    assert run("cross-domain", *words, "--baseline", "slow") == 0
    turned = json.loads((out / "cross_domain-to-slow.json").read_text())
    usual = json.loads((out / "cross_domain.json").read_text())
    assert turned["baseline"] == "slow" and usual["baseline"] == "plain"
    there = turned["arms"]["plain"]["IDF1"]["cross-domain"]["difference"]
    back = usual["arms"]["slow"]["IDF1"]["cross-domain"]["difference"]
    assert there["value"] == pytest.approx(-back["value"])
    assert there["interval"] == pytest.approx([-back["interval"][1], -back["interval"][0]])
    capsys.readouterr()
    assert run("cross-domain", *words, "--baseline", "fast") != 0
    assert "--baseline fast: no such arm" in capsys.readouterr().err
    (out / "scores/slow/plaza-seed1/station.json").unlink()
    assert run("ablation", *words, "--report-only") == 3
    assert "1 of 16 scores are not there" in capsys.readouterr().err


def test_what_is_missing_is_made_again(copy: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, config = copy / "out", copy / "study.yaml"
    cut = out / "runs/slow/station/seed0"
    (cut / "weights.safetensors").unlink()
    for path in (cut / "checkpoints").glob("step_000003*"):
        path.unlink()
    (out / "scores/plain/plaza-seed0/plaza.json").unlink()
    assert run("cross-domain", "--config", config, "--out", out, "--dry-run") == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["slow/station/seed0", "2", "of", "3", "0/2"] in shown
    assert ["plain/plaza/seed0", "done", "1/2"] in shown
    assert ["6", "of", "8", "runs", "are", "done"] in shown
    assert not (cut / "weights.safetensors").exists()
    complete(load_study(config, out))
    again = finished / "out/runs/slow/station/seed0/weights.safetensors"
    assert (cut / "weights.safetensors").read_bytes() == again.read_bytes()
    for name in ("slow/station-seed0/plaza.json", "plain/plaza-seed0/plaza.json"):
        assert (out / "scores" / name).read_bytes() == (finished / "out/scores" / name).read_bytes()


def test_scores_of_other_weights_or_test_files_are_made_again(copy: Path, world: Path) -> None:
    config, out, moved = copy / "study.yaml", copy / "out", Path(shutil.copytree(world, copy / "world"))
    assert all(piece.is_done for piece in look(load_study(config, out, data=str(moved))))
    truth = moved / "plaza-test-2/gt/gt.txt"
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[1:]))
    assert [piece.missing for piece in look(load_study(config, out, data=str(moved)))] == [["plaza"]] * 8
    (out / "scores/slow/plaza-seed0/station.json").write_text("{")
    assert [piece.missing for piece in look(load_study(config, out))] == [*([[]] * 4), ["station"], *([[]] * 3)]
    one, other = (out / f"runs/plain/plaza/seed{seed}/weights.safetensors" for seed in SEEDS)
    shutil.copy(other, one)
    assert look(load_study(config, out))[0].missing == ["plaza", "station"]


def test_changed_settings_and_files_are_refused(
    copy: Path, write_study: WriteStudy, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = write_study(copy / "changed.yaml", arms={"plain": [], "slow": ["learning_rate=2e-5"]})
    words = ("cross-domain", "--config", changed, "--out", copy / "out")
    before = times(copy / "out")
    assert run(*words) == 4
    told = capsys.readouterr().err
    assert "slow/plaza/seed0" in told and "learning_rate was 1e-05, is 2e-05 (and 3 more)" in told
    assert run(*words, "--report-only") == 3
    assert "made from another training" in capsys.readouterr().err
    moved = Path(shutil.copytree(world, copy / "world"))
    detections = moved / "plaza-learn-2/det/toy.txt"
    detections.write_text("".join(detections.read_text().splitlines(keepends=True)[1:]))
    words = ("cross-domain", "--config", copy / "study.yaml", "--out", copy / "out", "--data", moved)
    assert run(*words) == 4
    told = capsys.readouterr().err
    assert "plain/plaza/seed0" in told and "detections of 0/plaza-learn-2 changed (and 3 more)" in told
    assert run(*words, "--dry-run") == 0
    assert capsys.readouterr().out.count("refused: ") == 4
    assert times(copy / "out") == before


def test_a_run_that_fails_is_named_and_those_beside_it_are_finished(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # the long one is still at work when the wild one fails, so the third one is not begun
    arms = {"wild": ["learning_rate=1e30", "max_bad_steps=1"], "long": ["max_iterations=30"], "third": []}
    config = write_study(tmp_path / "study.yaml", arms=arms, seeds=[0], train_in=DOMAINS[:1])
    out = tmp_path / "out"
    assert run("cross-domain", "--config", config, "--out", out) == 1
    told = capsys.readouterr().err
    log = out / "runs/wild/plaza/seed0/log.txt"
    assert f"error: wild/plaza/seed0: iteration 2: no finite gradient 1 times in a row; see {log}" in told
    assert "DivergedError" in log.read_text()
    assert "long/plaza/seed0: done" in told and (out / "scores/long/plaza-seed0/station.json").is_file()
    assert "1 run was not begun" in told and not (out / "scores/third").exists()


def test_killed_and_stopped_studies_go_on(
    write_study: WriteStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker is killed, then the study is asked to stop; what comes out is as if nothing had been."""
    config = write_study(
        tmp_path / "study.yaml", arms={"plain": ["max_iterations=40"]}, seeds=[0], workers=1, train_in=DOMAINS[:1]
    )
    words = ("cross-domain", "--config", config, "--out", tmp_path / "cut")
    folder = tmp_path / "cut/runs/plain/plaza/seed0"

    def kill(*_: object) -> None:
        (worker,) = multiprocessing.active_children()
        worker.kill()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for act, code, message in (
        (kill, 1, "plain/plaza/seed0: its process ended with SIGKILL, maybe for want of memory; see "),
        (interrupt, 130, "stopped; what is finished is kept, and the same command goes on from there"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr("sushi_lg.cli.study._Lines.progress", act)
            assert run(*words) == code
        assert message in capsys.readouterr().err
        assert not multiprocessing.active_children() and not (folder / "weights.safetensors").exists()
    stopped = latest_checkpoint(folder / "checkpoints")
    assert stopped is not None and "stopped after" in (folder / "log.txt").read_text()
    complete(load_study(config, tmp_path / "cut"))
    alone = World(0, 1, torch.device("cpu"))
    straight = Trainer(load_config(TrainConfig, str(folder / "config.yaml")), tmp_path / "straight", alone, Silent())
    assert straight.run().weights.read_bytes() == (folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"arms": {}}, "arms: empty"),
        ({"arms": {"plain": [], "other": ["seed=3"]}}, "arms.other: seed is the same for all arms"),
        ({"arms": {"plain": [], "other": ["sources=[]"]}}, "arms.other: sources is the same for all arms"),
        ({"arms": {"plain": [], "other": ["lerning_rate=3"]}}, "did you mean learning_rate"),
        ({"arms": {"a/b": []}}, "'a/b' cannot name a folder"),
        ({"seeds": [1, 1]}, "seeds: [1, 1] are not different"),
        ({"workers": 0}, "workers: 0 is below 1"),
        ({"domains": {"plaza": {}}}, "domains.plaza: neither train nor test"),
        ({"domains": {"plaza": {"test": {"split": "mot17-train"}}}}, "domains: none has train"),
        ({"domains": {"plaza": {"train": [{"split": "mot17-train"}]}}}, "domains: none has test"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_settings_are_told_before_anything_is_made(
    write_study: WriteStudy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    expected: str,
) -> None:
    config = write_study(tmp_path / "study.yaml", **changes)
    assert run("cross-domain", "--config", config, "--out", tmp_path / "out") == 4
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_galleries_of_the_learned_domain_are_tested(write_study: WriteStudy, world: Path, tmp_path: Path) -> None:
    """Every domain has an embedder of its own, which describes all domains."""
    for learned in DOMAINS:
        for path in sorted(world.glob("*-*-[12]/det/toy.txt")):
            table = read_table(path, "detections")
            vectors = np.random.default_rng(len(table)).normal(size=(len(table), 6))
            about = GalleryAbout(f"net-{learned}", "f" * 64, detections_key(table), "")
            write_gallery(tmp_path / learned, path.parents[1].name, vectors, about)
    config = write_study(tmp_path / "study.yaml", arms={"looks": ["tracker.appearance.dim=4"]}, seeds=[0])
    content = yaml.safe_load(config.read_text())
    for name, domain in content["domains"].items():
        domain["train"][0]["appearance"] = str(tmp_path / name)
        domain["test"]["appearance"] = str(tmp_path / "{learned}")
    config.write_text(yaml.safe_dump(content))
    study = load_study(config, tmp_path / "out")
    complete(study)
    report = make_report(study)
    assert report.notes == ["one seed: intervals know the spread over sequences only"]
    for run_, learned in zip(study.runs, DOMAINS, strict=True):
        tracker = load_tracker(study.folder(run_) / "weights.safetensors")
        assert tracker.config.appearance.embedder == f"net-{learned}"
        sequences = load_split(str(world / "split-plaza-test-1.txt"), world)
        list(track_sequences(tracker, sequences, tmp_path / learned, stem="toy", galleries=tmp_path / learned))
        result = evaluate_sequences((s, tmp_path / learned / "tracks" / f"{s.name}.txt") for s in sequences)
        assert result.combined is not None
        value = report.arms[0].cells["HOTA"][learned, "plaza"].mean
        assert value == pytest.approx(result.combined.hota, abs=0.3)  # files have two decimals
    content["domains"]["plaza"]["test"]["appearance"] = str(tmp_path / "plaza")
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match=r"by net-plaza .* trained with those of net-station"):
        complete(load_study(config, tmp_path / "out"))
