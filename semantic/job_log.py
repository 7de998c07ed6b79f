"""Answers on disk as they come: one line of JSON each, so that a killed run has lost none but the last.

A failed request is a line, too. Lines that are no answers are passed over with a warning; an unfinished last line, as
a kill leaves it, is cut off.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from semantic.structures import Answer, Request, Sentence

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 20_000
_KEYS = {"request", "clip", "kind", "subjects", "text", "sentences", "scores", "prompt_tokens", "new_tokens", "error"}


class JobLog:
    """The answers of one output folder, old ones and those of this run.

    Args:
        path: Of the file; made when it is not there.
        others: Files of runs that do other parts of the work; their answers are used, too.

    Attributes:
        failures: How often each request failed.
    """

    def __init__(self, path: str | Path, others: Iterable[Path] = ()) -> None:
        self._path, self._others = Path(path), tuple(others)
        self._answers: dict[str, Answer] = {}
        self._errors: dict[str, Answer] = {}
        self.failures: Counter[str] = Counter()
        self._file: BinaryIO | None = None

    def __enter__(self) -> JobLog:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for other in self._others:
            self._read(other)  # its last line may be being written
        whole = self._read(self._path)
        if self._path.is_file():
            with self._path.open("r+b") as file:
                file.truncate(whole)
        self._file = self._path.open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer of a request, or its last failure; None where it was not asked."""
        return self._answers.get(request_id) or self._errors.get(request_id)

    def is_settled(self, request_id: str, attempts: int) -> bool:
        """Tell whether a request has an answer, or failed so often that it is not asked again."""
        return request_id in self._answers or self.failures[request_id] >= attempts

    def forget_failures(self) -> None:
        """Ask failed requests again."""
        self.failures.clear()
        self._errors.clear()

    def add(self, request: Request, answer: Answer) -> None:
        """Keep an answer, and write it at once; one with probabilities that are no numbers is a failure."""
        assert self._file is not None, "used outside of its `with` block"
        if not all(math.isfinite(probability) for _, probability in answer.scores or ()):
            # half precision overflows, and JSON has no such numbers
            answer = replace(answer, scores=None, error=answer.error or "a probability that is no number")
        row = _row_of(request, answer)
        line = json.dumps(row, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        self._file.write(line.encode("ascii") + b"\n")
        self._file.flush()
        # what is used is what was written, so that a resumed run works with the same values
        self._take(json.loads(line))

    def _read(self, path: Path) -> int:
        """Remember the rows of a file; return the number of its bytes up to the end of the last whole line."""
        whole = 0
        if not path.is_file():
            return whole
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    self._take(json.loads(line))
                except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
                    logger.warning("%s:%d: not an answer, asked again (%s)", path, number, error)
        return whole

    def _take(self, row: Any) -> None:  # noqa: ANN401 - a JSON value
        """Remember a row.

        Raises:
            ValueError, LookupError, TypeError, OverflowError: it is none.
        """
        answer = _answer_of(row)
        if answer.error:
            self._errors[answer.request_id] = answer
            self.failures[answer.request_id] += 1
        else:
            self._answers[answer.request_id] = answer


def _row_of(request: Request, answer: Answer) -> dict[str, Any]:
    sentences = answer.sentences
    return {
        "request": request.request_id,
        "clip": request.clip,
        "kind": request.kind,
        "subjects": [int(one) for one in request.subjects],
        "text": answer.text[:_LONGEST_TEXT],
        "sentences": None
        if sentences is None
        else [[s.text, [int(t) for t in s.track_ids], int(s.first_frame), int(s.last_frame)] for s in sentences],
        "scores": None
        if answer.scores is None
        else [[int(a), int(b), str(label), float(p)] for (a, b, label), p in answer.scores],
        "prompt_tokens": int(answer.prompt_tokens),
        "new_tokens": int(answer.new_tokens),
        "error": answer.error[:_LONGEST_TEXT],
    }


def _answer_of(row: Mapping[str, Any]) -> Answer:
    if not isinstance(row, dict) or set(row) != _KEYS:
        raise ValueError("other keys")
    sentences, scores = row["sentences"], row["scores"]
    texts = [row["request"], row["text"], row["error"], *(one[0] for one in sentences or ())]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("no text where there should be")
    return Answer(
        request_id=row["request"],
        text=row["text"],
        sentences=None
        if sentences is None
        else tuple(Sentence(text, tuple(map(int, ids)), int(first), int(last)) for text, ids, first, last in sentences),
        scores=None if scores is None else tuple(((int(a), int(b), str(label)), float(p)) for a, b, label, p in scores),
        prompt_tokens=int(row["prompt_tokens"]),
        new_tokens=int(row["new_tokens"]),
        error=row["error"],
    )
