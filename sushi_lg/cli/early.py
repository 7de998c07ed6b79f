"""What a command line tells before anything heavy is imported: a mistyped key needs no network to be found.

The schemas of settings lie beside the networks they are of, and importing these takes seconds. So their source is read
here, not run: names and types of fields, nothing else. Values, and files of settings, are for ``load_config``.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

import sushi_lg
from sushi_lg.data.files import near_paths
from sushi_lg.errors import ConfigError, DataError, WeightsError

# what may follow a key: fields by name, or anything at all below _ANY; None = a value
Tree = dict[str, "Tree | None"]
_ANY = "*"


def refuse_unknown_keys(overrides: Iterable[str], schema: str, more: Iterable[str] = ()) -> None:
    """Stop where a ``key=value`` names no setting, as ``load_config`` would; what it cannot judge it lets pass.

    Args:
        overrides: The words of the command line.
        schema: Dotted name of a dataclass of this package; its module is not imported.
        more: Keys that are valid besides.

    Raises:
        ConfigError: an unknown key; names the nearest.
    """
    from sushi_lg.config import nearest_key, parts_of_key

    words = list(overrides)
    if not words:
        return
    module, _, name = schema.rpartition(".")
    fields: Tree = {**_fields_of(module, name), **dict.fromkeys(more)}
    for word in words:
        here: Tree | None = fields
        parts = parts_of_key(word.partition("=")[0])
        for number, part in enumerate(parts):
            if not here or not part:
                break
            if _ANY not in here and part not in here:
                prefix = "".join(f"{one}." for one in parts[:number])
                beside = [f"{prefix}{one}" for one in here]
                raise ConfigError(
                    f"{prefix}{part}: unknown key", nearest_key(f"{prefix}{part}", beside, list(_all_keys(fields, "")))
                )
            here = here.get(part, here.get(_ANY))


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
        if below:
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


def _below(annotation: ast.expr, module: str) -> Tree | None:
    """Return what may follow a field of this type."""
    if isinstance(annotation, ast.Name):
        return _fields_of(module, annotation.id) or None
    if isinstance(annotation, ast.BinOp):  # X | None
        return _below(annotation.left, module) or _below(annotation.right, module)
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
