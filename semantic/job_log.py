"""Answers on disk as they come: one line of JSON each, so that a killed run has lost none but the last.

A failed request is a line, too. Lines that are no answers are passed over with a warning; an unfinished last line, as
a kill leaves it, is cut off. In memory is only where each answer stands: a run over thousands of clips has far more to
say than to remember.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
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
        # where the line of each request stands: file and byte
        self._answers: dict[str, tuple[int, int]] = {}
        self._errors: dict[str, tuple[int, int]] = {}
        self.failures: Counter[str] = Counter()
        self._file: BinaryIO | None = None
        self._readers: list[BinaryIO] = []  # of the others, and last of our own
        self._open = ExitStack()

    def __enter__(self) -> JobLog:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        with ExitStack() as opened:
            for path in (*(other for other in self._others if other.is_file()), self._path):
                self._readers.append(opened.enter_context(path.open("rb")))
                whole = self._read(path)  # the last line of others may be being written
            os.truncate(self._path, whole)
            self._file = opened.enter_context(self._path.open("ab"))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._file, self._readers = None, []

    def answer(self, request_id: str) -> Answer | None:
        """Return the answer of a request, or its last failure; None where it was not asked."""
        place = self._answers.get(request_id, self._errors.get(request_id))
        if place is None:
            return None
        number, start = place
        self._readers[number].seek(start)
        return _answer_of(json.loads(self._readers[number].readline()))

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
        start = self._file.tell()
        self._file.write(line.encode("ascii") + b"\n")
        self._file.flush()
        # what is used is what was written, so that a resumed run works with the same values
        self._take(json.loads(line), start)

    def _read(self, path: Path) -> int:
        """Note where the rows of the newest file stand; return its bytes up to the end of the last whole line."""
        whole = 0
        for number, line in enumerate(self._readers[-1], start=1):
            if not line.endswith(b"\n"):
                break
            try:
                self._take(json.loads(line), whole)
            except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
                logger.warning("%s:%d: not an answer, asked again (%s)", path, number, error)
            whole += len(line)
        return whole

    def _take(self, row: Any, start: int) -> None:  # noqa: ANN401 - a JSON value
        """Note where a row of the newest file stands.

        Raises:
            ValueError, LookupError, TypeError, OverflowError: it is none.
        """
        answer = _answer_of(row)
        place = (len(self._readers) - 1, start)
        if answer.error:
            self._errors[answer.request_id] = place
            self.failures[answer.request_id] += 1
        else:
            self._answers[answer.request_id] = place


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
