"""A describer that asks a multimodal large language model.

It turns requests into questions of a client and replies into answers, and holds no model itself: ``local`` runs one of
transformers in this process, ``server`` asks one behind an OpenAI-compatible endpoint. ``configs/semantic/mllm.yaml``
has the models, what they need, and all settings.

Labels of pairs are either written, in lines kept to a grammar (``mode: write``), or judged one by one
(``mode: score``), which costs a short continuation a label and direction and gives the probabilities that benchmarks
want.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from semantic.bensmot.vocabulary import surface
from semantic.clients.protocol import Client, Question, Reply
from semantic.clients.server import ServerClient
from semantic.clients.settings import LocalSettings, ServerSettings
from semantic.describers.protocol import Job, Pictures
from semantic.structures import Answer
from semantic.templates import template
from sushi_lg.config import load_config
from sushi_lg.errors import ConfigError
from sushi_lg.language.hub import digest

_VERSION = 1  # of questions and answers; raise it when they change
_JUDGE = "Leave the lines aside and judge one statement: P{active} {surface} P{passive}. Is it true? Answer yes or no."
_CLIENTS = ("local", "server")
_MODES = ("write", "score")


@dataclass
class MllmConfig:
    """Which model is asked, and how.

    Attributes:
        model: folder or id on the hub (``local``), or what the server calls it (``server``).
        client: ``local`` or ``server``.
        mode: ``write`` or ``score``, for pairs; all else is always written.
        local: of the client ``local``.
        server: of the client ``server``.
    """

    model: str = "llava-hf/llava-onevision-qwen2-0.5b-ov-hf"
    client: str = "local"
    mode: str = "write"
    local: LocalSettings = field(default_factory=LocalSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    def validate(self) -> None:
        """Check values.

        Raises:
            ConfigError: one is out of range.
        """
        for key, known in (("client", _CLIENTS), ("mode", _MODES)):
            if getattr(self, key) not in known:
                raise ConfigError(f"{key}: {getattr(self, key)!r} is none of {', '.join(known)}")
        if not self.model:
            raise ConfigError("model: is empty", "name a folder, or a model of the hub or of the server")
        self.local.validate()
        self.server.validate()


class MllmDescriber:
    """See the protocol ``Describer``.

    Args:
        client: who is asked.
        mode: ``write`` or ``score``.
    """

    name = "mllm"
    needs_pictures = True

    def __init__(self, client: Client, mode: str = "write") -> None:
        self._client = client
        self._mode = mode
        self._numbers = itertools.count()
        self._serials: WeakKeyDictionary[Pictures, int] = WeakKeyDictionary()
        self.fingerprint = digest("mllm", _VERSION, client.fingerprint, mode, template("system"), _JUDGE)

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Yield one answer a job, in the order the client has them; jobs with nothing to see get an error."""
        blind = [job for job in jobs if job.pictures is None or not job.request.views]
        for job in blind:
            yield Answer(job.request.request_id, "", error="nothing to see: no pictures, or a request without views")
        asked = {job.request.request_id: job for job in jobs if job.pictures is not None and job.request.views}
        questions = [self._question(job) for job in asked.values()]
        for reply in self._client.ask(questions):
            yield self._answer(asked[reply.question_id], reply)

    def _question(self, job: Job) -> Question:
        request = job.request
        is_judged = self._mode == "score" and bool(request.options)
        assert job.pictures is not None, "jobs without pictures are answered before"
        return Question(
            question_id=request.request_id,
            kind=request.kind,
            media_key=f"{self._serial(job.pictures)} {digest(request.views)}",
            seconds=tuple(view.frame / job.clip.frame_rate for view in request.views),
            pictures=_drawn(job),
            system=template("system"),
            prompt=request.prompt,
            max_new_tokens=request.max_new_tokens,
            subjects=request.subjects if request.options and not is_judged else (),
            options=request.options if not is_judged else (),
            statements=tuple(
                _JUDGE.format(active=active, surface=surface(label), passive=passive)
                for active, passive, label in (_triples(job) if is_judged else ())
            ),
        )

    def _serial(self, pictures: Pictures) -> int:
        """Return a number of its own for every source of pictures; two may draw the same views otherwise."""
        if pictures not in self._serials:
            self._serials[pictures] = next(self._numbers)
        return self._serials[pictures]

    def _answer(self, job: Job, reply: Reply) -> Answer:
        scores = None
        if reply.probabilities:
            scores = tuple(zip(_triples(job), reply.probabilities, strict=True))
        return Answer(
            job.request.request_id,
            reply.text,
            scores=scores,
            prompt_tokens=reply.prompt_tokens,
            new_tokens=reply.new_tokens,
            error=reply.error,
        )


def load(
    settings: str | Path = "semantic/mllm",
    model: str = "",
    client: str = "",
    mode: str = "",
    local: Mapping[str, object] | None = None,
    server: Mapping[str, object] | None = None,
) -> MllmDescriber:
    """Return the describer that ``load_describer("mllm")`` gives.

    Args:
        settings: a recipe in ``configs/`` or a YAML file with the fields of ``MllmConfig``.
        model: in place of the one named there; empty = that one, as for all that follow.
        client: ``local`` or ``server``.
        mode: ``write`` or ``score``.
        local: fields of ``LocalSettings``.
        server: fields of ``ServerSettings``.

    Raises:
        ConfigError: unknown or wrong settings.
        WeightsError: the model or the package that runs it are absent.
    """
    changes: dict[str, object] = {"model": model, "client": client, "mode": mode}
    changes = {key: value for key, value in changes.items() if value}
    for name, fields in (("local", local), ("server", server)):
        changes |= {f"{name}.{key}": value for key, value in (fields or {}).items()}
    # JSON is YAML, in which these are read
    config = load_config(MllmConfig, settings, dotlist=[f"{key}={json.dumps(value)}" for key, value in changes.items()])
    asked: Client
    if config.client == "server":
        asked = ServerClient(config.model, config.server)
    else:
        from semantic.clients.local import LocalClient  # imports PyTorch

        asked = LocalClient(config.model, config.local)
    return MllmDescriber(asked, config.mode)


def _triples(job: Job) -> list[tuple[int, int, str]]:
    """Return (active, passive, label) of a pair: both directions, labels as they are offered."""
    first, second = job.request.subjects
    return [(*pair, label) for pair in ((first, second), (second, first)) for label in job.request.options]


def _drawn(job: Job) -> Callable[[], list[NDArray[np.uint8]]]:
    """Return what draws the pictures of a job once somebody wants to see them."""
    pictures = job.pictures
    assert pictures is not None
    return lambda: pictures.render(job.request.views)
