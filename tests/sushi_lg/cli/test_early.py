"""Simple mistakes are answered before anything heavy is imported, with what a slow answer would say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from called import run
from synthetic import write_world

from sushi_lg.cli.early import refuse_settings
from sushi_lg.config import load_config, recipe_path
from sushi_lg.errors import ConfigError
from sushi_lg.tracking.recipe import SushiConfig, TrackerConfig
from sushi_lg.training.settings import TrainConfig

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
    "track world/one --config wrong_key.yaml",
    "track world/one --config wrong_value.yaml",
    "train --config wrong_key.yaml",
    "train --config train_default learning_rate=fast",
    "track world/one --detections nothing",
    "track world/one --detector yolox_nano",
    "track world/one --frame-rate 3",
    "track world/notes.txt --data world",
    "track world/three.txt --data world",
    "detect nowhere.mp4 --out out",
    "detect world/one --out out nokey=1",
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


@pytest.mark.parametrize(
    ("schema", "recipe", "words"),
    [
        (TrackerConfig, "default", "min_scroe=1"),
        (TrackerConfig, "default", "levels.0.maxgap=1"),
        (TrackerConfig, "default", "levels[3].treshold=1"),
        (TrackerConfig, "default", "blocks.tracklets.node_dims=1"),
        (TrackerConfig, "default", "max_gap_filled=1"),
        (TrackerConfig, "default", "evidence.wnidows=1"),
        (SushiConfig, "sushi", "scorer.num_stepps=3"),
        (SushiConfig, "sushi", "levels.1.fraems=3"),
        (TrainConfig, "train_default", "sources.0.wieght=3"),
        (TrainConfig, "train_default", "learning_rte=3"),
        (TrainConfig, "train_default", "tracker.levels.0.slto=x"),
        (TrainConfig, "train_default", "language.weihgt=3"),
        (TrackerConfig, "default", "min_score=abc"),
        (TrackerConfig, "default", "levels.0.max_gap=2.5"),
        (TrackerConfig, "default", "min_score=.inf"),
        (TrackerConfig, "default", "min_score='x"),
        (TrainConfig, "train_default", "learning_rate=fast"),
    ],
)
def test_the_quick_answer_is_that_of_the_settings_themselves(schema: type, recipe: str, words: str) -> None:
    with pytest.raises(ConfigError) as slow:
        load_config(schema, recipe, None, [words])
    with pytest.raises(ConfigError) as quick:
        refuse_settings([words], f"{schema.__module__}.{schema.__name__}")
    assert str(quick.value) == str(slow.value)


def test_what_may_be_right_is_let_pass() -> None:
    words = [
        "levels.0.max_gap=3",
        "blocks.mine.node_dim=3",
        "levels={}",
        "output.decimals=null",
        "workers=2",
        "=3",
        "a",
    ]
    refuse_settings(words[:-1], "sushi_lg.tracking.recipe.TrackerConfig", {"workers": int})
    refuse_settings(["language.whatever.is.here=3"], "sushi_lg.tracking.recipe.NoSuchClass", {"language": str})


@pytest.mark.parametrize(
    ("schema", "recipe"),
    [
        (TrackerConfig, "default"),
        (SushiConfig, "sushi"),
        (SushiConfig, "lgmot"),
        *((TrainConfig, f"train_{name}") for name in ("default", "guided")),
        *((TrainConfig, f"studies/{name}") for name in ("dancetrack_odd", "without_mot17", "mot17_seeds")),
    ],
)
def test_files_of_settings(schema: type, recipe: str, tmp_path: Path) -> None:
    name = f"{schema.__module__}.{schema.__name__}"
    refuse_settings([], name, files=[recipe_path(recipe)])
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(recipe_path(recipe).read_text().replace("{}", "") + "\nnokey: 3\n")
    with pytest.raises(ConfigError) as slow:
        load_config(schema, wrong)
    with pytest.raises(ConfigError, match=r"wrong.yaml:\d+: nokey: unknown key") as quick:
        refuse_settings([], name, files=[wrong])
    assert str(quick.value) == str(slow.value)


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
