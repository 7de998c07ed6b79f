"""Describers by name.

A module of a describer has a function ``load(**options) -> Describer`` whose keyword arguments are its options; it is
imported when it is asked for, so that rules work where no model library is installed.
"""

from __future__ import annotations

import difflib
import importlib
import inspect

from semantic.describers.protocol import Describer
from sushi_lg.errors import ConfigError

_MODULES = {"mllm": "semantic.describers.mllm", "rules": "semantic.describers.rules"}


def describer_names() -> list[str]:
    """Return the names ``load_describer`` knows."""
    return sorted(_MODULES)


def load_describer(name: str, **options: object) -> Describer:
    """Return a describer ready to work.

    Args:
        name: One of ``describer_names``.
        options: Keyword arguments of the function ``load`` of its module.

    Raises:
        ConfigError: no such describer, or none of its options; says which there are and which is nearest.
        WeightsError: its weights or the package that runs them are absent.
    """
    if name not in _MODULES:
        raise ConfigError(f"no describer {name!r}", _nearest(name, describer_names()))
    load = importlib.import_module(_MODULES[name]).load
    known = list(inspect.signature(load).parameters)
    for option in options:
        if option not in known:
            raise ConfigError(f"describer {name}: no option {option!r}", _nearest(option, known))
    describer: Describer = load(**options)
    return describer


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}there are {', '.join(known)}"
