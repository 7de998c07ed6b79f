"""Values outside a range are refused by name; at its bound they are not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sushi_lg.errors import ConfigError
from sushi_lg.ranges import refuse_below, refuse_not_above_zero


@dataclass
class Settings:
    count: int = 1
    share: float = 0.0
    limit: float | None = None


def test_at_its_bound_a_value_is_let_pass() -> None:
    refuse_below(Settings(), 1, "count", "limit")
    refuse_below(Settings(), 0, "share")
    refuse_not_above_zero(Settings(share=1e-9), "share", "count", "limit")


def test_the_first_that_is_outside_is_named() -> None:
    with pytest.raises(ConfigError) as below:
        refuse_below(Settings(count=0, share=-1), 1, "count", "share", prefix="loss.", remedy="{key}=1 is usual")
    assert str(below.value) == "loss.count: 0 is below 1\n  fix: loss.count=1 is usual"
    with pytest.raises(ConfigError) as zero:
        refuse_not_above_zero(Settings(), "count", "share")
    assert str(zero.value) == "share: 0.0 is not above 0"


def test_no_number_is_outside() -> None:
    for refuse in (lambda one: refuse_below(one, 0, "share"), lambda one: refuse_not_above_zero(one, "share")):
        with pytest.raises(ConfigError):
            refuse(Settings(share=float("nan")))
