"""A model behind a server that speaks the OpenAI chat protocol, such as vLLM.

Requests go out side by side and come back in any order; pictures are drawn in the caller's thread, as video decoders
ask for. A refusal that may pass (429, 5xx, no answer in time, an answer that is none) is tried again after a wait that
doubles, or that the server names. The key is read from an environment variable for every request: it is in no field, no
message and no log, and is not sent where a server redirects to.
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import json
import logging
import math
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semantic.clients.grammar import pair_pattern
from semantic.clients.protocol import Question, Reply, clipped, plain
from semantic.clients.settings import ServerSettings, shown_address
from sushi_lg.errors import ConfigError, DataError, WeightsError
from sushi_lg.language.hub import digest, first_line

logger = logging.getLogger(__name__)

_VERSION = 1  # of what is sent; raise it when replies change
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403, 404, 405})  # whatever is asked
_LONGEST_BODY = 4 * 2**20
_LONGEST_WAIT = 60.0
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class _Outcome:
    """Of one request: the first choice and how many tokens, or why there is none."""

    choice: Mapping[str, Any] | None
    prompt_tokens: int = 0
    new_tokens: int = 0
    error: str = ""


class _Failed(Exception):
    """An attempt that came to nothing; ``after`` seconds the server asks to wait, if it says so."""

    def __init__(self, message: str, *, again: bool, after: float | None = None, is_silence: bool = False) -> None:
        self.message, self.again, self.after, self.is_silence = message, again, after, is_silence
        super().__init__(message)


class ServerClient:
    """See the protocol ``Client``.

    Args:
        model: as the server calls it.
        settings: where it is and how it is asked.
        sleep: what waits; tests count instead.

    Attributes:
        counts: ``requests``, ``attempts``, ``retries`` by reason (``retried_429``, ``retried_silence``, ...).

    Raises:
        ConfigError: settings out of range.
    """

    name = "server"

    def __init__(
        self, model: str, settings: ServerSettings | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings = settings or ServerSettings()
        self.settings.validate()
        self._model = model
        self._sleep = sleep
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._heard = False  # of the server, ever
        self.counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.fingerprint = digest(
            "server", _VERSION, model, self.settings.revision, self.settings.guidance, _JPEG_QUALITY
        )
        parts = urllib.parse.urlsplit(self.settings.base_url)
        if self._key() and parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            logger.warning("%s: the key travels unencrypted; use https", parts.hostname)

    def ask(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Yield one reply a question, as they come.

        Raises:
            WeightsError: the server cannot be reached at all.
            ConfigError: it refuses the key, or knows no such model.
        """
        waiting: dict[Future[_Outcome], tuple[Question, int]] = {}
        outcomes: dict[str, dict[int, _Outcome]] = {}
        pool = ThreadPoolExecutor(self.settings.concurrency, thread_name_prefix="ask")
        try:
            for question in questions:
                try:
                    pictures = [_data_url(picture) for picture in question.pictures()]
                except DataError as error:
                    yield Reply(question.question_id, error=error.message)
                    continue
                for place, statement in enumerate(question.statements or ("",)):
                    # a few more than are under way, so that drawn pictures do not pile up
                    while len(waiting) >= 2 * self.settings.concurrency:
                        yield from self._collected(waiting, outcomes)
                    body = self._body(question, pictures, statement)
                    waiting[pool.submit(self._request, body)] = question, place
            while waiting:
                yield from self._collected(waiting, outcomes)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    # ------------------------------------------------------------------------------------------------------- asking

    def _collected(
        self, waiting: dict[Future[_Outcome], tuple[Question, int]], outcomes: dict[str, dict[int, _Outcome]]
    ) -> Iterator[Reply]:
        """Wait for some requests; yield the replies to questions that need no more."""
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            question, place = waiting.pop(future)
            found = outcomes.setdefault(question.question_id, {})
            found[place] = future.result()
            if len(found) == max(len(question.statements), 1):
                yield _reply(question, [found[number] for number in range(len(found))])
                del outcomes[question.question_id]

    def _body(self, question: Question, pictures: Sequence[str], statement: str) -> bytes:
        """Return what is sent: system text and pictures first, so that servers can reuse what they have read."""
        text = "\n".join(plain(part) for part in (question.prompt, statement) if part)
        shown = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
        body: dict[str, object] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": plain(question.system)},
                {"role": "user", "content": [*shown, {"type": "text", "text": text}]},
            ],
            "max_tokens": 1 if statement else question.max_new_tokens,
            "temperature": 0,
        }
        if statement:
            body |= {"logprobs": True, "top_logprobs": 20}
        if self.settings.guidance != "none":
            body["chat_template_kwargs"] = {"enable_thinking": False}
            if statement:
                body |= self._guide("choice", ["yes", "no"])
            elif question.options:
                body |= self._guide("regex", pair_pattern(question.subjects, question.options))
        return json.dumps(body).encode()

    def _guide(self, kind: str, value: object) -> dict[str, object]:
        if self.settings.guidance == "guided":
            return {f"guided_{kind}": value}
        return {"structured_outputs": {kind: value}}

    def _request(self, body: bytes) -> _Outcome:
        """Return what became of a request after all attempts it takes."""
        self._count("requests")
        pause = self.settings.first_wait_seconds
        for attempt in range(1, self.settings.attempts + 1):
            self._count("attempts")
            try:
                found = self._attempt(body)
                self._heard = True
                return found
            except _Failed as failure:
                self._heard = self._heard or not failure.is_silence
                if not failure.again:
                    return _Outcome(None, error=failure.message)
                if attempt == self.settings.attempts:
                    if not self._heard:
                        address = shown_address(self.settings.base_url)
                        raise WeightsError(
                            f"{address}: no answer in {attempt} attempts ({failure.message})",
                            "start the server, or set server.base_url",
                        ) from failure
                    return _Outcome(None, error=f"{failure.message}, {attempt} times")
                seconds = min(max(pause, failure.after or 0.0), _LONGEST_WAIT)
                logger.info("%s; again in %.1f s", failure.message, seconds)
                self._count(f"retried_{failure.message.split()[0]}")
                self._sleep(seconds)
                pause *= 2
        raise AssertionError("every attempt returns, raises or is followed by another")

    def _count(self, what: str) -> None:
        with self._counting:
            self.counts[what] += 1

    def _attempt(self, body: bytes) -> _Outcome:
        """Return what a server answers.

        Raises:
            _Failed: it does not, not in time, or not as agreed.
            ConfigError: it refuses whatever is asked.
        """
        headers = {"Content-Type": "application/json"}
        if self._key():
            headers["Authorization"] = f"Bearer {self._key()}"
        url = f"{self.settings.base_url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(url, data=body, headers=headers)
        try:
            with self._opener.open(request, timeout=self.settings.timeout_seconds) as response:
                return _parsed(self._read(response))
        except urllib.error.HTTPError as error:
            said = self._said(error)
            if error.code in _REFUSED:
                raise ConfigError(
                    f"{shown_address(self.settings.base_url)}: status {error.code}{said}",
                    f"check server.base_url, the model's name {self._model!r} and the key in the environment variable "
                    f"{self.settings.key_variable}",
                ) from None
            after = _after(error.headers.get("Retry-After"))
            raise _Failed(f"{error.code}{said}", again=error.code in _AGAIN, after=after) from None
        except (OSError, http.client.HTTPException) as error:  # URLError and time-outs among them
            reason = getattr(error, "reason", error)
            said = self._clean(first_line(reason) if isinstance(reason, Exception) else str(reason))
            raise _Failed(f"silence ({said})", again=True, is_silence=True) from None

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Return what is sent, in the time of one attempt however slowly it drips."""
        latest = time.monotonic() + self.settings.timeout_seconds
        body = b""
        while len(body) <= _LONGEST_BODY and (part := response.read1(65536)):
            body += part
            if time.monotonic() > latest:
                raise TimeoutError("the answer did not end in time")
        return body

    def _key(self) -> str:
        """Return the key.

        Raises:
            ConfigError: it cannot stand in a header; said here, because others would quote it.
        """
        key = os.environ.get(self.settings.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"environment variable {self.settings.key_variable}: has characters that no key has",
                "set it to the key alone",
            )
        return key

    def _said(self, error: urllib.error.HTTPError) -> str:
        """Return the beginning of what came with an error, without the key, should it be quoted there."""
        try:
            text = error.read(2000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return ""
        text = self._clean(" ".join(text.split()))
        return f" ({text})" if text else ""

    def _clean(self, text: str) -> str:
        """Return text of a server as a message may show it: no key, nothing a terminal obeys, not long."""
        key = self._key()
        text = "".join(letter if letter.isprintable() else " " for letter in text)
        return (text.replace(key, "***") if key else text)[:200]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an error: the key is for one address."""

    def redirect_request(self, *_args: object, **_named: object) -> None:
        return None


# --------------------------------------------------------------------------------------------------------- answers


def _parsed(body: bytes) -> _Outcome:
    """Return the first choice of an answer.

    Raises:
        _Failed: it is too long, no JSON, or has no text.
    """
    if len(body) > _LONGEST_BODY:
        raise _Failed(f"malformed answer (more than {_LONGEST_BODY} bytes)", again=True)
    try:
        found = json.loads(body)
        choice = found["choices"][0]
        if not isinstance(choice["message"]["content"], str):
            raise TypeError("no text")
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise _Failed(f"malformed answer ({type(error).__name__})", again=True) from None
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return _Outcome(choice, _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _reply(question: Question, outcomes: Sequence[_Outcome]) -> Reply:
    """Return the reply made of the outcomes of a question's requests."""
    blank = Reply(
        question.question_id,
        prompt_tokens=sum(one.prompt_tokens for one in outcomes),
        new_tokens=sum(one.new_tokens for one in outcomes),
    )
    choices = [one.choice for one in outcomes if one.choice is not None]
    if len(choices) < len(outcomes):
        return replace(blank, error=next(one.error for one in outcomes if one.choice is None))
    if not question.statements:
        return replace(blank, text=clipped(choices[0]["message"]["content"]))
    judged = [_yes(choice) for choice in choices]
    known = tuple(probability for probability in judged if probability is not None)
    if len(known) < len(judged):
        return replace(blank, error=f"no probability of yes and no for {len(judged) - len(known)} statements")
    return replace(blank, probabilities=known)


def _yes(choice: Mapping[str, Any]) -> float | None:
    """Return the share of ``yes`` in what ``yes`` and ``no`` have together as first token; None if neither is told."""
    sums = {"yes": 0.0, "no": 0.0}
    try:
        for entry in choice["logprobs"]["content"][0]["top_logprobs"]:
            word = str(entry["token"]).strip().lower()
            if word in sums:
                sums[word] += math.exp(min(float(entry["logprob"]), 0.0))
    except (TypeError, KeyError, IndexError, ValueError):
        return None
    total = sums["yes"] + sums["no"]
    return sums["yes"] / total if total > 0 and math.isfinite(total) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which is a number or a date."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError):
        return None


def _data_url(picture: NDArray[np.uint8]) -> str:
    """Return a picture, (h, w, 3) uint8, blue first, as JPEG in an address."""
    import cv2

    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, "a JPEG can be made of any picture that is not empty"
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
