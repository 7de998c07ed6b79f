"""Simple mistakes are answered before anything heavy is imported: settings are read without PyTorch."""

from __future__ import annotations

import glob
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from called import run
from synthetic import write_world

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"torch", "cv2", "av", "trackeval", "scipy"}
MISTAKES = [
    "track mot17-half-vla --data .",
    "track mot17-half-val",
    "track mot17-half-val --data nowhere",
    "track nowhere.mp4",
    "track world/oen",
    "track world",
    "track world/one outptu.min_length=3",
    "track world/one output.min_lenght=3",
    "track world/one --recipe sushi --weights x.safetensors windwo=3",
    "track world/one --recipe sushi",
    "track world/one --recipe defualt",
    "track world/one --config nowhere.yaml",
    "track world/one --weights nowhere",
    "track world/one min_score=abc",
    "track world/one workers=many",
    "track world/one workers=-1",
    "track world/one missing=skp",
    "track world/one on_bad_row=ignore",
    "track world/one precision=float16",
    "track world/one device=gpu",
    "track world/one output.min_probability=2",
    "track world/one levels.0.max_gap=0",
    "track world/one levels.0.slot=mine",
    "track world/one levels.0.num_neighbours=0",
    "track world/one levels.0.min_length=0",
    "track world/one device=cpu --gpu-memory 4GB",
    "track world/one --memory 4XB",
    "track world/one --recipe sushi --weights x.safetensors scorer.sharing=some",
    "track world/one --recipe sushi --weights x.safetensors levels.1.features=[motoin]",
    "track world/one --config out_of_range.yaml",
    "bench --device gpu",
    "track world/one --config wrong_key.yaml",
    "track world/one --config wrong_value.yaml",
    "train --config wrong_key.yaml",
    "train --config train_default learning_rate=fast",
    "train --config train_default learning_rate=-1",
    "train --config train_default device=gpu",
    "train --config train_default amp=perhaps",
    "train --config train_default language.instance=contrst",
    "train --config train_default language.control=one",
    "train --config train_default sources.0.overlay=2",
    "train --config train_default loss.nodes=-1",
    "train --config train_default loss.edge_prior=0",
    "train --config train_default loss.looks_detections=1",
    "train --config train_default augment.mirror=2",
    "train --config train_default augment.jitter=-1",
    "train --config train_default augment.run_length=1",
    "train --config train_default seed=-1",
    "train --config train_default threads=-1",
    "train --config train_default statistics_detections=0",
    "train --config train_default appearance_learning_rate=-1",
    "train --config train_default final_learning_rate=2",
    "track world/one --recipe sushi --weights x.safetensors scorer.num_steps=0",
    "track world/one --recipe sushi --weights x.safetensors scorer.num_classified=13",
    "track world/one --recipe sushi --weights x.safetensors overlap=1",
    "track world/one --recipe sushi --weights x.safetensors decimals=-1",
    "track world/one --recipe sushi --weights x.safetensors levels.1.num_neighbours=0",
    "track world/one --recipe sushi --weights x.safetensors levels.1.motion_weight=2",
    "train --config train_default tracker.output.decimals=-1",
    "track world/one --detections nothing",
    "track world/one --detector yolox_nano",
    "track world/one --frame-rate 3",
    "track world/notes.txt --data world",
    "track world/three.txt --data world",
    "detect nowhere.mp4 --out out",
    "detect world/one --out out nokey=1",
    "detect world/one --out out device=gpu",
    "embed world/oen --out out",
    "embed world/one --out out nokey=1",
    "embed world/one --out out --detections nothing",
    "annotate world/oen --out out",
    "train --config nowhere",
    "train --config train_default learning_rte=1",
    "train --config train_default --data nowhere",
    "describe nowhere --out out",
    "describe world/one/det --out out nokey=1",
    "report nowhere",
    "inspect nowhere --pair 1 2",
    "study ceilings nowhere",
    "study ablation --config nowhere",
    "study ablation --config studies/language seds=[1]",
    "study ablation --config studies/language seeds=[1,1]",
    "study ablation --config studies/language arms.mine=[learning_rte=3]",
    "study ablation --config studies/language --baseline nothing",
    "draw nowhere.parquet world",
    "draw world world",
    "evaluate nowhere --data world",
    "evaluate world --data nowhere nokey=1",
    "pack mot71 nowhere",
    "pack mot17 nowhere",
    "doctor nowhere",
    "simulate plazza --out out",
]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sequences ``world/one`` and ``two``, a split of three, and a file that is no split; we are beside ``world``."""
    split = write_world(tmp_path / "world", ("one", "two"))
    (tmp_path / "world" / "three.txt").write_text(split.read_text() + "three\n")
    (tmp_path / "world" / "notes.txt").write_text("buy milk\n")
    (tmp_path / "wrong_key.yaml").write_text("output:\n  min_lenght: 3\n")
    (tmp_path / "wrong_value.yaml").write_text("levels:\n- max_gap: wide\n")
    (tmp_path / "out_of_range.yaml").write_text("second_look:\n  peak_iou: 2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "world"


def test_mistakes_are_answered_without_heavy_imports(world: Path) -> None:
    # one process for all: what one of them imports stays, so the first that does is named
    code = (
        "import sys\nfrom sushi_lg.cli.app import main\n"
        f"for line in {MISTAKES!r}:\n"
        "    try:\n        main(line.split())\n"
        "    except SystemExit as stop:\n        assert stop.code in (3, 4, 5), (line, stop.code)\n"
        f"    heavy = {HEAVY!r} & set(sys.modules)\n"
        "    assert not heavy, (line, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("error: ") == len(MISTAKES)


def test_settings_are_read_without_heavy_imports() -> None:
    found = [*(ROOT / "sushi_lg").glob("*/settings.py"), *(ROOT / "semantic").glob("*/settings.py")]
    rooms = [path.parent for path in (ROOT / "sushi_lg").glob("*/__init__.py")]  # of which importing a module runs one
    assert len(found) > 4 and len(rooms) > 10
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (*found, *rooms)]
    # what these hold is nested in what the verbs read
    modules += ["sushi_lg.tracking.recipe", "sushi_lg.study.plan", "semantic.config", "semantic.describers.mllm"]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    heavy = {HEAVY!r} & set(sys.modules)\n"
        "    assert not heavy, (name, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("track world/one min_scroe=1", "min_scroe: unknown key; did you mean min_score?"),
        ("track world/one workesr=1", "workesr: unknown key; did you mean workers?"),
        ("track world/one levels.0.maxgap=1", "levels.0.maxgap: unknown key; did you mean levels.0.max_gap?"),
        (
            "track world/one blocks.tracklets.node_dims=1",
            "blocks.tracklets.node_dims: unknown key; did you mean blocks.tracklets.node_dim?",
        ),
        ("track world/one max_gap_filled=1", "max_gap_filled: unknown key; did you mean output.max_gap_filled?"),
        ("track world/one min_score=.inf", "min_score: inf is not a finite number; give a number"),
        ("track world/one missing=skp", "missing: 'skp' is refused: ...; one of error, skip"),
        ("track world/one workers=-1", "workers: -1 is below 0; 0 = as many as there are cores"),
        ("track world/one levels.2.slot=mine", "levels.2.slot: no block 'mine'; one of ..."),
        ("track world/one --config wrong_key.yaml", "wrong_key.yaml:2: output.min_lenght: unknown key; ..."),
        (
            "track world/one --config wrong_value.yaml",
            "wrong_value.yaml:2: levels.0.max_gap: 'wide' is refused: ...; max_gap is of type int",
        ),
        (
            "track world/one --recipe sushi levels.1.fraems=3",
            "levels.1.fraems: unknown key; did you mean levels.1.frames?",
        ),
        (
            "track world/one --recipe lgmot scorer.sharing=some",
            "scorer.sharing: 'some' is unknown; one of all_but_first, none, all",
        ),
        (
            "train --config train_default sources.0.wieght=3",
            "sources.0.wieght: unknown key; did you mean sources.0.weight?",
        ),
        ("train --config train_default sources.0.weight=0", "sources.0.weight: 0.0 is not above 0; ..."),
        (
            "train --config train_default tracker.levels.0.slto=x",
            "tracker.levels.0.slto: unknown key; did you mean tracker.levels.0.slot?",
        ),
        ("train --config wrong_training.yaml", "wrong_training.yaml:3: loss.nodes: 'few' is refused: ...; ..."),
        (
            "study ablation --config studies/language seeds=[1,1]",
            "seeds: [1, 1] are not different numbers from 0 on; seeds: [0, 1, 2]",
        ),
        (
            "study ablation --config studies/language arms.mine=[learning_rte=3]",
            "arm mine, domain ...: learning_rte: unknown key; did you mean learning_rate?",
        ),
    ],
)
def test_answers_name_the_place_and_the_remedy(
    world: Path, capsys: pytest.CaptureFixture[str], words: str, answer: str
) -> None:
    Path("wrong_training.yaml").write_text("seed: 1\nloss:\n  nodes: few\n")
    assert run(*words.split()) == 4
    told = capsys.readouterr().err.removeprefix("error: ").replace("\n  fix: ", "; ").rstrip()
    assert fnmatchcase(told, glob.escape(answer).replace("...", "*")), told


def test_a_run_or_its_pictures_mistyped(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracks = Path("run/tracks")
    tracks.mkdir(parents=True)
    for name in ("walk", "stroll"):
        (tracks / f"{name}.parquet").touch()
        (tracks / f"{name}.txt").touch()
    (tracks / ".staging-0123456789ab-left.parquet").touch()  # as a killed job leaves it
    Path("walk.mp4").touch()
    for words, hint in (
        (("run/tracks/wlak.parquet", "walk.mp4"), "did you mean run/tracks/walk.parquet?"),
        (("run/tracks/wlak.txt", "walk.mp4"), "did you mean run/tracks/walk.parquet?"),
        (("run/tracks/zebra", "walk.mp4"), "in run/tracks there are: stroll, walk"),
        (("rnu/tracks/walk.parquet", "walk.mp4"), "did you mean run/tracks/walk.parquet?"),
        (("run", "walk.mp4"), "name one of its files, such as run/tracks/stroll.parquet"),
        (("run/tracks/walk.parquet", "wlak.mp4"), "did you mean walk.mp4?"),
    ):
        assert run("draw", *words) == 3
        told = capsys.readouterr().err
        assert hint in told and told.count("fix:") == 1
