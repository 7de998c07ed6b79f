"""Texts are as long as BenSMOT's, say what happens and nothing else, and do not repeat each other."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from sushi_lg.simulation.social.acts import KINDS
from sushi_lg.simulation.social.texts import captions, summary
from sushi_lg.simulation.social.world import SocialClip, SocialDomain, simulate_social

# a word of every way to say it
WORDS = {
    "applaud": "applau|claps",
    "approach": "approach|walks up|comes closer|come closer|goes over",
    "beckon": "beckon|over",
    "chase": "chase|after|runs away|flees",
    "circle": "circle|around",
    "collide": "runs into|bumps|collides",
    "dance": "dance",
    "embrace": "embrace|hug",
    "explain": "explain|talk|listen",
    "fight": "fight|punches",
    "follow": "follow|behind|ahead",
    "give": "hands|gives|passes|receives|takes|given",
    "hold_hands": "hand",
    "leave": "leave|away|left by|behind|remains|goes",
    "look": "look|watch",
    "obstruct": "block|stop|obstruct|let through",
    "pass": "past|pass",
    "photograph": "photo|pictures|poses",
    "point": "point",
    "pull": "pull|dragged",
    "push": "push",
    "quarrel": "quarrel|argue",
    "shake_hands": "hand",
    "talk": "talk|conversation|chat",
    "throw": "throw|toss|catches",
    "touch": "shoulder",
    "walk_together": "walk",
    "wave": "wave",
}


@pytest.fixture(scope="module")
def clips() -> list[SocialClip]:
    return [simulate_social(SocialDomain(), split="texts", number=number) for number in range(1, 81)]


def test_there_are_words_for_everything() -> None:
    assert WORDS.keys() == KINDS.keys()


def test_captions_are_of_everybody_and_of_the_right_length(clips: list[SocialClip]) -> None:
    lengths = []
    for clip in clips:
        said = captions(clip)
        assert list(said) == [int(k) + 1 for k in np.flatnonzero(clip.staging.is_inside.any(axis=1))]
        for one, text in said.items():
            actor = clip.cast[one - 1]
            assert re.match(rf"A {actor.noun} in an? ", text), text
            assert actor.words["upper"] in text and text.endswith(".") and "  " not in text and "{" not in text
            lengths.append(len(text.split()))
    assert min(lengths) >= 28 and max(lengths) <= 45 and np.mean(np.array(lengths) >= 30) > 0.97


def test_summaries_name_the_place_and_are_of_the_right_length(clips: list[SocialClip]) -> None:
    for clip in clips:
        text = summary(clip)
        assert 22 <= len(text.split()) <= 45, text
        assert any(words in text.lower() for words in clip.setting.words), text
        assert all(actor.noun[:2] in text for actor in clip.cast)


def test_what_somebody_is_said_to_do_happens(clips: list[SocialClip]) -> None:
    """Every act that a caption can only mean one way is among those of the person."""
    only = {"hugs": "embrace", "quarrels": "quarrel", "photographs": "photograph", "dances": "dance", "pushes": "push"}
    for clip in clips:
        for one, text in captions(clip).items():
            kinds = {act.kind for act in clip.acts if one - 1 in (act.active, act.passive)}
            for word, kind in only.items():
                assert word not in text or kind in kinds, text


@pytest.mark.parametrize("kind", ["embrace", "quarrel", "give", "dance", "photograph", "push", "fight", "explain"])
def test_what_matters_is_said(clips: list[SocialClip], kind: str) -> None:
    met = 0
    for clip in clips:
        texts = captions(clip)
        acts = [act for act in clip.acts if act.kind == kind]
        for act in acts:
            for one in (act.active, act.passive):
                assert one is not None
                found = re.search(WORDS[kind], texts[one + 1])
                # somebody with very many acts has not room for all of them
                own = {(a.kind, a.passive) for a in clip.acts if one in (a.active, a.passive) and a.passive is not None}
                assert found or len(own) > 5, f"{act}: {texts[one + 1]}"
                met += 1
    assert met > 0, "no such act in these clips"


def test_words_vary(clips: list[SocialClip]) -> None:
    texts = [text for clip in clips for text in captions(clip).values()]
    assert len(set(texts)) == len(texts)
    endings = Counter(" ".join(text.split()[-6:]) for text in texts)
    assert endings.most_common(1)[0][1] <= len(texts) * 0.08
    words = Counter(word for text in texts for word in text.lower().split())
    assert len(words) > 180


def test_the_same_clip_has_the_same_words() -> None:
    first, second = (simulate_social(SocialDomain(), number=5) for _ in range(2))
    assert captions(first) == captions(second) and summary(first) == summary(second)
