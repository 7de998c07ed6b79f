"""What a shell may offer behind a verb: names of models, splits, recipes and settings.

Typer's completion asks for verbs and options itself; here are the values only this program knows. Only names of files
are read, so that a press of the Tab key takes a moment: nothing is imported that computes.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

VARIABLE = "_SUSHI_LG_COMPLETE"  # set by the scripts of --show-completion
_KIND = re.compile(r"^kind:\s*(\w+)", re.MULTILINE)

_SKIP = ("error", "skip")
_DEVICE = ("auto", "cpu", "cuda")
# settings that have few values, or that people change often; verb → key → values
SETTINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "track": {
        "missing": _SKIP,
        "on_bad_row": _SKIP,
        "on_bad_image": _SKIP,
        "device": _DEVICE,
        "precision": ("float32", "bfloat16"),
        "workers": (),
        "min_score": (),
        "output.max_gap_filled": (),
        "output.min_length": (),
        "output.decimals": (),
        "output.smooth": ("true", "false"),
    },
    "detect": {"min_score": (), "on_bad_image": _SKIP, "workers": (), "device": _DEVICE},
    "embed": {"on_bad_image": _SKIP, "on_bad_row": _SKIP, "workers": (), "device": _DEVICE},
    "annotate": {"views": (), "on_bad_image": _SKIP, "on_bad_row": _SKIP, "workers": ()},
    "describe": {
        "group": (),
        "retry": ("true", "false"),
        "on_bad_image": _SKIP,
        "on_bad_row": _SKIP,
        "part": (),
        "describer.model": (),
    },
    "evaluate": {"missing": _SKIP},
    "doctor": {"show_info": ("true", "false")},
}


def called_verb(verbs: Mapping[str, str]) -> str | None:
    """Return the verb of the line that is being completed, if it stands there already."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return next((word for word in line.split()[1:] if word in verbs), None)


def teach(command: Any, verb: str | None) -> None:  # noqa: ANN401 - a command of typer, whichever click it brings
    """Let the parameters of ``verb`` offer what this program knows.

    Args:
        command: The application as a group of commands, changed.
        verb: The one that is called.
    """
    if verb is None:
        return
    for parameter in command.commands[verb].params:
        if parameter.name in ("sources", "overrides", "tracks", "words"):
            parameter.shell_complete = _words(verb, parameter.name)
        elif parameter.name in _VALUES and not (verb == "evaluate-semantics" and parameter.name == "profile"):
            parameter.shell_complete = _values(_VALUES[parameter.name])


def _values(names: Callable[[], list[str]]) -> Callable[[Any, str], list[Any]]:
    def complete(_: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - a context of typer
        return _items(name for name in names() if name.startswith(incomplete))

    return complete


def _words(verb: str, parameter: str) -> Callable[[Any, str], list[Any]]:
    """Offer settings, and the names of splits where a source is wanted; files, if nothing else fits."""
    settings = SETTINGS.get(verb, {})

    def complete(context: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - a context of typer
        before = list(context.params.get(parameter) or ())
        if not incomplete and os.environ.get("COMP_WORDS", "").endswith("="):  # typer drops it
            before.append("=")
        if len(before) > 1 and before[-1] == "=":  # bash takes key=value for three words
            return _items(value for value in settings.get(before[-2], ()) if value.startswith(incomplete))
        if not incomplete:
            return []
        if "=" in incomplete:
            key, _, value = incomplete.partition("=")
            return _items(f"{key}={v}" for v in settings.get(key, ()) if v.startswith(value))
        offered = [f"{key}=" for key in settings] + (split_names() if parameter == "sources" else [])
        fitting = [name for name in offered if name.startswith(incomplete)]
        if len(fitting) == 1 and (values := settings.get(fitting[0].removesuffix("="), ())):
            fitting = [f"{fitting[0]}{value}" for value in values]  # a shell would put a space behind a single one
        return _items([*fitting, *sorted(glob.glob(f"{glob.escape(incomplete)}*"))] if fitting else [])

    return complete


def _items(values: Any) -> list[Any]:  # noqa: ANN401 - strings, of whatever iterable
    from typer.core import TyperGroup

    # typer may carry click inside or import it: the item class is where its groups get theirs from
    item = _item_class(TyperGroup)
    return [item(value) for value in values]


def _item_class(group: type) -> Any:  # noqa: ANN401
    import importlib

    for base in group.__mro__:
        name = base.__module__.rpartition(".")[0]
        if base.__name__ == "Command":
            return importlib.import_module(f"{name}.shell_completion").CompletionItem
    raise AssertionError("groups of commands are commands")


def _model_names(kind: str) -> list[str]:
    """Return the names of the cards of one kind."""
    from sushi_lg.data.resources import configs_path

    found = []
    for path in sorted((configs_path() / "models").glob("*.yaml")):
        stated = _KIND.search(path.read_text(encoding="utf-8"))
        if stated is not None and stated.group(1) == kind:
            found.append(path.stem)
    return found


def split_names() -> list[str]:
    """Return the names of the splits that come with the package."""
    from sushi_lg.data.resources import configs_path

    return sorted(path.stem for path in (configs_path() / "splits").glob("*.txt"))


def _config_names() -> list[str]:
    from sushi_lg.data.resources import configs_path

    folder = configs_path()
    return sorted(
        [path.stem for path in folder.glob("*.yaml")] + [f"studies/{p.stem}" for p in folder.glob("studies/*")]
    )


def _profile_names() -> list[str]:
    folder = Path(__file__).resolve().parents[1] / "submission" / "profiles"
    return sorted(path.stem for path in folder.glob("*.yaml"))


_VALUES: dict[str, Callable[[], list[str]]] = {
    "detector": lambda: _model_names("detector"),
    "embedder": lambda: ["hsv", "none", "pixels", *_model_names("embedder")],
    "recipe": lambda: ["default", "lgmot", "sushi"],
    "weights": lambda: ["default"],
    "profile": _profile_names,
    "split": split_names,
    "describer": lambda: ["mllm", "rules"],
    "camera": lambda: ["auto", "none"],
    "decisions": lambda: ["labels", "network"],
    "device": lambda: list(_DEVICE),
    "layout": lambda: ["folder", "root"],
    "config": _config_names,
}
