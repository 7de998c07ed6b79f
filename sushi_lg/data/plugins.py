"""Parts that users write themselves: ``FILE.py:NAME`` or ``package.module:NAME`` in place of a name of ours.

The file or module is run, as Python code is; it is never looked for, only taken where the user wrote it down. What
fails in it, now or later, is the user's to correct, and the message says where.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from sushi_lg.data.ahead import placed
from sushi_lg.data.files import near_paths
from sushi_lg.errors import ConfigError, SushiError

Finish = Callable[..., Any]
"""Takes a part, what its method returned and the arguments; returns what is used, or raises what is wrong with it."""

_PLUGIN = re.compile(r"(?P<place>.+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def is_plugin(text: str) -> bool:
    """Tell whether a name is ``FILE.py:NAME`` or ``package.module:NAME``, or a Python file whose NAME was forgotten."""
    return _PLUGIN.fullmatch(text) is not None or _is_nameless(text)


def _is_nameless(text: str) -> bool:
    return text.removesuffix(":").endswith(".py")


def load_plugin(
    text: str,
    what: str,
    members: Sequence[str],
    offered: Mapping[str, object],
    given: Mapping[str, object] | None = None,
    methods: Mapping[str, Finish | None] | None = None,
) -> Any:  # noqa: ANN401 - the caller knows the protocol that was checked
    """Return what a user's class or function makes.

    Args:
        text: ``FILE.py:NAME`` or ``package.module:NAME``.
        what: What it has to be, for messages, such as ``detector``.
        members: Attributes it has to have; ``name`` among them has to be safe as a file name.
        offered: Options that are handed over where it takes them.
        given: Options the user asked for: it has to take them.
        methods: Methods it has to have, with what to do with their results. Whatever they raise becomes a ConfigError
            that names the place; errors of this package and a lack of memory stay what they are.

    Raises:
        ConfigError: no such file, module or name; code that fails; an option it does not take; a member it lacks.
    """
    if _is_nameless(text):
        place = text.removesuffix(":")
        there = ", ".join(f"{place}:{name}" for name in _own(_module(text, place))) or f"{place}:NAME, once it is there"
        raise ConfigError(f"{text}: which class or function of it?", f"give {there}")
    match = _PLUGIN.fullmatch(text)
    assert match is not None, f"{text!r} is no plug-in; ask is_plugin first"
    module = _module(text, match["place"])
    make = _member(text, module, match["name"])
    given = given or {}
    taken, takes_all = _parameters(text, make)
    for option in given:
        if option not in taken and not takes_all:
            raise ConfigError(
                f"{text}: takes no option {option!r}", f"it takes {', '.join(taken) or 'none'}; leave the option out"
            )
    options = {key: value for key, value in offered.items() if key in taken or takes_all} | dict(given)
    file = getattr(module, "__file__", None)
    with _theirs(f"{text}: cannot be made", file):
        made = make(**options)
    methods = methods or {}
    wanted = [*members, *methods]
    with _theirs(f"{text}: cannot be asked what it has", file):
        found = {member: getattr(made, member) for member in wanted if hasattr(made, member)}
    missing = [member for member in wanted if member not in found]
    if missing:
        raise ConfigError(f"{text}: a {what} without {', '.join(missing)}", f"a {what} has {', '.join(wanted)}")
    for member, value in found.items():
        if callable(value) != (member in methods):
            is_method = f"is a method: def {member}(self, ...)" if member in methods else f"is a value: {member} = ..."
            raise ConfigError(f"{text}: its {member} is {value!r}", f"{member} of a {what} {is_method}")
    if not isinstance(made.name, str) or _SAFE_NAME.fullmatch(made.name) is None:
        raise ConfigError(
            f"{text}: its name {made.name!r} cannot be the name of a file", "use letters, digits, dots, - and _"
        )
    return _Part(text, file, made, methods) if methods else made


def as_text(_: object, result: object) -> str:
    """Return the result of a user's method that has to be text, such as a fingerprint.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(result, str):
        raise ValueError(f"it returned a {type(result).__name__}, not a text")
    return result


class _Part:
    """A part of a user's, whose methods tell where in the user's file they fail; all else is as it was made."""

    def __init__(self, text: str, file: str | None, made: object, methods: Mapping[str, Finish | None]) -> None:
        self._made = made
        for name, finish in methods.items():
            setattr(self, name, partial(_call, f"{text}: {name} fails", file, made, getattr(made, name), finish))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the user gave it
        if name == "_made":  # asked for by those who copy, before there is one
            raise AttributeError(name)
        return getattr(self._made, name)


def _call(
    place: str, file: str | None, made: object, method: Callable[..., Any], finish: Finish | None, *arguments: object
) -> Any:  # noqa: ANN401 - whatever the method returns
    with _theirs(place, file):
        result = method(*arguments)
        if finish is None:
            return result
        result = finish(made, result, *arguments)
    return _stream(place, file, result) if isinstance(result, Iterator) else result


def _stream(place: str, file: str | None, results: Iterator[Any]) -> Iterator[Any]:
    with _theirs(place, file):
        yield from results


@contextmanager
def _theirs(place: str, file: str | None, remedy: str = "correct it; --debug shows more") -> Iterator[None]:
    """Turn what a user's code raises, an exit included, into a ConfigError that says where in ``file`` it was."""
    try:
        yield
    except SushiError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, Exception) and isinstance(short := placed(error, place), SushiError):
            raise short from error  # of memory
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f", line {lines[-1]} of {Path(file).name}" if file is not None and lines else ""
        said = f": {error}" if str(error) else ""
        raise ConfigError(f"{place} ({type(error).__name__}{said}{where})", remedy) from error


def _module(text: str, place: str) -> ModuleType:
    """Return the module at ``place``, run once a process."""
    if not place.endswith(".py"):
        remedy = f"install it beside this package, or name the file: path/to/{place.rpartition('.')[2]}.py:NAME"
        with _theirs(f"{text}: {place} cannot be imported", None, remedy):
            return importlib.import_module(place)
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        near = ", ".join(one.name for one in near_paths(path) if one.suffix == path.suffix)
        raise ConfigError(f"{text}: no file {path}", f"did you mean {near}?" if near else "check the path")
    # a name of its own: a user's yolox.py must not stand in for somebody else's module
    name = f"_sushi_lg_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    try:
        with _theirs(f"{text}: {path} fails", str(path)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _member(text: str, module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if callable(found):
        made: Callable[..., Any] = found
        return made
    own = _own(module)
    near = difflib.get_close_matches(name, own, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"{text}: no class or function {name} there", f"{hint}there are {', '.join(own) or 'none'}")


def _own(module: ModuleType) -> list[str]:
    """Return the names of classes and functions of a module, without those it imports unless it has no others."""
    public = {key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")}
    own = [key for key, value in public.items() if getattr(value, "__module__", None) == module.__name__]
    return own or list(public)


def _parameters(text: str, make: Callable[..., Any]) -> tuple[list[str], bool]:
    """Return the keyword options a callable takes, and whether it takes any other too."""
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{text}: nobody can tell its options ({error})", "write a function around it") from error
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return (
        [one.name for one in parameters if one.kind in named],
        any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters),
    )
