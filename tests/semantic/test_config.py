from __future__ import annotations

import pytest

from semantic.config import DescribeConfig, PairConfig, TextConfig, ViewConfig
from sushi_lg.errors import ConfigError


def test_the_settings_that_come_with_it_hold() -> None:
    DescribeConfig().validate()


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (DescribeConfig(views=ViewConfig(observations=0)), "views.observations: 0"),
        (DescribeConfig(views=ViewConfig(full_height=0)), "views.full_height: 0"),
        (DescribeConfig(views=ViewConfig(full_height=float("nan"))), "views.full_height: nan"),
        (DescribeConfig(views=ViewConfig(margin=0.5)), "views.margin: 0.5"),
        (DescribeConfig(views=ViewConfig(people=-1)), "views.people"),
        (DescribeConfig(pairs=PairConfig(near=3.5)), "pairs.near: 3.5"),
        (DescribeConfig(pairs=PairConfig(contact_overlap=0)), "pairs.contact_overlap: 0"),
        (DescribeConfig(text=TextConfig(pair_tokens=0)), "text.pair_tokens: 0"),
        (DescribeConfig(threshold=1.5), "threshold: 1.5"),
        (DescribeConfig(symmetry=float("nan")), "symmetry: nan"),
    ],
)
def test_values_out_of_range_are_named(config: DescribeConfig, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        config.validate()


def test_no_more_labels_are_asked_for_than_may_be_written() -> None:
    DescribeConfig(text=TextConfig(labels=5)).validate()
    with pytest.raises(ConfigError, match=r"text\.labels: 6 is above 5"):
        DescribeConfig(text=TextConfig(labels=6)).validate()
