"""Parts that users write themselves: ``FILE.py:NAME`` or ``package.module:NAME`` in place of a name of ours.

The file or module is run, as Python code is; it is never looked for, only taken where the user wrote it down.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from sushi_lg.errors import ConfigError, SushiError

_PLUGIN = re.compile(r"(?P<place>.+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def is_plugin(text: str) -> bool:
    """Tell whether a name is ``FILE.py:NAME`` or ``package.module:NAME``."""
    return _PLUGIN.fullmatch(text) is not None


def load_plugin(
    text: str,
    what: str,
    members: Sequence[str],
    offered: Mapping[str, object],
    given: Mapping[str, object] | None = None,
) -> Any:  # noqa: ANN401 - the caller knows the protocol that was checked
    """Return what a user's class or function makes.

    Args:
        text: ``FILE.py:NAME`` or ``package.module:NAME``.
        what: What it has to be, for messages, such as ``detector``.
        members: Attributes and methods it has to have; ``name`` among them has to be safe as a file name.
        offered: Options that are handed over where it takes them.
        given: Options the user asked for: it has to take them.

    Raises:
        ConfigError: no such file, module or name; code that fails; an option it does not take; a member it lacks.
    """
    match = _PLUGIN.fullmatch(text)
    assert match is not None, f"{text!r} is no plug-in; ask is_plugin first"
    make = _member(text, _module(text, match["place"]), match["name"])
    given = given or {}
    taken, takes_all = _parameters(text, make)
    for option in given:
        if option not in taken and not takes_all:
            raise ConfigError(
                f"{text}: takes no option {option!r}", f"it takes {', '.join(taken) or 'none'}; leave the option out"
            )
    options = {key: value for key, value in offered.items() if key in taken or takes_all} | dict(given)
    try:
        made = make(**options)
    except SushiError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{text}: cannot be made ({type(error).__name__}: {error})", "correct it; --debug shows where it fails"
        ) from error
    missing = [member for member in members if not hasattr(made, member)]
    if missing:
        raise ConfigError(f"{text}: a {what} without {', '.join(missing)}", f"a {what} has {', '.join(members)}")
    if not isinstance(made.name, str) or _SAFE_NAME.fullmatch(made.name) is None:
        raise ConfigError(
            f"{text}: its name {made.name!r} cannot be the name of a file", "use letters, digits, dots, - and _"
        )
    return made


def _module(text: str, place: str) -> ModuleType:
    """Return the module at ``place``, run once a process."""
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except Exception as error:
            raise ConfigError(
                f"{text}: {place} cannot be imported ({type(error).__name__}: {error})",
                f"install it beside this package, or name the file: path/to/{place.rpartition('.')[2]}.py:NAME",
            ) from error
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise ConfigError(f"{text}: no file {path}", "check the path")
    # a name of its own: a user's yolox.py must not stand in for somebody else's module
    name = f"_sushi_lg_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it runs
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(
            f"{text}: {path} fails ({type(error).__name__}: {error})", "correct it; --debug shows where it fails"
        ) from error
    return module


def _member(text: str, module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if callable(found):
        made: Callable[..., Any] = found
        return made
    own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    raise ConfigError(f"{text}: no class or function {name} there", f"there are {', '.join(own) or 'none'}")


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
