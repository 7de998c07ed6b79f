"""True sentences about a clip as BenSMOT's annotators write them: of everybody, and of the whole.

A caption begins with the clothes and goes on with what somebody does in the order of time, in 30 to 45 words where so
much can be said; a summary tells the place, how many there are, the main activity and how it changes, in 25 to 45.
Words are chosen at random from what is true, so that two clips of the same acts do not read alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sushi_lg.simulation.social.acts import KINDS, Act
from sushi_lg.simulation.social.cast import Actor
from sushi_lg.simulation.social.world import SocialClip

CAPTION_WORDS: Final = (30, 45)
SUMMARY_WORDS: Final = (25, 45)
_BACKGROUND: Final = 0.75  # share of the depth from which somebody is in the background
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# of who does it, and of the one it is done to: {o} the other, {h} his or her, {m} him or her, {t} a thing, {s} a side
_PHRASES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "applaud": (
        ("applauds {o}", "claps {h} hands for {o}", "gives {o} a round of applause"),
        ("is applauded by {o}", "receives applause from {o}"),
    ),
    "approach": (
        ("walks up to {o}", "approaches {o}", "comes closer to {o}", "goes over to {o}"),
        ("is approached by {o}", "waits for {o} to come closer", "sees {o} come closer"),
    ),
    "beckon": (
        ("beckons {o} over", "calls {o} over with {h} hand", "beckons to {o} with one hand"),
        ("is beckoned over by {o}", "is called over by {o}"),
    ),
    "chase": (
        ("runs after {o}", "chases {o} around", "chases {o} back and forth"),
        ("runs away from {o}", "is chased by {o}", "flees from {o}"),
    ),
    "circle": (
        ("walks around {o}", "circles {o}", "goes in a circle around {o}"),
        ("is circled by {o}", "stands still while {o} walks around {m}"),
    ),
    "collide": (
        ("runs into {o}", "bumps into {o}", "collides with {o}"),
        ("runs into {o}", "bumps into {o}", "collides with {o}"),
    ),
    "dance": (
        ("dances with {o}", "dances with {o}, swinging both arms", "moves rhythmically in a dance with {o}"),
        ("dances with {o}", "dances with {o}, swinging both arms", "moves rhythmically in a dance with {o}"),
    ),
    "embrace": (
        ("embraces {o}", "hugs {o}", "puts both arms around {o} in a hug", "gives {o} a hug"),
        ("embraces {o}", "hugs {o}", "shares a hug with {o}", "hugs {o} tightly"),
    ),
    "explain": (
        ("explains something to {o} with both hands", "gives a talk to {o}", "explains something to {o}, gesturing"),
        ("listens to {o}", "listens to what {o} explains", "stands and listens to {o}"),
    ),
    "fight": (
        ("fights with {o}", "exchanges punches with {o}", "boxes and fights with {o}"),
        ("fights with {o}", "exchanges punches with {o}", "boxes and fights with {o}"),
    ),
    "follow": (
        ("follows {o}", "walks behind {o}", "follows {o} at a short distance"),
        ("is followed by {o}", "walks ahead of {o}", "leads the way with {o} behind"),
    ),
    "give": (
        ("hands {t} to {o}", "gives {t} to {o}", "passes {t} over to {o}", "hands over {t} to {o}"),
        ("receives {t} from {o}", "takes {t} from {o}", "is given {t} by {o}"),
    ),
    "hold_hands": (
        ("holds hands with {o}", "goes hand in hand with {o}"),
        ("holds hands with {o}", "goes hand in hand with {o}"),
    ),
    "leave": (
        ("walks away from {o} to the {s}", "leaves {o} and goes to the {s}", "turns and leaves {o}", "leaves {o}"),
        ("stays behind when {o} leaves", "is left by {o}", "remains while {o} walks away"),
    ),
    "look": (
        ("looks at {o}", "stands and watches {o}", "watches {o} attentively", "keeps looking at {o}"),
        ("is watched by {o}", "is looked at by {o}"),
    ),
    "obstruct": (
        ("blocks the way of {o} with both arms out", "stops {o} with outstretched arms", "obstructs {o}"),
        ("is stopped by {o}", "finds the way blocked by {o}", "is not let through by {o}"),
    ),
    "pass": (
        ("walks past {o}", "passes {o} closely", "passes by {o} without stopping"),
        ("is passed by {o}", "stands still as {o} walks past"),
    ),
    "photograph": (
        ("takes pictures of {o} with {t}", "photographs {o}", "holds up {t} and photographs {o}"),
        ("poses for {o}", "poses for a photo taken by {o}", "is photographed by {o}, posing"),
    ),
    "point": (
        ("points at {o}", "stretches out one arm and points at {o}", "points {h} arm at {o}"),
        ("is pointed at by {o}", "has {o} point at {m}"),
    ),
    "pull": (
        ("pulls {o} along by the hand", "takes {o} by the hand and pulls {p} along"),
        ("is pulled along by {o}", "is dragged along by the hand by {o}"),
    ),
    "push": (
        ("pushes {o} back", "pushes {o} with both hands", "gives {o} a push"),
        ("is pushed back by {o}", "stumbles back when {o} pushes {m}", "is pushed by {o}"),
    ),
    "quarrel": (
        ("quarrels with {o}", "argues loudly with {o}", "has a quarrel with {o}, throwing up {h} arms"),
        ("quarrels with {o}", "argues loudly with {o}", "has a quarrel with {o}, throwing up {h} arms"),
    ),
    "shake_hands": (
        ("shakes hands with {o}", "shakes {o}'s hand", "greets {o} with a handshake"),
        ("shakes hands with {o}", "shakes {o}'s hand", "greets {o} with a handshake"),
    ),
    "talk": (
        ("talks with {o}", "talks to {o}", "has a conversation with {o}", "chats with {o}", "talks to {o}, gesturing"),
        ("talks with {o}", "talks to {o}", "has a conversation with {o}", "chats with {o}", "talks and listens to {o}"),
    ),
    "throw": (
        ("throws {t} to {o}", "tosses {t} to {o}", "throws {t} over to {o}"),
        ("catches {t} from {o}", "catches {t} thrown by {o}", "catches {t} that {o} throws"),
    ),
    "touch": (
        ("puts a hand on {o}'s shoulder", "touches {o} on the shoulder", "lays {h} hand on {o}'s shoulder"),
        ("is touched on the shoulder by {o}", "gets a hand on {h} shoulder from {o}"),
    ),
    "walk_together": (
        ("walks side by side with {o}", "walks together with {o}", "takes a walk with {o}", "walks along with {o}"),
        ("walks side by side with {o}", "walks together with {o}", "takes a walk with {o}", "walks along with {o}"),
    ),
    "wave": (
        ("waves to {o}", "waves at {o} with a raised hand", "raises one hand and waves to {o}"),
        ("is greeted by {o} with a wave", "sees {o} wave"),
    ),
    "stand": (("stands there", "stands still for a while", "stands around and waits"), ()),
    "stroll": (("walks to the {s}", "walks across the scene to the {s}", "strolls to the {s}"), ()),
    "enter": (("comes in from the {s}", "enters from the {s}", "walks into the picture from the {s}"), ()),
    "exit": (("walks away to the {s}", "goes off to the {s}", "leaves the picture on the {s}"), ()),
}
_SUMMARIES: Final[dict[str, tuple[str, ...]]] = {
    "applaud": ("{a} applauds {b}", "{a} claps for {b}"),
    "approach": ("{a} walks up to {b}", "{a} approaches {b}"),
    "beckon": ("{a} beckons {b} over", "{a} calls {b} over"),
    "chase": ("{a} chases {b}", "{a} runs after {b}"),
    "circle": ("{a} walks around {b}", "{a} circles {b}"),
    "collide": ("{a} and {b} run into each other", "{a} bumps into {b}"),
    "dance": ("{a} and {b} dance together", "{a} dances with {b}"),
    "embrace": ("{a} and {b} embrace", "{a} hugs {b}", "{a} and {b} hug each other"),
    "explain": ("{a} explains something to {b}", "{a} gives a talk while {b} listens"),
    "fight": ("{a} and {b} fight", "{a} fights with {b}", "{a} and {b} exchange punches"),
    "follow": ("{a} follows {b}", "{a} walks behind {b}"),
    "give": ("{a} hands {t} to {b}", "{a} gives {t} to {b}", "{b} receives {t} from {a}"),
    "hold_hands": ("{a} and {b} hold hands", "{a} goes hand in hand with {b}"),
    "leave": ("{a} leaves {b}", "{a} walks away from {b}", "{a} goes away"),
    "look": ("{a} watches {b}", "{a} looks at {b}"),
    "obstruct": ("{a} blocks the way of {b}", "{a} stops {b} with both arms"),
    "pass": ("{a} walks past {b}", "{a} passes {b}"),
    "photograph": ("{a} takes pictures of {b}", "{a} photographs {b}", "{b} poses for a photo taken by {a}"),
    "point": ("{a} points at {b}",),
    "pull": ("{a} pulls {b} along by the hand",),
    "push": ("{a} pushes {b}", "{b} is pushed back by {a}"),
    "quarrel": ("{a} and {b} quarrel", "{a} argues with {b}", "{a} and {b} argue loudly"),
    "shake_hands": ("{a} and {b} shake hands", "{a} greets {b} with a handshake"),
    "talk": ("{a} and {b} talk", "{a} talks with {b}", "{a} and {b} have a conversation"),
    "throw": ("{a} throws {t} to {b}", "{b} catches {t} thrown by {a}"),
    "touch": ("{a} puts a hand on the shoulder of {b}", "{a} touches {b} on the shoulder"),
    "walk_together": ("{a} and {b} walk side by side", "{a} takes a walk with {b}", "{a} and {b} walk together"),
    "wave": ("{a} waves to {b}", "{a} waves at {b}"),
    "stand": ("{a} stands still", "{a} stands there"),
    "stroll": ("{a} walks to the {s}", "{a} strolls to the {s}"),
    "enter": ("{a} comes in from the {s}", "{a} enters"),
    "exit": ("{a} walks away", "{a} goes off to the {s}"),
}
# what a text may leave out, least important first; what is not named stays longest
_IDLE: Final = ("stand", "enter", "stroll", "exit", "hold_hands", "look", "approach", "pass", "leave", "wave", "circle")


def captions(clip: SocialClip) -> dict[int, str]:
    """Return the caption of everybody who is seen, by identity (from 1)."""
    rng = np.random.default_rng([clip.text_seed, 1])
    seen = np.flatnonzero(clip.staging.is_inside.any(axis=1))
    return {int(k) + 1: _Writer(clip, rng).caption(int(k)) for k in seen}


def summary(clip: SocialClip) -> str:
    """Return what is said about the whole clip."""
    rng = np.random.default_rng([clip.text_seed, 2])
    return _Writer(clip, rng).summary()


@dataclass(frozen=True)
class _Event:
    """What somebody does, or what is done to him or her, with one or more at once."""

    kind: str
    is_active: bool
    others: tuple[int, ...]
    first: int
    thing: str
    side: str


class _Writer:
    """Writes one text; lives for one call."""

    def __init__(self, clip: SocialClip, rng: np.random.Generator) -> None:
        self.clip, self.rng = clip, rng

    # --------------------------------------------------------------------------------------------------- one person

    def caption(self, k: int) -> str:
        """Return the caption of a person."""
        low, high = CAPTION_WORDS
        events = _events(self.clip.acts, k)
        extras = self._extras(k)
        clothes = self._clothes(k)
        choice = [int(self.rng.integers(1000)) for _ in events]
        while True:
            said = self._actions(k, events, choice)
            short = f"{clothes[0]} {said}"
            if _count(short) <= high or len(events) <= 1:
                break
            dropped = min(range(len(events)), key=lambda n: (_rank(events[n].kind, events[n].is_active), -n))
            events, choice = events[:dropped] + events[dropped + 1 :], choice[:dropped] + choice[dropped + 1 :]
        text, wish = short, int(self.rng.integers(low + 1, high - 1))
        for longer in clothes[1:]:
            attempt = f"{longer} {said}"
            if _count(attempt) > high or (_count(text) >= wish):
                break
            text = attempt
        for extra in extras:
            if _count(text) >= min(wish, high - 3):
                break
            if _count(text) + _count(extra) <= high:
                text = f"{text}{extra}"
        return f"{text[0].upper()}{text[1:]}."

    def _clothes(self, k: int) -> list[str]:
        """Return the beginning of a caption, each longer than the one before."""
        actor = self.clip.cast[k]
        words = actor.words
        upper = _article(words["upper"])
        lower = words["lower"].replace("trousers", self._one("trousers", "pants"))
        lower = _article(lower) if actor.person.lower.kind == "skirt" else lower
        who = f"a {actor.noun}"
        steps = [f"{who} in {upper}", f"{who} in {upper} and {lower}"]
        more = [f"{words['shoes']} shoes"]
        if "accessory" in words:
            more.append(_article(words["accessory"]))
        self.rng.shuffle(more)
        listed = [upper, lower]
        for thing in more:
            listed = [*listed, thing]
            steps.append(f"{who} in {', '.join(listed[:-1])} and {listed[-1]}")
        hair = "a bald head" if words["hair"] == "bald" else f"{words['hair']} hair"
        steps.append(f"{steps[-1]}, with {hair}{',' if 'carried' not in words else ''}")
        if "carried" in words:
            steps.append(f"{steps[-1]} and {_article(words['carried'])},")
            steps[-2] += ","
        return steps if self.rng.random() < 0.8 else [steps[0], *steps[2:]]

    def _actions(self, k: int, events: list[_Event], choice: list[int]) -> str:
        """Return all events in one go, joined in the order of time."""
        if not events:
            return self._one("is there without doing anything with the others", "stays apart from everybody else")
        last: tuple[int, ...] | None = None
        known: set[int] = set()
        things: set[str] = set()
        parts = []
        joint = int(self.rng.integers(4))
        for n, (event, number) in enumerate(zip(events, choice, strict=True)):
            phrase = self._phrase(k, event, number, last, known, event.thing in things)
            if n == 0:
                parts.append(("first " if joint == 1 and len(events) > 1 else "") + phrase)
            elif n == len(events) - 1:
                parts.append((" and then ", ", and finally ", ", then ")[min(joint, 2)] + phrase)
            else:
                parts.append((", then ", ", next ", ", then ", ", after that ")[(joint + n) % 4] + phrase)
            last = event.others or last
            known |= set(event.others)
            things.add(event.thing)
        return "".join(parts)

    def _phrase(
        self, k: int, event: _Event, number: int, last: tuple[int, ...] | None, known: set[int], seen: bool
    ) -> str:
        me = self.clip.cast[k]
        table = _PHRASES[event.kind][0 if event.is_active else 1]
        pattern = table[number % len(table)]
        alone = len(event.others) == 1
        if alone and event.others == last and "{o}'s" not in pattern and self._clear(k, event.others[0]):
            other = _him(self.clip.cast[event.others[0]])
            if any(part in pattern for part in ("when {o}", "while {o}", "what {o}", "that {o}", "as {o}")):
                other = _he(self.clip.cast[event.others[0]])
        else:
            other = self._names(k, event.others, known)
        if " in " in other:  # not "the woman in blue's hand"
            pattern = pattern.replace("{o}'s hand", "the hand of {o}").replace("{o}'s shoulder", "the shoulder of {o}")
        plural = "them" if not alone else _him(self.clip.cast[event.others[0]])
        text = pattern.format(
            o=other, h=_his(me), m=_him(me), p=plural, t=_a_thing(event.thing, known=seen), s=event.side
        )
        return text if alone or not event.others else _plural(text, other)

    def _clear(self, k: int, other: int) -> bool:
        """Tell whether a pronoun can only mean the other."""
        cast = self.clip.cast
        return all(cast[j].is_female != cast[other].is_female for j in range(len(cast)) if j != other and j != k) and (
            cast[k].is_female != cast[other].is_female or len(cast) == 2
        )

    def _names(self, k: int, others: tuple[int, ...], known: set[int]) -> str:
        if len(others) > 1:
            nouns = [self.clip.cast[j].noun for j in others]
            return _group(nouns, definite=set(others) <= known)
        return self._name(k, others[0], known) if others else ""

    def _name(self, k: int, other: int, known: set[int]) -> str:
        """Return what somebody is called in the text about another."""
        cast = self.clip.cast
        actor = cast[other]
        alike = [j for j in range(len(cast)) if j not in (other, k) and cast[j].noun == actor.noun]
        colour = f" in {actor.person.upper.colour}"
        if other in known:
            if not alike:
                return f"the {'other ' if cast[k].noun == actor.noun else ''}{actor.noun}"
            return f"the {actor.noun}{colour}"
        first = "another" if cast[k].noun == actor.noun else "a"
        style = int(self.rng.integers(4))
        if alike or style == 0:
            return f"{first} {actor.noun}{colour}"
        if style == 1:
            return f"{first} {actor.noun} in {_article(f'{actor.person.upper.colour} {actor.person.upper.kind}')}"
        if style == 2 and first == "a" and not alike:
            return f"a {_adjective(self.rng, actor)}{actor.noun}"
        return f"{first} {actor.noun}"

    def _extras(self, k: int) -> list[str]:
        """Return more that is true, to be set behind, in the order it shall be used."""
        clip = self.clip
        frames = np.flatnonzero(clip.staging.is_inside[k])
        boxes = clip.staging.boxes_xyxy[k, frames]
        share = float((boxes[:, 0] + boxes[:, 2]).mean() / 2 / clip.scene.camera.width)
        place = self._one(*clip.setting.words)
        where = []
        if float(clip.staging.depth[k, frames].mean()) > clip.scene.near + _BACKGROUND * (
            clip.scene.far - clip.scene.near
        ):
            where.append(
                self._one(", in the background", ", far behind the others" if len(clip.cast) > 1 else ", far back")
            )
        elif share < 0.4:
            where.append(self._one(", on the left side of the picture", ", mostly on the left"))
        elif share > 0.6:
            where.append(self._one(", on the right side of the picture", ", mostly on the right"))
        else:
            where.append(self._one(", in the middle of the picture", ", near the middle"))
        extras = [f", {place}", *where]
        self.rng.shuffle(extras)
        if frames[-1] == clip.frames - 1:
            extras.append(self._one(", staying in view until the end of the video", ", and is still there at the end"))
        else:
            extras.append(self._one(", and is no longer seen at the end", ", disappearing before the video ends"))
        if len(clip.cast) == 1:
            extras.append(self._one(", with nobody else around", ", being all alone in the video"))
        elif len(clip.cast) == 2 and not _events_with_others(clip.acts, k):
            extras.append(self._one(", without minding the other person", ", paying no attention to anybody"))
        else:
            extras.append(
                self._one(
                    f", in a video of {_number(len(clip.cast))} people", f", one of {_number(len(clip.cast))} people"
                )
            )
        if clip.scene.motion.shake >= 0.8:
            extras.append(", filmed by a hand-held camera")
        else:
            extras.append(self._one(", seen by a quiet camera", ", in front of a quiet camera"))
        return extras

    # -------------------------------------------------------------------------------------------------- the whole clip

    def summary(self) -> str:
        """Return the summary."""
        low, high = SUMMARY_WORDS
        clip = self.clip
        acts = _main_acts(clip.acts)
        opening = self._opening(acts)
        ending = self._ending(acts)
        choice = {act: int(self.rng.integers(1000)) for act in acts}
        joint = int(self.rng.integers(3))
        while True:
            body = self._course(acts, choice, joint)
            text = f"{opening} {body}"
            if _count(text) <= high or len(acts) <= 1:
                break
            acts.remove(min(reversed(acts), key=lambda act: _rank(act.kind, True)))
        extras = [ending, self._camera(), self._length()]
        wish = int(self.rng.integers(low + 1, high - 4))
        for extra in extras:
            if extra and _count(text) < wish and _count(text) + _count(extra) <= high:
                text = f"{text} {extra}"
        return text

    def _opening(self, acts: list[Act]) -> str:
        clip = self.clip
        place = self._one(*clip.setting.words)
        nouns = [actor.noun for actor in clip.cast]
        who = _group(nouns, definite=False)
        several = len(nouns) > 1
        kinds = {act.kind for act in acts}
        doing = self._one(*_activity(kinds))
        style = int(self.rng.integers(3))
        if style == 0:
            return f"{place[0].upper()}{place[1:]}, {who} {'are' if several else 'is'} {doing}."
        if style == 1:
            return f"The video shows {who} {doing} {place}."
        return f"{who[0].upper()}{who[1:]} {'are' if several else 'is'} {doing} {place}."

    def _course(self, acts: list[Act], choice: dict[Act, int], joint: int) -> str:
        sentences = []
        things: set[str] = set()
        for act in acts:
            table = _SUMMARIES[act.kind]
            passive = "" if act.passive is None else self._short(act.passive)
            sentences.append(
                table[choice[act] % len(table)].format(
                    a=self._short(act.active), b=passive, t=_a_thing(act.thing, known=act.thing in things), s=act.side
                )
            )
            things.add(act.thing)
        if not sentences:
            return self._one("Nobody does anything with another.", "Nothing happens between people.")
        words = (
            ("First", ", then ", ", and finally "),
            ("At first", "; then ", "; in the end "),
            ("", ", then ", " and finally "),
        )
        start, middle, last = words[joint]
        text = f"{start} {sentences[0]}" if start and len(sentences) > 1 else sentences[0]
        for sentence in sentences[1:-1]:
            text += middle + sentence
        if len(sentences) > 1:
            text += last + sentences[-1]
        return f"{text[0].upper()}{text[1:]}."

    def _short(self, k: int) -> str:
        cast = self.clip.cast
        alike = sum(actor.noun == cast[k].noun for actor in cast)
        return f"the {cast[k].noun}" + (f" in {cast[k].person.upper.colour}" if alike > 1 else "")

    def _ending(self, acts: list[Act]) -> str:
        busy = {k for act in self.clip.acts if act.kind in KINDS for k in (act.active, act.passive)}
        idle = [k for k in range(len(self.clip.cast)) if k not in busy]
        if idle and busy:
            who = "Another person" if len(idle) == 1 else f"{_number(len(idle)).capitalize()} other people"
            verb = "has" if len(idle) == 1 else "have"
            return self._one(
                f"{who} {verb} nothing to do with the others.",
                f"{who} only {'appears' if len(idle) == 1 else 'appear'}.",
            )
        seen_last = int(self.clip.staging.is_inside[:, -1].sum())
        if seen_last == 0:
            return self._one("At the end nobody is left in the picture.", "Finally the scene is empty.")
        if seen_last < len(self.clip.cast):
            return f"At the end {_number(seen_last)} {'person is' if seen_last == 1 else 'people are'} left."
        return self._one("Everybody is still there at the end.", "Nobody has gone away when the video ends.")

    def _camera(self) -> str:
        motion = self.clip.scene.motion
        if motion.shake >= 0.8:
            return self._one("The camera is held by hand.", "It is filmed with a hand-held camera.")
        return self._one("The scene is seen from the height of a person.", "The camera looks at them from the front.")

    def _length(self) -> str:
        seconds = round(self.clip.frames / self.clip.domain.frame_rate)
        return self._one(f"All this takes about {seconds} seconds.", f"It lasts about {seconds} seconds in all.")

    def _one(self, *options: str) -> str:
        return options[int(self.rng.integers(len(options)))]


def _events(acts: list[Act], k: int) -> list[_Event]:
    """Return what concerns somebody in the order of time; the same with several at once is one, repetitions too."""
    events: list[_Event] = []
    for act in acts:
        if k not in (act.active, act.passive):
            continue
        is_active = act.active == k
        other = act.passive if is_active else act.active
        for n, event in enumerate(events):
            if event.kind != act.kind or event.is_active != is_active:
                continue
            if other is None or other in event.others:
                break
            if event.first == act.first:
                events[n] = _Event(event.kind, is_active, (*event.others, other), event.first, event.thing, event.side)
                break
        else:
            events.append(
                _Event(act.kind, is_active, () if other is None else (other,), act.first, act.thing, act.side)
            )
    events.sort(key=lambda event: event.first)
    return [
        event
        for event in events
        # both walk up to each other: once is enough; who is looked at need not notice
        if event.is_active
        or not (
            (event.kind in ("approach", "look") and _has(events, event.kind, event.others))
            or (event.kind == "leave" and _has_gone(acts, k, event))
        )
    ]


def _has(events: list[_Event], kind: str, others: tuple[int, ...]) -> bool:
    return any(event.is_active and event.kind == kind and event.others == others for event in events)


def _has_gone(acts: list[Act], k: int, event: _Event) -> bool:
    """Tell whether somebody is on the way, too, when the other leaves."""
    return any(act.kind == "leave" and act.active == k and act.first <= event.first + 1 for act in acts)


def _events_with_others(acts: list[Act], k: int) -> bool:
    return any(k in (act.active, act.passive) and act.passive is not None for act in acts)


def _main_acts(acts: list[Act]) -> list[Act]:
    """Return each kind of act once, of the same two at least, those between people if there are any."""
    between = [act for act in acts if act.passive is not None]
    kept: list[Act] = []
    for act in between or acts:
        if any(act.kind == other.kind and {act.active, act.passive} == {other.active, other.passive} for other in kept):
            continue
        if sum(act.kind == other.kind for other in kept) >= 2:
            continue
        kept.append(act)
    return kept


def _rank(kind: str, is_active: bool) -> float:
    """Return how much it matters that an act is named."""
    return (_IDLE.index(kind) if kind in _IDLE else len(_IDLE)) + (0.5 if is_active else 0.0)


def _activity(kinds: set[str]) -> tuple[str, ...]:
    """Return words for what it is mostly about."""
    for kind, words in (
        ("fight", ("fighting", "having a fight")),
        ("quarrel", ("quarrelling", "having an argument")),
        ("dance", ("dancing", "having a dance")),
        ("throw", ("playing with a ball", "playing catch")),
        ("chase", ("running about", "chasing each other")),
        ("photograph", ("taking photos", "busy with a camera")),
        ("explain", ("gathered for a talk", "listening and explaining")),
        ("push", ("having trouble with each other",)),
        ("obstruct", ("having trouble with each other",)),
        ("give", ("exchanging something", "meeting to hand something over")),
        ("embrace", ("meeting warmly", "together like friends")),
        ("applaud", ("watching a performance", "gathered around a performer")),
        ("walk_together", ("taking a walk", "walking about")),
        ("follow", ("walking about one after the other", "walking around")),
        ("collide", ("on their way", "crossing each other's way")),
        ("shake_hands", ("meeting each other", "greeting each other")),
        ("talk", ("meeting for a talk", "talking")),
        ("pass", ("on their way", "crossing each other's way")),
    ):
        if kind in kinds:
            return words
    return ("walking and standing", "spending some time")


def _group(nouns: list[str], *, definite: bool) -> str:
    """Return "a man and two women", or "the man and the two women"."""
    parts = []
    for noun in dict.fromkeys(nouns):
        count = nouns.count(noun)
        plural = {"man": "men", "woman": "women"}.get(noun, f"{noun}s")
        word = (
            f"{'the ' if definite else ''}{_number(count)} {plural}"
            if count > 1
            else f"{'the' if definite else 'a'} {noun}"
        )
        parts.append(word)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _plural(text: str, others: str) -> str:
    """Let verbs agree where several others do something."""
    for one, many in ((" leaves", " leave"), (" walks away", " walk away"), (" walks past", " walk past"),
                      (" pushes", " push"), (" explains", " explain"), (" throws", " throw"),
                      (" walks around", " walk around")):  # fmt: skip
        text = text.replace(f"{others}{one}", f"{others}{many}")
    return text.replace(f"{others}'s shoulder", f"the shoulders of {others}").replace(
        f"{others}'s hand", f"hands with {others}"
    )


def _adjective(rng: np.random.Generator, actor: Actor) -> str:
    words = actor.words["hair"]
    if words == "bald":
        return "bald "
    return str(rng.choice([f"{words.split()[1]}-haired ", f"{words.split()[0]}-haired "]))


def _a_thing(thing: str, *, known: bool) -> str:
    return "" if not thing else f"the {thing}" if known else _article(thing)


def _article(words: str) -> str:
    return f"{'an' if words[:1] in 'aeio' else 'a'} {words}"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _count(text: str) -> int:
    return len(text.split())


def _his(actor: Actor) -> str:
    return "her" if actor.is_female else "his"


def _him(actor: Actor) -> str:
    return "her" if actor.is_female else "him"


def _he(actor: Actor) -> str:
    return "she" if actor.is_female else "he"
