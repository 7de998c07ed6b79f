"""Write docs/command_line.md from the application itself: every verb, its arguments and options, exit codes.

python scripts/make_command_line.py            writes docs/command_line.md
python scripts/make_command_line.py --check    exits with 1 where it is not up to date
"""

from __future__ import annotations

import enum
import html
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.models import OptionInfo, ParameterInfo

from sushi_lg.cli.app import EXIT_CODES, VERBS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "command_line.md"
HEAD = """\
<!-- Written by scripts/make_command_line.py from the application; change that, not this. -->
# The command line

`sushi-lg --help` lists the verbs, and every verb explains itself with `--help`. This page says the same.

"""
COMMON = """
## What all verbs share

* **Settings** follow as `key=value`, after names and options; `--config FILE` reads them from YAML, and the command
  line has the last word. An unknown key stops the run with the nearest valid one.
* `--debug`, before or behind the verb, shows tracebacks and debug messages.
* `--json FILE`, where a verb has it, writes the same for machines. `--json -` prints it: then standard output is one
  JSON document and nothing else, and what is for people goes to standard error.
* Results go to standard output, progress and warnings to standard error. A message says what is wrong, where, and in a
  line that begins with `fix:` what to do; the [common ones](troubleshooting.md) are explained.
* Files are written whole or not at all. What was stopped, with Ctrl-C or by a machine that went down, goes on with the
  same command.

## Exit codes

| code | meaning |
|---|---|
"""
COMPLETION = """
## Completion

`sushi-lg --install-completion` teaches the shell you are in (bash, zsh or fish) to complete verbs, options, names of
detectors, embedders, recipes, splits and leaderboards, and settings; it takes effect in the next shell.
`sushi-lg --show-completion` prints the script instead. `sushi-lg` has to be on the `PATH`: activate the environment, or
link it to a folder that is.

## The verbs

"""


def text() -> str:
    """Return the page."""
    parts = [HEAD, "| verb | what it does |\n|---|---|\n"]
    parts += [f"| [`{verb}`](#{verb}) | {_cell(line)} |\n" for verb, line in VERBS.items()]
    parts.append(COMMON)
    parts += [f"| {code} | {_cell(meaning)} |\n" for code, meaning in EXIT_CODES.items()]
    parts.append(COMPLETION)
    parts.append("\n".join(_section(verb) for verb in VERBS))
    return "".join(parts)


def _section(verb: str) -> str:
    name = verb.replace("-", "_")
    function = getattr(importlib.import_module(f"sushi_lg.cli.{name}"), name)
    lines = [f"### {verb}\n"]
    for paragraph in inspect.cleandoc(function.__doc__).split("\n\n"):
        lines.append(f"{_escaped(' '.join(paragraph.split()))}\n")
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    rows = [_row(p.name, p.default, *get_args(hints[p.name])[:2]) for p in parameters]
    lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(name: str, default: Any, kind: Any, about: ParameterInfo) -> str:  # noqa: ANN401 - whatever a verb takes
    """Return the row of a parameter, as its verb declares it."""
    kind = next((part for part in get_args(kind) if part is not type(None)), kind)  # of X | None, of list[X]
    kind = next(iter(get_args(kind)), kind)
    choices = [str(member.value) for member in kind] if isinstance(kind, type) and issubclass(kind, enum.Enum) else []
    metavar = about.metavar or "|".join(choices) or {int: "N", float: "N", bool: ""}.get(kind, name.upper())
    is_option = isinstance(about, OptionInfo)
    if is_option:
        flag = f"--{name.replace('_', '-')}"
        words = [about.default, *(about.param_decls or ())]
        stated = [word for word in words if isinstance(word, str) and word.startswith("-")] or [flag]
        metavar = f"{', '.join(stated)} {metavar}".strip()
    note = about.help or ""
    default = getattr(default, "value", default)
    if default is inspect.Parameter.empty:
        note += " Required." if is_option else ""
    elif is_option and default not in (None, False, ""):
        note += f" Default: `{default}`."
    # inside of backquotes readers of Markdown differ in what they make of an escaped bar
    code = f"<code>{html.escape(metavar).replace('|', '&#124;')}</code>" if "|" in metavar else f"`{metavar}`"
    return f"| {code} | {_cell(note.strip())} |"


def _cell(words: str) -> str:
    return _escaped(words).replace("|", "&#124;")


def _escaped(words: str) -> str:
    """Return text that Markdown shows as it stands; what is in backquotes stays."""
    parts = words.split("`")
    for number in range(0, len(parts), 2):
        # underscores inside of words mean nothing to Markdown
        parts[number] = re.sub(r"([*\[]|(?<!\w)_|_(?!\w))", r"\\\1", parts[number]).replace("<", "&lt;")
    return "`".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != text())
    PAGE.write_text(text(), encoding="utf-8")
    print(f"wrote {PAGE}")
