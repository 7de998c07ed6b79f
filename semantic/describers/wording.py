"""Sentences from paths, encounters and clothes: plain English, nothing that was not measured.

A caption names the clothes first and then what is done in the order of time, joined by "then", as the captions of
BenSMOT do; people are called by their track ids. Where there is more to say than fits, the short and common things are
left out; where there is little, the caption is short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semantic.describers.encounters import Encounter
from semantic.describers.kinematics import STEP, Leg, Path, frame_at
from semantic.structures import Clip, Sentence
from sushi_lg.language.english import article, listed

MOST_WORDS = 45
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_VERBS = {"stand": "stands still", "stay": "stays in place", "walk": "walks", "run": "runs"}
_SUFFIX_SHARE = 0.5  # of a leg, that has to be spent with somebody for the leg to be said to be
_MOST_COMPANY = 2  # people named in one clause
_MAIN_SHARE = 0.6  # of the time of all people, for something to be what people do
_BRIEF = 1.0  # seconds
_UNSAID = {"approach": "walks up to", "leave": "walks away from"}


@dataclass(frozen=True)
class Act:
    """A clause: what somebody does from one sample to another.

    Attributes:
        text: verb and all that belongs to it, in the third person.
        first: sample.
        last: sample.
        others: track ids it names.
        weight: how much would be lost without it.
    """

    text: str
    first: int
    last: int
    others: tuple[int, ...] = ()
    weight: float = 1.0


class Names:
    """What people are called in sentences about others.

    Args:
        attributes: of everybody, by track id.
        style: ``ids`` (P3), or ``clothes`` (the person in red), where nobody else fits, and "another person".
    """

    def __init__(self, attributes: Mapping[int, Mapping[str, str]], style: str) -> None:
        called = {key: _called(one) for key, one in attributes.items()} if style == "clothes" else {}
        often = Counter(called.values())
        self._names = {key: name for key, name in called.items() if "in" in name.split() and often[name] == 1}
        self._style = style

    def of(self, track_id: int) -> str:
        """Return the name of one person."""
        return f"P{track_id}" if self._style == "ids" else self._names.get(track_id, "another person")

    def listed(self, ids: Sequence[int]) -> str:
        """Return the names of some, joined by "and"."""
        named = [self.of(one) for one in ids]
        unknown = named.count("another person")
        if unknown > 1:
            named = [one for one in named if one != "another person"] + [f"{_number(unknown)} other people"]
        return listed(named)


def _called(attributes: Mapping[str, str]) -> str:
    who = {"male": "the man", "female": "the woman"}.get(attributes.get("sex", ""), "the person")
    return f"{who} in {attributes['upper']}" if "upper" in attributes else who


def caption_of(
    clip: Clip,
    path: Path,
    legs: Sequence[Leg],
    encounters: Sequence[Encounter],
    attributes: Mapping[str, str],
    names: Names,
    told: Collection[str] = (),
) -> Sentence:
    """Return what one person wears and does.

    Args:
        clip: the trajectories.
        path: of the person.
        legs: of the path.
        encounters: all in which the person takes part.
        attributes: see ``sushi_lg.language.descriptions``; may be empty.
        names: of the others.
        told: kinds of encounters that are said even where no leg is long enough to say them with.
    """
    acts = _acts(path, legs, encounters, names, told)
    subject = subject_of(attributes)
    while len(_told(subject, acts).split()) > MOST_WORDS and len(acts) > 1:
        acts.remove(min(acts, key=lambda act: (act.weight, -act.first)))
        acts = _without_repetition(acts)
    ids = (path.track_id, *sorted({other for act in acts for other in act.others}))
    track = clip.track(path.track_id)
    return Sentence(_told(subject, acts), ids, int(track.frame[0]), int(track.frame[-1]))


def subject_of(attributes: Mapping[str, str]) -> str:
    """Return who it is, as far as attributes tell: "A person in a red top and blue bottoms"."""
    words = {"male": "A man", "female": "A woman"}.get(attributes.get("sex", ""), "A person")
    if "hair" in attributes:
        words += f" with {attributes['hair']} hair"
    garment = {"long": "trousers", "short": "shorts or a skirt"}.get(attributes.get("legs", ""), "bottoms")
    worn = [f"{article(attributes['upper'])} {attributes['upper']} top"] if "upper" in attributes else []
    worn += [f"{attributes['lower']} {garment}"] if "lower" in attributes else []
    if worn:
        words += f" in {listed(worn)}"
    if "carried" in attributes:
        words += f" with {article(attributes['carried'])} {attributes['carried']}"
    return words


def summary_of(
    clip: Clip,
    paths: Mapping[int, Path],
    legs: Mapping[int, Sequence[Leg]],
    encounters: Sequence[Encounter],
    names: Names,
    place: str = "",
) -> tuple[Sentence, ...]:
    """Return what happens in a clip: how many people, what they mainly do and how that changes.

    Args:
        clip: the trajectories.
        paths: by track id.
        legs: by track id.
        encounters: of all pairs.
        names: of people.
        place: ``indoor`` or ``outdoor``; empty where it is not known.
    """
    everybody = tuple(sorted(paths))
    last = max(clip.length - 1, 0)
    where = {"indoor": " indoors", "outdoor": " outdoors"}.get(place, "")
    if not everybody:
        return (Sentence(f"Nobody is seen{where}.", (), 0, last),) if clip.length else ()
    text = f"{_people(clip, paths)} {_activity(legs, paths)}{where}."
    found = [Sentence(text, everybody, 0, last)]
    story = _story(clip, encounters, names)
    if story is not None:
        found.append(story)
    change = _change(clip, paths, legs)
    if change is not None:
        found.append(change)
    return tuple(found)


def encounter_text(encounter: Encounter, names: Names) -> str:
    """Return an encounter as a sentence: "P1 walks up to P2."."""
    verbs = {
        "approach": "walks up to",
        "leave": "walks away from",
        "pass": "passes",
        "follow": "walks behind",
        "chase": "runs behind",
        "together": "walks together with",
        "stand": "stands near",
        "near": "is near",
        "linger": "stands near",
        "reach": "stands close to",
        "clasp": "stands close to",
        "tangle": "stands close to",
    }
    who, whom = names.of(encounter.active), names.of(encounter.passive)
    return f"{who[0].upper()}{who[1:]} {verbs[encounter.kind]} {whom}."


def _acts(
    path: Path, legs: Sequence[Leg], encounters: Sequence[Encounter], names: Names, told: Collection[str]
) -> list[Act]:
    acts = []
    mine = [one for one in encounters if path.track_id in (one.active, one.passive)]
    if path.enters:
        acts.append(Act(f"comes into view on the {path.enters}", path.first, path.first, (), 2.0))
    said: set[tuple[str, int]] = set()
    for leg in legs:
        acts.append(_clause(path, leg, mine, said, names))
    if not legs:
        others = _company(mine, path, ("near", "stand"), path.first, path.last, 0.3)
        if others:
            acts.append(Act(f"is near {names.listed(others)}", path.first, path.last, others, 3.0))
    for one in sorted(mine, key=lambda each: (each.first, each.passive)):
        if one.kind in told and one.kind in _UNSAID:
            _add_unsaid(acts, path, one, said, names)
    if path.exits:
        acts.append(Act(f"leaves the picture on the {path.exits}", path.last, path.last, (), 2.0))
    return _without_repetition(acts)


def _add_unsaid(acts: list[Act], path: Path, one: Encounter, said: set[tuple[str, int]], names: Names) -> None:
    """Add what an encounter is, in its place in time, where no leg has said it: the way was too short for one."""
    other = one.passive
    if one.active != path.track_id or (one.kind, other) in said:
        return
    middle = (one.first + one.last) / 2
    place = next((k for k, act in enumerate(acts) if act.first <= middle <= act.last and act.first < act.last), None)
    if place is not None and acts[place].text.startswith(("walks", "runs", "turns")) and other in acts[place].others:
        return  # behind somebody, or with, is up to or away from as well
    said.add((one.kind, other))
    if place is None:
        place = sum(act.last <= middle for act in acts)
    elif one.kind == "leave":  # who stands near somebody came before that, and goes after it
        place += 1
    text = f"{_UNSAID[one.kind]} {names.of(other)}"
    acts.insert(place, Act(text, one.first, one.last, (other,), one.seconds + 2.0))


def _clause(path: Path, leg: Leg, mine: Sequence[Encounter], said: set[tuple[str, int]], names: Names) -> Act:
    """Return a leg with whom it is shared; ``said`` collects what has been said of whom."""
    seconds = (leg.last - leg.first) * STEP
    if leg.state in ("stand", "stay"):
        others = _company(mine, path, ("stand",), leg.first, leg.last, _SUFFIX_SHARE)
        verb = _VERBS[leg.state]
        text = f"{verb.split()[0]} near {names.listed(others)}" if others else verb
        return Act(text, leg.first, leg.last, others, seconds)
    words = [("turns back and " if leg.turned else "") + _VERBS[leg.state], _direction(leg)]
    together = _company(mine, path, ("together",), leg.first, leg.last, _SUFFIX_SHARE)
    behind = tuple(
        one.passive
        for one in mine
        if one.kind in ("follow", "chase") and one.active == path.track_id and _shared(one, leg) >= _SUFFIX_SHARE
    )[:1]
    named = list(together)
    if together:
        words.append(f"together with {names.listed(together)}")
    elif behind:
        words.append(f"behind {names.listed(behind)}")
        named += behind
    # an encounter is told with the leg that it ends in, and once
    for kind, phrase in (("pass", "past"), ("approach", "up to"), ("leave", "leaving")):
        distances: dict[int, float] = {}
        for one in mine:
            if (
                one.kind == kind
                and one.active == path.track_id
                and leg.first <= (one.first + one.last) / 2 <= leg.last
                and (kind, one.passive) not in said
                and one.passive not in named
            ):
                distances[one.passive] = min(one.distance, distances.get(one.passive, np.inf))
        if distances:
            ids = tuple(sorted(sorted(distances, key=lambda other: (distances[other], other))[:_MOST_COMPANY]))
            said.update((kind, other) for other in ids)
            words.append(f"{phrase} {names.listed(ids)}")
            named += ids
    text = " ".join(word for word in words if word)
    return Act(text, leg.first, leg.last, tuple(named), seconds + 2.0 * bool(named) + 2.0 * (leg.state == "run"))


def _direction(leg: Leg) -> str:
    across = {-1: "to the left", 1: "to the right"}.get(leg.across, "")
    depth = {-1: "towards the camera", 1: "away from the camera"}.get(leg.depth, "")
    return " and ".join(word for word in (across, depth) if word)


def _company(
    mine: Sequence[Encounter], path: Path, kinds: Sequence[str], first: int, last: int, share: float
) -> tuple[int, ...]:
    """Return the nearest people with whom most of a stretch is spent."""
    leg = Leg("stand", first, last)
    met: dict[int, float] = {}
    for one in mine:
        other = one.passive if one.active == path.track_id else one.active
        if one.kind in kinds and _shared(one, leg) >= share:
            met[other] = min(one.distance, met.get(other, np.inf))
    nearest = sorted(met, key=lambda other: (met[other], other))[:_MOST_COMPANY]
    return tuple(sorted(nearest))


def _shared(encounter: Encounter, leg: Leg) -> float:
    """Return the share of a leg that lies in an encounter."""
    common = min(encounter.last, leg.last) - max(encounter.first, leg.first)
    return max(common, 0) / max(leg.last - leg.first, 1)


def _without_repetition(acts: list[Act]) -> list[Act]:
    found: list[Act] = []
    for act in acts:
        if found and found[-1].text == act.text:
            before = found[-1]
            found[-1] = replace(before, last=act.last, weight=before.weight + act.weight)
        else:
            found.append(act)
    return found


def _told(subject: str, acts: Sequence[Act]) -> str:
    if not acts:
        return f"{subject} is in view."
    return f"{subject} {', then '.join(act.text for act in acts)}."


def _people(clip: Clip, paths: Mapping[int, Path]) -> str:
    """Return how many people there are: exactly where all are there at once, else how many at a time."""
    most = _most_at_once(clip, 0, clip.length)
    if most == len(paths):
        return f"{_number(most).capitalize()} {'person' if most == 1 else 'people'}"
    # a tracker may have taken one person for two, but not at one time
    return f"Up to {_number(most)} {'person' if most == 1 else 'people'} at a time"


def _most_at_once(clip: Clip, first: int, last: int) -> int:
    there = np.zeros(max(clip.length, 1), dtype=np.int64)
    for track in clip.tracks:
        there[track.frame] += 1
    return int(there[first:last].max(initial=0))


def _activity(legs: Mapping[int, Sequence[Leg]], paths: Mapping[int, Path]) -> str:
    spent = {"stand": 0.0, "stay": 0.0, "walk": 0.0, "run": 0.0}
    sides = {-1: 0.0, 1: 0.0, 0: 0.0}
    for each in legs.values():
        for leg in each:
            spent[leg.state] += (leg.last - leg.first) * STEP
            if leg.state in ("walk", "run"):
                sides[leg.across] += (leg.last - leg.first) * STEP
    total = sum(spent.values())
    one = len(paths) == 1
    if total < _BRIEF:
        return "is in view" if one else "are in view"
    going = spent["walk"] + spent["run"]
    verb = "run" if spent["run"] > 0.5 * going else "walk"
    ending = "s" if one else ""
    side = max((-1, 1), key=lambda key: sides[key])
    way = {-1: " to the left", 1: " to the right"}[side] if going and sides[side] > 0.8 * going else ""
    mostly = " mostly" if way else ""
    if going >= _MAIN_SHARE * total:
        return f"{verb}{ending}{mostly}{way}" if way else f"{verb}{ending} about"
    rest = "stand" if spent["stand"] > spent["stay"] else "stay in place"
    if spent["stand"] + spent["stay"] >= 0.9 * total:
        return rest.replace("stand", "stands").replace("stay", "stays") if one else rest
    if one:
        return f"{verb}s about, and {rest.replace('stand', 'stands').replace('stay', 'stays')} for a while"
    resting = spent["stand"] + spent["stay"] >= _MAIN_SHARE * total
    return f"mostly {rest}" if resting else f"{verb} about and {rest}"


def _story(clip: Clip, encounters: Sequence[Encounter], names: Names) -> Sentence | None:
    """Return the encounters that tell most, in the order of time."""
    worth = {"approach": 5, "leave": 5, "chase": 6, "together": 4, "stand": 3, "follow": 2, "near": 1}
    best = sorted(
        (one for one in encounters if one.kind in worth),
        key=lambda one: (-worth[one.kind] - min(one.seconds, 5.0), one.distance, one.active, one.passive),
    )
    told: list[Encounter] = []
    for one in best:
        again = any((one.kind, {one.active, one.passive}) == (each.kind, {each.active, each.passive}) for each in told)
        if not again and len(told) < 3:
            told.append(one)
    if not told:
        return None
    told.sort(key=lambda one: (one.first, one.last, one.active))
    clauses = [encounter_text(one, names).removesuffix(".") for one in told]
    clauses = [
        clauses[0],
        *(f"{each[0].lower()}{each[1:]}" if not each.startswith("P") else each for each in clauses[1:]),
    ]
    first = (
        clauses[0] if len(clauses) == 1 or clauses[0].startswith("P") else f"{clauses[0][0].lower()}{clauses[0][1:]}"
    )
    text = (f"First {first}" if len(clauses) > 1 else clauses[0]) + "".join(f", then {each}" for each in clauses[1:-1])
    text += f", and finally {clauses[-1]}." if len(clauses) > 1 else "."
    ids = tuple(sorted({each for one in told for each in (one.active, one.passive)}))
    return Sentence(text, ids, frame_at(clip, told[0].first), frame_at(clip, max(one.last for one in told)))


def _change(clip: Clip, paths: Mapping[int, Path], legs: Mapping[int, Sequence[Leg]]) -> Sentence | None:
    """Return how the second half differs from the first, in people or in what they do."""
    half = clip.length // 2
    before, after = _most_at_once(clip, 0, half), _most_at_once(clip, half, clip.length)
    everybody = tuple(sorted(paths))
    if half and abs(after - before) >= max(2, 0.5 * max(before, after)):
        more = "more" if after > before else "fewer"
        text = f"Later {more} people are in view, up to {_number(after)} instead of {_number(before)}."
        return Sentence(text, everybody, 0, clip.length - 1)
    middle = frame_sample(clip) / 2
    share = []
    for first, last in ((0.0, middle), (middle, 2 * middle)):
        spent = {True: 0.0, False: 0.0}
        for each in legs.values():
            for leg in each:
                spent[leg.state in ("stand", "stay")] += max(0.0, min(leg.last, last) - max(leg.first, first))
        total = sum(spent.values())
        share.append(spent[True] / total if total else np.nan)
    if not np.isfinite(share).all() or abs(share[1] - share[0]) < 0.4:
        return None
    text = "Later they walk less." if share[1] > share[0] else "Later they walk more."
    if len(paths) == 1:
        text = text.replace("they walk", "the person walks")
    return Sentence(text, everybody, 0, clip.length - 1)


def frame_sample(clip: Clip) -> float:
    """Return the length of a clip in samples."""
    return clip.length / clip.frame_rate / STEP


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
