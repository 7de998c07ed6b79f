"""The simulated world speaks the language of BenSMOT."""

from __future__ import annotations

import pytest

from semantic.bensmot.vocabulary import LABELS
from sushi_lg.simulation.social.acts import KINDS


@pytest.mark.parametrize("name", KINDS)
def test_labels_of_simulated_acts_are_in_the_vocabulary(name: str) -> None:
    kind = KINDS[name]
    assert kind.labels and set(kind.labels) | set(kind.returned) <= set(LABELS)
