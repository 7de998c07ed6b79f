from __future__ import annotations

import pytest

from sushi_lg.config import load_config
from sushi_lg.errors import ConfigError
from sushi_lg.tracking.recipe import LevelConfig, TrackerConfig


def test_the_shipped_recipe_is_valid() -> None:
    config = TrackerConfig()
    config.validate()
    gaps = [level.max_gap for level in config.levels]
    assert gaps == [2**i for i in range(8)]
    assert [level.slot for level in config.levels] == ["detections"] + ["tracklets"] * 3 + ["trajectories"] * 4


def test_a_mistyped_block_is_not_a_new_one() -> None:
    with pytest.raises(ConfigError, match=r"blocks\.trajectory: no level has this slot"):
        load_config(TrackerConfig, dotlist=["blocks.trajectory.num_steps=3"])
    assert load_config(TrackerConfig, dotlist=["blocks.trajectories.num_steps=3"]).blocks["trajectories"].num_steps == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("evidence.clean_windows=[]", r"evidence\.clean_windows: \[\]"),
        ("evidence.windows=[3,0]", r"evidence\.windows: \[3, 0\]"),
        ("blocks.tracklets.num_steps=0", r"blocks\.tracklets\.num_steps: 0 is below 1"),
        ("output.max_gap_filled=-5", r"output\.max_gap_filled: -5 is below 0"),
        ("output.min_probability=2", r"output\.min_probability: 2\.0"),
        ("output.decimals=-1", r"output\.decimals: -1"),
        ("second_look.touch_iou=-1", r"second_look\.touch_iou: -1\.0"),
        ("second_look.encounter_gap=0", r"second_look\.encounter_gap: 0"),
        ("blocks={'a.b': {}}", "has a dot"),
        ("blocks={5: {}}", "5 is not a name"),
        ("levels=[{slot: wide}]", r"levels\.0\.slot: no block 'wide'"),
    ],
)
def test_ranges(entry: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(TrackerConfig, dotlist=[entry])


def test_a_block_that_nobody_uses_may_stay_but_not_change() -> None:
    only = "levels=[{slot: tracklets}]"
    load_config(TrackerConfig, dotlist=[only])
    with pytest.raises(ConfigError, match=r"blocks\.trajectories: no level has this slot"):
        load_config(TrackerConfig, dotlist=[only, "blocks.trajectories.num_steps=3"])


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "levels: empty"),
        ([LevelConfig(0)], r"levels\.0\.max_gap: 0"),
        ([LevelConfig(1), LevelConfig(2, threshold=1.0)], r"levels\.1\.threshold: 1\.0"),
        ([LevelConfig(1, threshold=0.0)], r"levels\.0\.threshold: 0\.0"),
        ([LevelConfig(4), LevelConfig(2)], r"must not shrink.*\[4, 2\]"),
        ([LevelConfig(4), LevelConfig(8, slot="other")], r"levels\.1\.slot: no block 'other'"),
    ],
)
def test_what_no_single_field_can_check(levels: list[LevelConfig], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrackerConfig(levels=levels).validate()
