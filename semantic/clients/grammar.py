"""Which answers about a pair exist, and which token may come next on the way to one.

    answer := "none" | line | line newline line             each direction at most once
    line   := "P" id ">P" id ": " label (", " label)*       at most five labels, none of them twice

Nothing here knows a model: tokens are numbers, and a function turns text into them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from semantic.config import MOST_LABELS
from sushi_lg.errors import ConfigError

_NONE = "none"
_Tokens = tuple[int, ...]


@dataclass(frozen=True)
class _Place:
    """Between two pieces of an answer.

    Attributes:
        closed: directions that have been written, 0 for first to second, 1 for second to first.
        direction: the one being written; -1 before the first, 2 after ``none``.
        used: labels of it, by number, in the order written.
        due: a label has to come next.
    """

    closed: frozenset[int] = frozenset()
    direction: int = -1
    used: frozenset[int] = frozenset()
    due: bool = False

    @property
    def is_end(self) -> bool:
        return self.direction >= 0 and not self.due


class PairGrammar:
    """The answers about one pair as sequences of tokens.

    Args:
        subjects: the two track ids.
        options: labels; at least one, no two alike.
        encode: turns text into tokens, adding none of its own; pieces of text must be pieces of tokens, as they are in
            tokenizers that work on bytes.
        decode: the way back, with which the former is checked.
        stops: tokens that end an answer.
        limit: most tokens of an answer, the one that ends it not counted.

    Raises:
        ConfigError: pieces do not add up in this tokenizer, or the limit has no room for one label.
    """

    def __init__(
        self,
        subjects: Sequence[int],
        options: Sequence[str],
        encode: Callable[[str], Sequence[int]],
        decode: Callable[[Sequence[int]], str],
        stops: Sequence[int],
        limit: int,
    ) -> None:
        heads = _heads(subjects)
        self._stops = tuple(stops)
        self._limit = limit
        self._none = tuple(encode(_NONE))
        self._heads = [tuple(encode(head)) for head in heads]
        self._breaks = [tuple(encode(f"\n{head}")) for head in heads]
        self._comma = tuple(encode(","))
        self._labels = [tuple(encode(f" {option}")) for option in options]
        whole = f"{heads[0]} {', '.join(options)}\n{heads[1]} {options[-1]}"
        labels = [piece for label in self._labels for piece in (self._comma, label)][1:]
        pieces = [self._heads[0], *labels, self._breaks[1], self._labels[-1]]
        if decode(list(itertools.chain(*pieces))) != whole or len(set(self._labels)) < len(options):
            raise ConfigError(
                "the tokenizer does not write an answer as the sum of its pieces, so it cannot be constrained",
                "let the model write freely: constrained=false",
            )
        self._below = self._trie()
        shortest = max(map(len, self._heads)) + min(map(len, self._labels))
        if limit < max(shortest, len(self._none)):
            raise ConfigError(f"{limit} tokens are not enough for one label", f"ask for at least {shortest}")
        self._seen: dict[_Tokens, frozenset[tuple[_Place, _Tokens]]] = {(): frozenset({(_Place(), ())})}

    def allowed(self, tokens: Sequence[int]) -> list[int]:
        """Return the tokens that may follow those written so far, sorted; those that end where nothing else may."""
        written = tuple(tokens)
        room = self._limit - len(written)
        following: set[int] = set()
        for place, begun in self._at(written):
            if not begun and place.is_end:
                following.update(self._stops)
            if place.due:
                following.update(self._label_tokens(place, begun, room))
                continue
            for piece, after in self._pieces(place):
                if piece[: len(begun)] == begun and len(piece) - len(begun) + self._needs(after) <= room:
                    following.add(piece[len(begun)])
        return sorted(following or self._stops)

    def _at(self, written: _Tokens) -> frozenset[tuple[_Place, _Tokens]]:
        """Return where an answer can be after these tokens: places, each with the piece that is begun."""
        if written not in self._seen:
            self._seen[written] = frozenset(self._steps(self._at(written[:-1]), written[-1]))
        return self._seen[written]

    def _steps(self, at: frozenset[tuple[_Place, _Tokens]], token: int) -> Iterator[tuple[_Place, _Tokens]]:
        for place, begun in at:
            longer = (*begun, token)
            if place.due:
                below = self._below.get(longer, frozenset()) - place.used
                yield from (
                    (_Place(place.closed, place.direction, place.used | {label}), ())
                    for label in below
                    if self._labels[label] == longer
                )
                if any(len(self._labels[label]) > len(longer) for label in below):
                    yield place, longer
                continue
            for piece, after in self._pieces(place):
                if piece == longer:
                    yield after, ()
                elif piece[: len(longer)] == longer:
                    yield place, longer

    def _pieces(self, place: _Place) -> Iterator[tuple[_Tokens, _Place]]:
        """Yield what may come where no label is due, and where it leads."""
        if place.direction == -1:
            yield self._none, _Place(frozenset({0, 1}), 2)
            for direction, head in enumerate(self._heads):
                yield head, _Place(frozenset({direction}), direction, due=True)
        elif place.direction < 2:
            if len(place.used) < min(MOST_LABELS, len(self._labels)):
                yield self._comma, _Place(place.closed, place.direction, place.used, due=True)
            other = 1 - place.direction
            if other not in place.closed:
                yield self._breaks[other], _Place(frozenset({0, 1}), other, due=True)

    def _needs(self, place: _Place) -> int:
        """Return how many tokens it takes at least to come to an end from a place."""
        if not place.due:
            return 0
        return min(len(label) for number, label in enumerate(self._labels) if number not in place.used)

    def _label_tokens(self, place: _Place, begun: _Tokens, room: int) -> Iterator[int]:
        for number in self._below.get(begun, frozenset()) - place.used:
            label = self._labels[number]
            if len(begun) < len(label) <= len(begun) + room:
                yield label[len(begun)]

    def _trie(self) -> dict[_Tokens, frozenset[int]]:
        """Return the numbers of the labels that begin with each beginning of a label."""
        below: dict[_Tokens, set[int]] = {}
        for number, label in enumerate(self._labels):
            for end in range(len(label) + 1):
                below.setdefault(label[:end], set()).add(number)
        return {begun: frozenset(numbers) for begun, numbers in below.items()}


def pair_pattern(subjects: Sequence[int], options: Sequence[str]) -> str:
    """Return a regular expression of the answers, for servers that decode by one.

    It cannot say that no label comes twice; who parses the answer drops repeats.
    """
    label = f"(?:{'|'.join(re.escape(option) for option in options)})"
    first, second = (f"{re.escape(head)} {label}(?:, {label}){{0,{MOST_LABELS - 1}}}" for head in _heads(subjects))
    return f"(?:{_NONE}|{first}(?:\\n{second})?|{second}(?:\\n{first})?)"


def _heads(subjects: Sequence[int]) -> tuple[str, str]:
    first, second = subjects
    return f"P{first}>P{second}:", f"P{second}>P{first}:"
