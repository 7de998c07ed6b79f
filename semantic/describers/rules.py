"""The describer without weights: geometry, kinematics and the colours of clothes.

Everything said is measured: paths from boxes (``kinematics``), what two people do from their paths (``encounters``),
camera motion and clothes from pixels where there are any (``appearance``). Without pixels nothing is said of clothes,
and nothing of directions where boxes shift as with a moving camera.

An answer of kind ``pair`` has ``scores`` and, in the same order, ``sentences``: the k-th sentence is the encounter
behind the k-th score, with the frames it is drawn from. Which kind of encounter is which label of the vocabulary, and
how often that is right, stands in ``configs/semantic/rules_interactions.json``; labels that are right less often than
``least_precision`` there are not given.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from semantic.bensmot.vocabulary import LABELS
from semantic.describers.encounters import KINDS, MUTUAL, Encounter, find_encounters
from semantic.describers.kinematics import Leg, Path, find_paths, frame_at, legs_of
from semantic.describers.protocol import Job, Pictures
from semantic.describers.wording import Names, caption_of, encounter_text, summary_of
from semantic.structures import Answer, Clip, Request, Sentence
from sushi_lg.data.files import visible_files
from sushi_lg.data.resources import configs_path
from sushi_lg.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sushi_lg.language.attributes import Describer as AttributeDescriber

VERSION = 3  # raised when answers to the same requests would differ
CAMERAS = ("look", "boxes", "static")
NAMES = ("ids", "clothes")
_LEAST_TOLD = 0.7  # a caption cannot say how sure it is
_REMEMBERED = 32  # clips; they are asked about twice, first for summaries
_TABLE_SCHEMA = "rules-interactions/1"
_ROLES = ("active", "passive", "either")
_ROW: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "role": str,
    "label": str,
    "probability": (int, float),
    "seen": int,
    "right": int,
}


@dataclass(frozen=True)
class TableRow:
    """What a kind of encounter means.

    Attributes:
        kind: of encounter.
        role: who does what the label says: the ``active`` one of the encounter to the other, the ``passive`` one, or
            ``either`` (both ways).
        label: canonical name of the vocabulary.
        probability: how often it is right.
        seen: number of ordered pairs of people that was measured on.
        right: in how many of them the label was annotated.
    """

    kind: str
    role: str
    label: str
    probability: float
    seen: int
    right: int


@dataclass(frozen=True)
class Analysis:
    """All that rules know of a clip."""

    paths: Mapping[int, Path]
    legs: Mapping[int, tuple[Leg, ...]]
    encounters: tuple[Encounter, ...]
    attributes: Mapping[int, Mapping[str, str]]
    place: str


def load(
    *,
    attributes: str = "rules",
    weights: str | FilePath | None = None,
    descriptions: str | FilePath | None = None,
    camera: str = "look",
    names: str = "ids",
    table: str | FilePath | None = None,
    least_precision: float | None = None,
) -> RulesDescriber:
    """Return the describer.

    Args:
        attributes: what is looked for in people: ``rules`` (colours of clothes), ``openvino`` (also sex, hair, trousers
            and backpack; needs weights), or ``none``.
        weights: of the attribute network; found below ``SUSHI_LG_MODELS`` when left out.
        descriptions: folder of ``sushi-lg annotate``; clips that have a file there are not looked at for clothes, and
            the place is taken from it.
        camera: how its motion is found: ``look`` at pictures where there are any, ``boxes`` alone, or known to be
            ``static``.
        names: what people are called in sentences about others: ``ids`` (P3) or ``clothes`` (the person in red).
        table: of encounters and labels instead of ``configs/semantic/rules_interactions.json``.
        least_precision: instead of that of the table.

    Raises:
        ConfigError: an unknown value, or a table that is none; names it.
        WeightsError: the attribute network cannot be had.
    """
    if camera not in CAMERAS:
        raise ConfigError(f"describer rules: camera={camera!r}", f"one of {', '.join(CAMERAS)}")
    if names not in NAMES:
        raise ConfigError(f"describer rules: names={names!r}", f"one of {', '.join(NAMES)}")
    network = None
    if attributes not in ("rules", "none"):
        from sushi_lg.language.attributes import load_describer

        network = load_describer(attributes, weights=weights)
    elif weights is not None:
        raise ConfigError(f"describer rules: {weights} is not used", "leave out weights, or say attributes=openvino")
    folder = None if descriptions is None else FilePath(descriptions)
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"describer rules: {folder}: no such folder", "make it with `sushi-lg annotate`")
    path = configs_path() / "semantic" / "rules_interactions.json" if table is None else FilePath(table)
    rows, least = read_table(path)
    least = least if least_precision is None else least_precision
    if not 0 <= least <= 1:
        raise ConfigError(f"describer rules: least_precision={least}", "a number in 0 .. 1")
    return RulesDescriber(
        tuple(row for row in rows if row.probability >= least), camera, attributes != "none", network, folder, names
    )


def read_table(path: str | FilePath) -> tuple[tuple[TableRow, ...], float]:
    """Return the rows of a table of encounters and labels, and its least precision.

    Raises:
        ConfigError: no such file, or not a table; names the row.
    """
    path = FilePath(path)
    remedy = "restore it, or make it with scripts/calibrate_rules.py"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})", remedy) from error
    if (
        not isinstance(stored, dict)
        or stored.get("schema") != _TABLE_SCHEMA
        or not isinstance(stored.get("rows"), list)
    ):
        raise ConfigError(f"{path}: not {_TABLE_SCHEMA}", remedy)
    least = stored.get("least_precision")
    if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
        raise ConfigError(f"{path}: least_precision is {least!r}", "a number in 0 .. 1")
    return tuple(_row(path, number, row) for number, row in enumerate(stored["rows"], start=1)), float(least)


def _row(path: FilePath, number: int, row: Any) -> TableRow:  # noqa: ANN401 - a JSON value
    right = isinstance(row, dict) and row.keys() == _ROW.keys()
    if not right or any(isinstance(row[key], bool) or not isinstance(row[key], kind) for key, kind in _ROW.items()):
        raise ConfigError(f"{path}: row {number}: {str(row)[:80]}", f"needs {', '.join(_ROW)}")
    known = row["kind"] in KINDS and row["role"] in _ROLES and row["label"] in LABELS and 0 <= row["probability"] <= 1
    if not known:
        raise ConfigError(
            f"{path}: row {number}: {str(row)[:80]}",
            f"kinds are {', '.join(KINDS)}; roles {', '.join(_ROLES)}; labels are canonical; probabilities in 0 .. 1",
        )
    return TableRow(**row)


class RulesDescriber:
    """Answers requests from geometry and colours; deterministic.

    Args:
        rows: which encounters are which labels.
        camera: see ``load``.
        clothes: whether to look at people.
        network: names more than colours; None = nobody does.
        descriptions: folder of descriptions, or None.
        names: see ``load``.
    """

    name = "rules"
    needs_pictures = False

    def __init__(
        self,
        rows: tuple[TableRow, ...],
        camera: str,
        clothes: bool,
        network: AttributeDescriber | None,
        descriptions: FilePath | None,
        names: str = "ids",
    ) -> None:
        self._rows, self._camera, self._descriptions = rows, camera, descriptions
        self._clothes, self._network, self._names = clothes, network, names
        self._analyses: deque[tuple[Clip, Pictures | None, Analysis]] = deque(maxlen=_REMEMBERED)
        told = visible_files(descriptions, "**/*.jsonl") if descriptions is not None else []
        parts = [
            VERSION,
            rows,
            camera,
            clothes,
            names,
            network.fingerprint() if network is not None else "",
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in told],
        ]
        self.fingerprint = hashlib.sha256(repr(parts).encode()).hexdigest()

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield one answer a job, clip by clip."""
        for _, group in itertools.groupby(jobs, key=lambda job: id(job.clip)):
            some = list(group)
            try:
                analysis = self._known(some[0].clip, some[0].pictures)
            except DataError as error:
                yield from (Answer(job.request.request_id, "", error=str(error)) for job in some)
                continue
            yield from (self._answer(job.clip, job.request, analysis) for job in some)

    def _known(self, clip: Clip, pictures: Pictures | None) -> Analysis:
        """Return what is known of a clip; looked at once for its summary and for all the rest."""
        for known, seen, analysis in self._analyses:
            if known is clip and seen is pictures:
                return analysis
        analysis = self.analyse(clip, pictures)
        self._analyses.append((clip, pictures, analysis))
        return analysis

    def analyse(self, clip: Clip, pictures: Pictures | None) -> Analysis:
        """Return what is known of a clip.

        Raises:
            DataError: a picture that cannot be had, or a file of descriptions that cannot be read.
        """
        attributes, place = self._described(clip)
        camera = None
        if pictures is not None and clip.tracks:
            from semantic.describers.appearance import look

            clothes, follow = self._clothes and attributes is None, self._camera == "look"
            if clothes or follow:
                seen = look(clip, pictures, self._network, clothes=clothes, camera=follow)
                attributes, camera = attributes or seen.attributes, seen.camera
        paths = find_paths(clip, camera, static=self._camera == "static")
        legs = {key: tuple(legs_of(path)) for key, path in paths.items()}
        encounters = [
            each
            for one, other in itertools.combinations(paths, 2)
            for each in find_encounters(paths[one], paths[other])
        ]
        return Analysis(paths, legs, tuple(encounters), attributes or {}, place)

    def _described(self, clip: Clip) -> tuple[dict[int, Mapping[str, str]] | None, str]:
        """Return attributes of people and the place from a file of descriptions; None without one."""
        if self._descriptions is None:
            return None, ""
        from sushi_lg.language.descriptions import descriptions_path, read_descriptions

        path = descriptions_path(self._descriptions, clip.name)
        if not path.is_file():
            return None, ""
        rows = read_descriptions(path)
        place = next((row.attributes.get("place", "") for row in rows if row.track_id is None), "")
        return {row.track_id: row.attributes for row in rows if row.track_id is not None}, place

    def _answer(self, clip: Clip, request: Request, analysis: Analysis) -> Answer:
        names = Names(analysis.attributes, self._names)
        if request.kind == "summary":
            told = summary_of(clip, analysis.paths, analysis.legs, analysis.encounters, names, analysis.place)
            return Answer(request.request_id, " ".join(one.text for one in told), sentences=told)
        unknown = [one for one in request.subjects if one not in analysis.paths]
        if unknown:
            return Answer(request.request_id, "", error=f"no track {unknown[0]} in {clip.name}")
        if request.kind == "instance":
            (subject,) = request.subjects
            mine = [one for one in analysis.encounters if subject in (one.active, one.passive)]
            path, legs = analysis.paths[subject], analysis.legs[subject]
            worn = analysis.attributes.get(subject, {})
            kinds = {row.kind for row in self._rows if row.probability >= _LEAST_TOLD}
            sentence = caption_of(clip, path, legs, mine, worn, names, kinds)
            return Answer(request.request_id, sentence.text, sentences=(sentence,))
        if request.kind == "pair":
            return self._pair(clip, request, analysis, names)
        return Answer(request.request_id, "", error=f"no rules for requests of kind {request.kind}")

    def _pair(self, clip: Clip, request: Request, analysis: Analysis, names: Names) -> Answer:
        best: dict[tuple[int, int, str], tuple[float, Encounter]] = {}
        for encounter in analysis.encounters:
            if {encounter.active, encounter.passive} != set(request.subjects):
                continue
            for active, passive, row in meanings(encounter, self._rows):
                key = active, passive, row.label
                if request.options and row.label not in request.options:
                    continue
                if key not in best or row.probability > best[key][0]:
                    best[key] = row.probability, encounter
        scores = tuple((key, best[key][0]) for key in sorted(best))
        sentences = tuple(_sentence(clip, best[key][1], names) for key in sorted(best))
        lines = [
            f"P{active}>P{passive}: {', '.join(label for _, _, label in sorted(group))}"
            for (active, passive), group in itertools.groupby(sorted(best), key=lambda key: key[:2])
        ]
        return Answer(request.request_id, "\n".join(lines) or "none", sentences=sentences, scores=scores)


def meanings(encounter: Encounter, rows: Sequence[TableRow]) -> Iterator[tuple[int, int, TableRow]]:
    """Yield (active, passive, row) for all that an encounter means according to a table."""
    there, back = (encounter.active, encounter.passive), (encounter.passive, encounter.active)
    for row in rows:
        if row.kind != encounter.kind:
            continue
        both = row.role == "either" or encounter.kind in MUTUAL
        for pair in (there, back) if both else (there,) if row.role == "active" else (back,):
            yield (*pair, row)


def _sentence(clip: Clip, encounter: Encounter, names: Names) -> Sentence:
    ids = tuple(sorted((encounter.active, encounter.passive)))
    return Sentence(
        encounter_text(encounter, names), ids, frame_at(clip, encounter.first), frame_at(clip, encounter.last)
    )
