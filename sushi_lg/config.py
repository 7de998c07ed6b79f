"""Settings: a dataclass, then a recipe, then a file, then ``key=value`` from the command line.

The schema is the dataclass itself, so whatever it does not have is refused: an unknown or mistyped key stops with its
full name, where it was written, and the nearest valid key; a value of the wrong type names both. Lists of dataclasses
(the levels of a hierarchy) are given whole, or one field at a time by index: ``levels.1.max_gap=50``.
"""

from __future__ import annotations

import difflib
import enum
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sushi_lg.data.files import atomic_path
from sushi_lg.data.resources import configs_path
from sushi_lg.errors import ConfigError

__all__ = [
    "MISSING",
    "load_config",
    "load_yaml",
    "recipe_names",
    "recipe_path",
    "save_config",
]

T = TypeVar("T")


def load_config(
    schema: type[T],
    recipe: str | Path | None = None,
    config_file: str | Path | None = None,
    dotlist: Sequence[str] = (),
) -> T:
    """Return an instance of ``schema`` with the settings of recipe, file and dotlist, the later winning.

    Args:
        schema: A dataclass, nested at will; its ``validate()``, where it has one, is called on the result. Fields
            without a value are ``MISSING`` and have to be set.
        recipe: Short name of a file in ``configs/`` (``default``, ``studies/mot17_half``) or a YAML file.
        config_file: A YAML file.
        dotlist: ``key=value`` strings; the value is YAML, nested keys are joined by dots, lists take an index.

    Raises:
        ConfigError: unknown key, wrong type, missing value, unreadable file, or what ``validate`` finds.
    """
    config = OmegaConf.structured(schema)
    for path in [recipe_path(recipe) if recipe is not None else None, config_file]:
        if path is not None:
            _merge(config, load_yaml(path), "", _Source(config, Path(path), _line_numbers(Path(path))))
    for entry in dotlist:
        _merge(config, _parse_entry(entry), "", _Source(config))
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(f"{', '.join(_dotted(key) for key in missing)}: no value", f"set it: {missing[0]}=VALUE")
        result = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        raise ConfigError(f"{_dotted(str(error.full_key or ''))}: {_reason(error)}") from error
    validate = getattr(result, "validate", None)
    if validate is not None:
        validate()
    return typing.cast(T, result)


def save_config(config: object, path: str | Path) -> None:
    """Write a dataclass instance as YAML that ``load_config`` reads back to an equal one."""
    with atomic_path(path) as staged:
        staged.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)), encoding="utf-8")


def recipe_names() -> list[str]:
    """Return the short names of the recipes that come with the package."""
    root = configs_path()
    paths = (path.relative_to(root) for path in root.rglob("*.yaml"))
    # models/ holds the cards of networks, which sushi_lg/data/models.py reads
    return sorted(path.with_suffix("").as_posix() for path in paths if path.parts[0] != "models")


def recipe_path(recipe: str | Path) -> Path:
    """Return the file of a recipe given by short name or path.

    Raises:
        ConfigError: neither; names the nearest recipe.
    """
    short = configs_path() / f"{recipe}.yaml"
    if isinstance(recipe, str) and not Path(recipe).is_absolute() and ".." not in recipe and short.is_file():
        return short
    if Path(recipe).suffix in (".yaml", ".yml") and Path(recipe).is_file():
        return Path(recipe)
    names = recipe_names()
    near = difflib.get_close_matches(str(recipe), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    known = f"{hint}recipes: {', '.join(names)}; or name a .yaml file"
    raise ConfigError(f"recipe {str(recipe)!r}: no such file", known)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file, as plain Python values; an empty file is an empty mapping.

    Raises:
        ConfigError: no such file, not YAML, a key twice, or no mapping, by ``file:line`` where known.
    """
    path = Path(path)
    try:
        loaded = OmegaConf.load(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", "check the path given with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{where}: {getattr(error, 'problem', None) or error}", "correct the YAML") from error
    if not isinstance(loaded, DictConfig):
        raise ConfigError(f"{path}: not a mapping of keys to values", "write lines like 'key: value'")
    values = OmegaConf.to_container(loaded)
    return typing.cast(dict[str, Any], values)


# --------------------------------------------------------------------------------------------------------- merging


@dataclass(frozen=True)
class _Source:
    """Where settings were written (a file with the line of each key, or the command line), and what they go into."""

    root: DictConfig
    path: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def at(self, full: str) -> str:
        return f"{self.path}:{self.lines.get(full, 1)}: {full}" if self.path else full


def _merge(node: DictConfig, values: Mapping[Any, object], prefix: str, source: _Source) -> None:
    """Set ``values`` in ``node``, whose full name with a dot behind it is ``prefix``."""
    schema = OmegaConf.get_type(node)
    if not is_dataclass(schema):  # a free mapping such as dict[str, float]
        for key, value in values.items():
            _assign(node, key, value, f"{prefix}{key}", source)
        return
    hints = typing.get_type_hints(schema)
    for key, value in values.items():
        full = f"{prefix}{key}"
        if key not in {f.name for f in fields(schema)}:
            raise ConfigError(f"{source.at(full)}: unknown key", _nearest(full, node, prefix, source.root))
        inner = _without_none(hints[key])
        item = typing.get_args(inner)[0] if typing.get_origin(inner) is list else None
        entry = typing.get_args(inner)[1] if typing.get_origin(inner) is dict else None
        current = None if OmegaConf.is_missing(node, key) else node[key]
        if is_dataclass(inner) and isinstance(value, Mapping):
            if current is None:
                node[key] = OmegaConf.structured(inner)
            _merge(node[key], value, f"{full}.", source)
        elif isinstance(current, DictConfig) and isinstance(value, Mapping) and is_dataclass(entry):
            for name, settings in value.items():
                if not isinstance(name, str):
                    raise ConfigError(f"{source.at(full)}: {name!r} is not a name", "write it in quotes")
                if name in current and isinstance(settings, Mapping):
                    _merge(current[name], settings, f"{full}.{name}.", source)
                else:
                    current[name] = _new_item(entry, settings, f"{full}.{name}", source)
        elif isinstance(current, DictConfig) and isinstance(value, Mapping):
            _merge(current, value, f"{full}.", source)
        elif item is not None and isinstance(value, Mapping):
            _merge_by_index(current, item, value, full, source)
        elif is_dataclass(item) and isinstance(value, list):
            node[key] = [_new_item(item, one, f"{full}.{i}", source) for i, one in enumerate(value)]
        else:
            _assign(node, key, value, full, source)


def _merge_by_index(
    current: ListConfig | None, item: object, values: Mapping[Any, object], full: str, source: _Source
) -> None:
    length = 0 if current is None else len(current)
    for index, value in values.items():
        name = f"{full}.{index}"
        if current is None or not str(index).isdecimal() or int(index) >= length:
            valid = f"{full} has {length} entries, numbered from 0" if length else f"{full} is empty; give it whole"
            raise ConfigError(f"{source.at(name)}: no such entry", valid)
        if is_dataclass(item) and isinstance(value, Mapping):
            _merge(current[int(index)], value, f"{name}.", source)
        else:
            _assign(current, str(index), value, name, source)


def _new_item(item: object, entry: object, full: str, source: _Source) -> DictConfig:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{source.at(full)}: {entry!r} is not a mapping of keys to values", "write key: value pairs")
    created = typing.cast(DictConfig, OmegaConf.structured(item))
    _merge(created, entry, f"{full}.", source)
    return created


def _assign(node: DictConfig | ListConfig, key: str, value: object, full: str, source: _Source) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{source.at(full)}: {value} is not a finite number", "give a number")
    try:
        OmegaConf.update(node, key, value, merge=False)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        refusal = f"{source.at(full)}: {value!r} is refused: {_reason(error)}"
        raise ConfigError(refusal, _expected(node, key)) from error


def _expected(node: DictConfig | ListConfig, key: str) -> str | None:
    schema = OmegaConf.get_type(node)
    if not is_dataclass(schema):
        return None
    hint = typing.get_type_hints(schema)[key]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return f"one of {', '.join(hint.__members__)}"
    return f"{key} is of type {hint.__name__ if isinstance(hint, type) else hint}"


def _without_none(hint: object) -> object:
    """Return X for ``X | None``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        return members[0] if len(members) == 1 else hint
    return hint


def _parse_entry(entry: str) -> dict[str, Any]:
    """Turn ``a.1.b=value`` into nested mappings.

    Raises:
        ConfigError: not of that form, or no value.
    """
    key, equals, text = entry.partition("=")
    parts = _dotted(key.strip()).split(".")
    if not equals or not all(parts):
        raise ConfigError(f"{entry!r} is not key=value", "write it without blanks around '=', quote values with blanks")
    try:
        # OmegaConf's own grammar of dotlists, so that 1e-3 is a number and null is None
        value = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{key}: {text!r} is not a value", "quote it") from error
    nested: Any = value["value"] if isinstance(value, dict) else None
    for part in reversed(parts):
        nested = {part: nested}
    return typing.cast(dict[str, Any], nested)


def _nearest(full: str, node: DictConfig, prefix: str, root: DictConfig) -> str:
    """Return what to say about an unknown key: the valid one most like it, or all that could stand in its place."""
    here, everywhere = [f"{prefix}{key!s}" for key in node], list(_all_keys(root, ""))
    near = difflib.get_close_matches(full, here, n=1, cutoff=0.7)
    near = near or difflib.get_close_matches(full, [*here, *everywhere], n=1, cutoff=0.5)
    last = full.rpartition(".")[2]
    near = near or [key for key in everywhere if key.rpartition(".")[2] == last][:1]
    return f"did you mean {near[0]}?" if near else f"valid: {', '.join(here)}"


def _all_keys(node: object, prefix: str) -> Iterator[str]:
    if not isinstance(node, DictConfig | ListConfig):
        return
    for key in range(len(node)) if isinstance(node, ListConfig) else list(node):
        yield f"{prefix}{key}"
        if not OmegaConf.is_missing(node, key):
            yield from _all_keys(node[key], f"{prefix}{key}.")


def _dotted(key: str) -> str:
    """Write ``levels[1].max_gap`` as ``levels.1.max_gap``."""
    return re.sub(r"\[(\w+)\]", r".\1", key)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]


def _line_numbers(path: Path) -> dict[str, int]:
    """Return the line of each full key of a YAML file, from 1; nothing for a file that cannot be read."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}  # load_yaml says what is wrong
    return dict(_lines_below(root, ""))


def _lines_below(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(str(i), value, value) for i, value in enumerate(node.value)]
    else:
        return
    for name, start, value in children:
        yield f"{prefix}{name}", start.start_mark.line + 1
        yield from _lines_below(value, f"{prefix}{name}.")
