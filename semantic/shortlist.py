"""Which labels are offered for a pair: those that most pairs have, and those that are common in clips of its kind.

The vocabulary has 335 labels, of which few make up most annotations, so a prompt offers 40. The built-in list is a
choice by hand for people in everyday videos; ``learn_shortlist`` takes it from annotations instead.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from semantic.bensmot.vocabulary import LABELS
from semantic.structures import Clip, Semantics
from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError

SCHEMA = "shortlist/1"
_GENERAL_FIRST = 15  # of the general labels, before those of the scenario
_OF_SCENARIO = 10

_BY_HAND = """
talk.v.01 look.v.01 smile.v.01 converse.v.01 listen.v.01 hold.v.01 embrace.v.02 touch.v.01 walk.v.01 follow.v.01
approach.v.01 leave.v.01 pass.v.01 flee.v.01 point.v.10 give.v.03 receive.v.01 take.v.04 push.v.01 pull.v.04 help.v.01
accompany.v.02 nod.v.02 beckon.v.01 handshake.n.01 kiss.v.02 dance.v.01 play.v.01 throw.v.01 catch.v.04 compete.v.01
fight.v.02 quarrel.v.01 chase.v.01 show.v.04 stand.v.01 photograph.v.01 applaud.v.01 laugh.v.01 sit.v.01
""".split()


@dataclass(frozen=True)
class Shortlist:
    """Labels by how common they are.

    Attributes:
        general: In all clips, the most common first.
        by_scenario: The same in clips of one scenario, the part of their name before the first slash.
    """

    general: tuple[str, ...] = tuple(_BY_HAND)
    by_scenario: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def labels(self, clip: str, most: int) -> tuple[str, ...]:
        """Return the labels to offer for a pair of a clip, no more than ``most``, in the order of the vocabulary.

        Args:
            clip: Its name.
            most: Number of labels.
        """
        scenario = clip.split("/")[0] if "/" in clip else ""
        ranked = [*self.general[:_GENERAL_FIRST], *self.by_scenario.get(scenario, ())[:_OF_SCENARIO], *self.general]
        ranked += _BY_HAND  # where annotations have fewer labels than can be offered
        return tuple(sorted(list(dict.fromkeys(ranked))[:most]))


def learn_shortlist(truth: Iterable[tuple[Clip, Semantics]]) -> Shortlist:
    """Return the labels of annotations by how many ordered pairs have them; those without annotations are absent.

    Args:
        truth: Clips of a training set.
    """
    general: Counter[str] = Counter()
    by_scenario: dict[str, Counter[str]] = {}
    for clip, semantics in truth:
        labels = [one.label for one in semantics.interactions]
        general.update(labels)
        if "/" in clip.name:
            by_scenario.setdefault(clip.name.split("/")[0], Counter()).update(labels)
    return Shortlist(_ranked(general), {name: _ranked(count) for name, count in sorted(by_scenario.items())})


def load_shortlist(path: str | Path) -> Shortlist:
    """Return the shortlist of a file, or that of the annotations in a folder laid out like BenSMOT.

    Raises:
        DataError: neither, see ``read_shortlist`` and ``semantic.bensmot.annotations.read_annotations``.
    """
    if not Path(path).is_dir():
        return read_shortlist(path)
    from semantic.bensmot.annotations import read_annotations

    return learn_shortlist(read_annotations(path).pairs)


def write_shortlist(path: str | Path, shortlist: Shortlist) -> None:
    """Write a shortlist as JSON."""
    content = {"schema": SCHEMA, "general": shortlist.general, "by_scenario": dict(shortlist.by_scenario)}
    with atomic_path(path) as staged:
        staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_shortlist(path: str | Path) -> Shortlist:
    """Read what ``write_shortlist`` wrote.

    Raises:
        DataError: no such file, another schema, or a label that is not of the vocabulary.
    """
    path = Path(path)
    remedy = "make it with semantic.shortlist.write_shortlist, or leave it out"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a shortlist ({error})", remedy) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"{path}: schema: not {SCHEMA}", remedy)
    by_scenario = content.get("by_scenario", {})
    if not isinstance(by_scenario, dict):
        raise DataError(f"{path}: by_scenario: no object", remedy)
    read = {key: _labels(path, key, value, remedy) for key, value in by_scenario.items()}
    return Shortlist(_labels(path, "general", content.get("general"), remedy), read)


def _labels(path: Path, key: str, value: object, remedy: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len({str(one) for one in value}) != len(value):
        raise DataError(f"{path}: {key}: no list of different labels", remedy)
    wrong = [one for one in value if one not in LABELS]
    if wrong:
        raise DataError(f"{path}: {key}: {str(wrong[0])[:60]!r} is no label of the vocabulary", remedy)
    return tuple(value)


def _ranked(count: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(count, key=lambda label: (-count[label], label)))
