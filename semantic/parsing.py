"""What an answer says, strictly: labels of the vocabulary, people who are there, and plain text of one line.

Answers come from models and are not trusted. What can be understood is repaired, what cannot is dropped, and every
repair and every drop is counted by kind; functions of this module never raise. Counts begin with ``repaired:``,
``dropped:`` or ``unparsable:``.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from semantic.bensmot.vocabulary import LABELS, canonical, is_symmetric, label_of, lemma, surface
from semantic.config import DescribeConfig
from semantic.shortlist import Shortlist
from semantic.structures import Answer, Clip, Interaction, Request, Sentence
from sushi_lg.errors import DataError

_LONGEST_ANSWER = 8000  # letters; nobody reads on
_LONGEST_LABEL = 80
_LONGEST_WORD = 40
_SIMILAR = 0.75  # cosine of letter triples, from which a phrase is taken for another
_MOST_SENTENCES = {"summary": 3, "instance": 2}

_OPEN = r"<\s*(?:think|thinking|reasoning)\s*>"
_CLOSE = r"<\s*/\s*(?:think|thinking|reasoning)\s*>"
_MARKUP = re.compile(r"<[^<>]{0,60}>|[*_`#~]+|^\s*[-\u2022]\s+")
_PREFIX = re.compile(r"^\W{0,3}(?:answer|caption|summary|description|output)\s*:\s*", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(]?[A-Z0-9])")
_MENTION = re.compile(r"\bP\s?(\d{1,9})\b")
_LINE = re.compile(r"^\W*P\s?(\d{1,9})\s*(?:-+>|=+>|>|\u2192|\bto\b)\s*P\s?(\d{1,9})\s*[:=]\s*(.*)$", re.IGNORECASE)
_NOTHING = re.compile(r"^\W*(?:none|nothing|no label holds|no labels?|n/a)\W*$", re.IGNORECASE)


@dataclass(frozen=True)
class Parsed:
    """What remains of one answer.

    Attributes:
        sentences: Of free text.
        interactions: Of a pair.
        counts: Of repairs and drops.
    """

    sentences: tuple[Sentence, ...]
    interactions: tuple[Interaction, ...]
    counts: Counter[str]


def parse(answer: Answer, request: Request, clip: Clip, config: DescribeConfig, source: str) -> Parsed:
    """Return what an answer says.

    Args:
        answer: Without ``error``.
        request: The question.
        clip: It is about.
        config: Lengths and thresholds.
        source: ``rules`` or ``mllm``, who answered.
    """
    if request.kind == "pair":
        return _parse_pair(answer, request, clip, config, source)
    return _parse_text(answer, request, clip, config)


def without_thinking(text: str) -> tuple[str, Counter[str]]:
    """Return what follows the thoughts some models write first, and what was done; nothing where they do not end."""
    closed = re.split(_CLOSE, text, flags=re.IGNORECASE)
    if len(closed) > 1:
        return closed[-1], Counter({"repaired: thinking removed": 1})
    opened = re.split(_OPEN, text, maxsplit=1, flags=re.IGNORECASE)
    if len(opened) > 1:
        return opened[0], Counter({"repaired: thinking that does not end removed": 1})
    return text, Counter()


def clean_line(text: str) -> tuple[str, Counter[str]]:
    """Return text as one line without control characters, marks of direction, markup and overlong words; and counts."""
    counts: Counter[str] = Counter()
    text = unicodedata.normalize("NFC", text[:_LONGEST_ANSWER])
    # the replacement character stands for bytes of a model that are no text
    if any(
        letter == "\ufffd" or (unicodedata.category(letter)[0] == "C" and letter not in "\n\r\t") for letter in text
    ):
        counts["repaired: control characters"] += 1
    text = text.replace("\ufffd", " ")
    # marks within words (Cf) join them, controls (Cc) part them
    text = "".join(
        letter if unicodedata.category(letter)[0] != "C" else " " if unicodedata.category(letter) == "Cc" else ""
        for letter in text
    )
    plain = _MARKUP.sub(" ", text)
    if plain != text:
        counts["repaired: markup"] += 1
    plain = plain.replace("<", " ").replace(">", " ")
    words = plain.split()
    if any(len(word) > _LONGEST_WORD for word in words):
        counts["repaired: overlong words"] += 1
    return " ".join(word[:_LONGEST_WORD] for word in words), counts


def match_label(text: str, offered: Collection[str] = ()) -> tuple[tuple[str, ...], str]:
    """Return the labels that a piece of text means, and how that was found.

    Tried in this order: the name itself, a known misspelling, the phrase of a label, the first word as a lemma (an
    offered label first, then a common one), the phrase most like it. Nothing fits: no labels.

    Args:
        text: One item of an answer.
        offered: Labels of the request, canonical.

    Returns:
        Canonical names, and '', 'alias', 'phrase', 'lemma', 'similar' or 'unknown'.
    """
    tidy = " ".join(text[:_LONGEST_LABEL].lower().split()).strip(" .;:'\"()")
    # an option may come back together with its phrase: 'talk.v.01: talks to', 'talk.v.01 (talks to)'
    named = re.match(r"([a-z_]+\.[a-z]\.\d+)\W", tidy + " ")
    candidate = named[1] if named else tidy
    try:
        labels = canonical(candidate)
        return labels, "" if text.strip() == labels[0] else "alias"
    except DataError:
        pass
    by_phrase = label_of(tidy)
    if by_phrase is not None:
        return (by_phrase,), "phrase"
    for form in _forms(tidy):
        senses = _labels_by_lemma().get(form)
        if senses:
            common = Shortlist().general
            return (min(senses, key=lambda one: (one not in offered, _place(one, common), one)),), "lemma"
    nearest, likeness = _most_similar(tidy)
    return ((nearest,), "similar") if likeness >= _SIMILAR else ((), "unknown")


def propagate(interactions: Sequence[Interaction], factor: float) -> tuple[Interaction, ...]:
    """Return interactions, and for what two people necessarily do to each other also the other direction.

    Args:
        interactions: Of a clip.
        factor: On the probability of what is added; 0 adds nothing.

    Returns:
        Sorted by (active, passive, label).
    """
    known = {(one.active, one.passive, one.label) for one in interactions}
    added = [
        replace(
            one,
            active=one.passive,
            passive=one.active,
            probability=one.probability * factor,
            source="symmetry",
            raw="",
        )
        for one in interactions
        if factor > 0 and is_symmetric(one.label) and (one.passive, one.active, one.label) not in known
    ]
    return tuple(sorted([*interactions, *added], key=lambda one: (one.active, one.passive, one.label)))


# -------------------------------------------------------------------------------------------------------- free text


def _parse_text(answer: Answer, request: Request, clip: Clip, config: DescribeConfig) -> Parsed:
    counts: Counter[str] = Counter()
    if answer.sentences is not None:
        kept = tuple(one for one in (_checked(one, clip, counts) for one in answer.sentences) if one is not None)
        return Parsed(kept, (), counts)
    text, removed = without_thinking(answer.text[:_LONGEST_ANSWER])
    counts += removed
    text, cleaned = clean_line(text)
    counts += cleaned
    bare = _PREFIX.sub("", text).strip().strip("\"'").strip()
    if bare != text:
        counts["repaired: prefix or quotes"] += 1
    if not any(letter.isalpha() for letter in bare):
        return Parsed((), (), counts + Counter({f"unparsable: {request.kind}": 1}))
    known = {track.track_id for track in clip.tracks}
    texts = []
    for piece in _shortened(_END.split(bare), request.kind, config.text.words, counts):
        mentioned = [int(number) for number in _MENTION.findall(piece)]
        if set(mentioned) <= known:
            texts.append((piece, tuple(dict.fromkeys(mentioned))))
        else:
            counts["dropped: sentence about nobody"] += 1
    first, last = _span(request, clip)
    sentences = tuple(
        Sentence(
            text, mentioned if request.kind == "summary" and mentioned else _about(request, mentioned), first, last
        )
        for text, mentioned in texts
    )
    return Parsed(sentences, (), counts)


def _about(request: Request, mentioned: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys([*request.subjects, *mentioned]))


def _shortened(pieces: Sequence[str], kind: str, most_words: int, counts: Counter[str]) -> list[str]:
    """Return sentences without repetitions, no more than there may be, each with an end."""
    different = list(dict.fromkeys(piece.strip() for piece in pieces if piece.strip()))
    if len(different) < len(pieces):
        counts["repaired: repeated sentence"] += 1
    if len(different) > 1 and different[-1][-1] not in ".!?\"')":
        different.pop()  # the budget of tokens ended before the sentence did
        counts["repaired: unfinished sentence"] += 1
    if len(different) > _MOST_SENTENCES.get(kind, 3):
        different = different[: _MOST_SENTENCES.get(kind, 3)]
        counts["repaired: too many sentences"] += 1
    kept: list[str] = []
    room = most_words
    for piece in different:
        words = piece.split()
        if len(words) <= room:
            kept.append(piece)
            room -= len(words)
            continue
        counts["repaired: too long"] += 1
        if not kept:
            kept.append(" ".join(words[:room]).rstrip(",;:") + ".")
        break
    if kept and kept[-1][-1] not in ".!?\"')":
        kept[-1] += "."
        counts["repaired: unfinished sentence"] += 1
    return kept


def _checked(sentence: Sentence, clip: Clip, counts: Counter[str]) -> Sentence | None:
    """Return a sentence of a describer that knows what it is about, made harmless; None if it cannot be."""
    if not set(sentence.track_ids) <= {track.track_id for track in clip.tracks}:
        counts["dropped: sentence about nobody"] += 1
        return None
    if not 0 <= sentence.first_frame <= sentence.last_frame < clip.length:
        counts["dropped: sentence about frames that are not there"] += 1
        return None
    text, cleaned = clean_line(sentence.text)
    counts += cleaned  # in place: the caller's
    if not text:
        counts["dropped: empty sentence"] += 1
        return None
    return replace(sentence, text=text)


# ------------------------------------------------------------------------------------------------------------ pairs


def _parse_pair(answer: Answer, request: Request, clip: Clip, config: DescribeConfig, source: str) -> Parsed:
    counts: Counter[str] = Counter()
    together = _together(clip, request.subjects)
    found: dict[tuple[int, int, str], Interaction] = {}
    if answer.scores is not None:
        # rules have a threshold of their own, because their probabilities are measured
        least, kind = (0.0, source) if source == "rules" else (config.threshold, "scores")
        for number, ((active, passive, label), probability) in enumerate(answer.scores):
            if label not in LABELS:
                counts["dropped: unknown label"] += 1
            elif not _is_probability(probability):
                counts["dropped: no probability"] += 1
            elif probability >= least:
                first, last = _span_of_score(answer, number, request, clip)
                one = Interaction(active, passive, label, float(probability), first, last, kind)
                _add(found, one, request, together, counts)
        return Parsed((), _most(found, config.text.labels, counts), counts)
    text, removed = without_thinking(answer.text[:_LONGEST_ANSWER])
    counts += removed
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()]
    understood = 0
    for line in lines:
        cleaned = "".join(letter for letter in line if unicodedata.category(letter)[0] != "C").strip().strip("`*")
        if _NOTHING.match(cleaned):
            understood += 1
            continue
        match = _LINE.match(cleaned)
        if match is None:
            counts["dropped: line that is no answer"] += 1
            continue
        understood += 1
        active, passive = int(match[1]), int(match[2])
        if _NOTHING.match(match[3]) or not match[3].strip():
            continue
        first, last = _span(request, clip)
        for item in re.split(r"[,;]|\band\b", match[3]):
            if not item.strip():
                continue
            labels, how = match_label(item, request.options)
            if how:
                counts[f"repaired: label by {how}" if labels else "dropped: unknown label"] += 1
            for label in labels:
                raw = item.strip()[:_LONGEST_LABEL] if how else ""
                one = Interaction(active, passive, label, 1.0, first, last, source, raw=raw)
                _add(found, one, request, together, counts)
    if not understood:
        return Parsed((), (), counts + Counter({"unparsable: pair": 1}))
    return Parsed((), _most(found, config.text.labels, counts), counts)


def _add(
    found: dict[tuple[int, int, str], Interaction],
    one: Interaction,
    request: Request,
    together: bool,
    counts: Counter[str],
) -> None:
    """Add an interaction that may be, or count why it may not."""
    key = one.active, one.passive, one.label
    if one.active == one.passive:
        counts["dropped: with oneself"] += 1
    elif {one.active, one.passive} != set(request.subjects):
        counts["dropped: about others"] += 1
    elif not together:
        counts["dropped: never seen together"] += 1
    elif key in found:
        counts["repaired: label twice"] += 1
        if one.probability > found[key].probability:
            found[key] = replace(one, request_id=request.request_id)
    else:
        if request.options and one.label not in request.options:
            counts["repaired: label that was not offered"] += 1
        found[key] = replace(one, request_id=request.request_id)


def _most(found: dict[tuple[int, int, str], Interaction], most: int, counts: Counter[str]) -> tuple[Interaction, ...]:
    """Return the most probable labels of each direction, as many as may be; of equal ones those said first."""
    kept = []
    for direction in sorted({key[:2] for key in found}):
        mine = [one for key, one in found.items() if key[:2] == direction]
        mine.sort(key=lambda one: -one.probability)
        if len(mine) > most:
            counts["repaired: too many labels"] += 1
        kept += mine[:most]
    return tuple(sorted(kept, key=lambda one: (one.active, one.passive, one.label)))


def _span_of_score(answer: Answer, number: int, request: Request, clip: Clip) -> tuple[int, int]:
    """Return the frames of the sentence behind a score, where there is one for each; else those the request shows."""
    told = answer.sentences or ()
    if len(told) == len(answer.scores or ()) and 0 <= told[number].first_frame <= told[number].last_frame < clip.length:
        return told[number].first_frame, told[number].last_frame
    return _span(request, clip)


def _together(clip: Clip, subjects: Sequence[int]) -> bool:
    """Tell whether two people are known in one frame."""
    frames = [set(track.frame.tolist()) for track in clip.tracks if track.track_id in subjects]
    return len(frames) == 2 and bool(frames[0] & frames[1])


def _is_probability(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1


def _span(request: Request, clip: Clip) -> tuple[int, int]:
    """Return the first and the last frame a request shows; of the whole clip where it shows none."""
    shown = [view.frame for view in request.views]
    return (min(shown), max(shown)) if shown else (0, max(clip.length - 1, 0))


# ----------------------------------------------------------------------------------------------------------- labels


@functools.cache
def _labels_by_lemma() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for label in LABELS:
        found.setdefault(lemma(label).replace("_", " "), []).append(label)
    return {key: tuple(labels) for key, labels in found.items()}


def _forms(text: str) -> list[str]:
    """Return what may be the lemma of a phrase: all of it, its first word, and that without an ending."""
    text = re.sub(r"\.[a-z](?:\.\d*)?$", "", text).replace("_", " ").strip()
    words = text.split()
    if not words:
        return []
    word = words[0]
    forms = [text, " ".join(words[:2]), word]
    for ending, instead in (("ies", "y"), ("es", ""), ("s", ""), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            forms.append(word.removesuffix(ending) + instead)
    return forms


def _place(label: str, common: Sequence[str]) -> int:
    return common.index(label) if label in common else len(common)


def _most_similar(text: str) -> tuple[str, float]:
    """Return the label whose phrase has the most letter triples in common with a text, and their cosine."""
    mine = _triples(text)
    best, likeness = "", 0.0
    for label, theirs in _triples_of_labels():
        value = _cosine(mine, theirs)
        if value > likeness + 1e-12:
            best, likeness = label, value
    return best, likeness


@functools.cache
def _triples_of_labels() -> tuple[tuple[str, Counter[str]], ...]:
    whole_first = sorted(LABELS, key=lambda label: (label.endswith((".0", ".1")), label))
    return tuple((label, _triples(surface(label))) for label in whole_first)


def _triples(text: str) -> Counter[str]:
    padded = f"  {text} "
    return Counter(padded[k : k + 3] for k in range(len(padded) - 2))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    dot = sum(count * other[key] for key, count in one.items())
    norm = math.sqrt(sum(c * c for c in one.values()) * sum(c * c for c in other.values()))
    return dot / norm if norm else 0.0
