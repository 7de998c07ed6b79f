"""What a command line tells before anything heavy is imported: a mistyped key needs no network to be found.

The schemas of settings lie beside the networks they are of, and importing these takes seconds. So their source is read
here, not run: names and types of fields, nothing else. Values that have to be more than a number, or true or false, are
for ``load_config``.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sushi_lg
from sushi_lg.data.files import near_paths
from sushi_lg.errors import ConfigError, DataError, WeightsError

# what may follow a key: fields by name, or anything at all below _ANY; a type or None = a value, of any type for None
Tree = dict[str, "Tree | type | None"]
_ANY = "*"
_CHECKED = {"bool": bool, "int": int, "float": float}


def refuse_settings(
    overrides: Iterable[str],
    schema: str,
    more: Mapping[str, object] | None = None,
    files: Iterable[Path] = (),
) -> None:
    """Stop at the first unknown key or mistyped number, as ``load_config`` would; what cannot be judged is let pass.

    Args:
        overrides: The ``key=value`` words of the command line.
        schema: Dotted name of a dataclass of this package; its module is not imported.
        more: Keys that are valid besides, and their types.
        files: YAML files of settings, in the order they are read.

    Raises:
        ConfigError: names the key, with file and line, and the nearest one.
    """
    from sushi_lg.config import line_numbers, load_yaml, parse_entry, parts_of_key

    module, _, name = schema.rpartition(".")
    fields = dict(_fields_of(module, name))
    if not fields:
        return
    for key, hint in (more or {}).items():
        fields[key] = hint if isinstance(hint, type) and hint in _CHECKED.values() else None
    for path in files:
        _Judge(fields, path, line_numbers(path)).look(load_yaml(path), fields, "")
    for word in overrides:
        if all(parts_of_key(word.partition("=")[0])):  # what names no key is for those who read it
            _Judge(fields).look(parse_entry(word), fields, "")


@dataclass(frozen=True)
class _Judge:
    """Where settings were written (a file with the line of each key, or the command line), and all keys there are."""

    fields: Tree
    path: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def look(self, values: Mapping[Any, object], here: Tree, prefix: str) -> None:
        """Stop at the first of ``values`` that cannot be, below a key whose full name with a dot is ``prefix``."""
        from sushi_lg.config import nearest_key, refuse_value

        for key, value in values.items():
            name, full = str(key), f"{prefix}{key}"
            written = f"{self.path}:{self.lines.get(full, 1)}: {full}" if self.path else full
            if _ANY not in here and name not in here:
                beside = [f"{prefix}{one}" for one in here]
                raise ConfigError(
                    f"{written}: unknown key", nearest_key(full, beside, list(_all_keys(self.fields, "")))
                )
            below = here.get(name, here.get(_ANY))
            if isinstance(below, type):
                if _ANY not in here and value is not None and not isinstance(value, Mapping):
                    refuse_value(full, value, below, written)
            elif below and isinstance(value, Mapping):
                self.look(value, below, f"{full}.")
            elif below and isinstance(value, list) and isinstance(inner := below.get(_ANY), dict):
                for index, one in enumerate(value):
                    if isinstance(one, Mapping):
                        self.look(one, inner, f"{full}.{index}.")


def refuse_absent(path: Path, remedy: str, *, may_be_file: bool = False) -> None:
    """Stop where a folder is not there; names those beside it that are called alike.

    Args:
        path: Of the folder.
        remedy: What to give instead.
        may_be_file: A file will do.

    Raises:
        DataError: nothing there, or a file where only a folder will do.
    """
    if path.is_dir() or (may_be_file and path.exists()):
        return
    near = ", ".join(str(one) for one in near_paths(path) if may_be_file or one.is_dir())
    what = "no such file or folder" if may_be_file else "no such folder"
    raise DataError(f"{path}: {what}", f"did you mean {near}? {remedy}" if near else remedy)


def refuse_absent_weights(name: str) -> None:
    """Stop where ``--weights`` names neither a file nor shipped weights, as ``weights_path`` would.

    Raises:
        WeightsError: there are none.
    """
    folder = Path(sushi_lg.__path__[0]) / "weights"
    if not (Path(name).is_file() or (folder / f"{name}.safetensors").is_file()):
        known = ", ".join(sorted(path.stem for path in folder.glob("*.safetensors"))) or "none"
        raise WeightsError(f"{name}: no such weights", f"give a .safetensors file; shipped: {known}")


def _all_keys(tree: Tree, prefix: str) -> Iterator[str]:
    for name, below in tree.items():
        full = f"{prefix}{'0' if name == _ANY else name}"
        yield full
        if isinstance(below, dict):
            yield from _all_keys(below, f"{full}.")


@functools.cache
def _fields_of(module: str, name: str) -> Tree:
    """Return the fields of a class and of those it inherits from; nothing where it cannot be found."""
    parsed = _parsed(module)
    if parsed is None:
        return {}
    for node in parsed.body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _fields_of(node.module, alias.name)
        if isinstance(node, ast.ClassDef) and node.name == name:
            found: Tree = {}
            for base in node.bases:
                if isinstance(base, ast.Name):
                    found |= _fields_of(module, base.id)
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    found[line.target.id] = _below(line.annotation, module)
            return found
    return {}


def _below(annotation: ast.expr, module: str) -> Tree | type | None:
    """Return what may follow a field of this type."""
    if isinstance(annotation, ast.Name):
        return _CHECKED.get(annotation.id) or _fields_of(module, annotation.id) or None
    if isinstance(annotation, ast.BinOp):  # X | None
        sides = (_below(annotation.left, module), _below(annotation.right, module))
        return next((one for one in sides if isinstance(one, dict)), None)
    if isinstance(annotation, ast.Subscript):  # list[X], dict[str, X]
        inner = annotation.slice
        return {_ANY: _below(inner.elts[-1] if isinstance(inner, ast.Tuple) else inner, module)}
    return None


@functools.cache
def _parsed(module: str) -> ast.Module | None:
    """Return the source of a module of this package; packages above it are imported, and hold nothing."""
    if not module.startswith("sushi_lg."):
        return None
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
