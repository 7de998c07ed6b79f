"""What the documentation shows: commands of fenced blocks and of code in lines, files, links and headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^(?P<mark>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=mark)\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_QUOTED_OR_COMMENT = re.compile(r"""'[^']*'|"[^"]*"|(?:^|(?<=\s))\#.*""")
_LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its first row, language, title or empty, and text."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Commands, one a line: joined where they go on, without comments and without ``.venv/bin/``."""
        joined = re.sub(r"\\\n\s*", " ", self.text)
        lines = (" ".join(_without_comment(line).split()) for line in joined.splitlines())
        return [line.replace(".venv/bin/sushi-lg", "sushi-lg") for line in lines if line]


def _without_comment(line: str) -> str:
    return _QUOTED_OR_COMMENT.sub(lambda match: "" if match[0].startswith("#") else match[0], line)


def pages() -> list[Path]:
    """Return README.md and the pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        line = text.count("\n", 0, match.start()) + 2
        yield Block(page, line, language, title[1] if title else "", match["body"])


def commands() -> dict[str, str]:
    """Return every command of a fenced block, and where it stands first."""
    found: dict[str, str] = {}
    for page in pages():
        for block in blocks(page):
            if block.language == "bash":
                for command in block.commands:
                    found.setdefault(command, f"{page.relative_to(ROOT)}:{block.line}")
    return found


def mentioned() -> dict[str, str]:
    """Return code in running text that begins like a command of ours, and where it stands first."""
    found: dict[str, str] = {}
    for page in pages():
        for match in _CODE.finditer(prose(page)):
            command = " ".join(match[1].split()).replace(".venv/bin/sushi-lg", "sushi-lg")
            if command.startswith(("sushi-lg ", "make ", "scripts/", "python scripts/")):
                found.setdefault(command, str(page.relative_to(ROOT)))
    return found


def prose(page: Path) -> str:
    """Return a page without its fenced blocks; code that goes on in the next line is one line."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`]+`", lambda match: match[0].replace("\n", " "), text)


def links(page: Path) -> list[str]:
    """Return the targets of links and pictures."""
    return [match["target"] for match in _LINK.finditer(prose(page))]


def words(command: str) -> list[str]:
    """Return a command as the shell cuts it."""
    return shlex.split(command)
