"""Describers by name.

Each is made by a function whose keyword arguments are its options; its module is imported when it is asked for, so that
rules work where no model library is installed.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Iterator

from semantic.describers.protocol import Describer, Job
from semantic.structures import Answer
from sushi_lg.data.plugins import is_plugin, load_plugin
from sushi_lg.errors import ConfigError

# name: module and function
_LOADERS = {
    "constant": ("semantic.describers.priors", "load_constant"),
    "mllm": ("semantic.describers.mllm", "load"),
    "random": ("semantic.describers.priors", "load_random"),
    "rules": ("semantic.describers.rules", "load"),
}
_MEMBERS = ("name", "fingerprint", "needs_pictures")


def describer_names() -> list[str]:
    """Return the names ``load_describer`` knows."""
    return sorted(_LOADERS)


def load_describer(name: str, **options: object) -> Describer:
    """Return a describer ready to work.

    Args:
        name: One of ``describer_names``, or ``FILE.py:NAME`` or ``package.module:NAME`` of the user's own, see
            ``sushi_lg.data.plugins``.
        options: Keyword arguments of the function that makes it.

    Raises:
        ConfigError: no such describer, or none of its options; says which there are and which is nearest.
        WeightsError: its weights or the package that runs them are absent.
    """
    if is_plugin(name):
        own: Describer = load_plugin(name, "describer", _MEMBERS, {}, options, {"answer": _as_answers})
        return own
    if name not in _LOADERS:
        raise ConfigError(f"no describer {name!r}", _nearest(name, describer_names()))
    module, function = _LOADERS[name]
    load = getattr(importlib.import_module(module), function)
    known = list(inspect.signature(load).parameters)
    for option in options:
        if option not in known:
            raise ConfigError(f"describer {name}: no option {option!r}", _nearest(option, known))
    describer: Describer = load(**options)
    return describer


def _as_answers(_: Describer, answers: Iterable[Answer], jobs: Iterable[Job]) -> Iterator[Answer]:
    """Yield the answers of a describer of the user's own.

    Raises:
        ValueError: something else among them, or one to a question that is not open.
    """
    asked = {job.request.request_id for job in jobs}
    for answer in answers:
        if not isinstance(answer, Answer):
            raise ValueError(f"it gave a {type(answer).__name__}, not an Answer")
        if answer.request_id not in asked:
            raise ValueError(f"it answered {answer.request_id!r}, which was not asked or was answered before")
        asked.remove(answer.request_id)
        yield answer


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}there are {', '.join(known)}"
