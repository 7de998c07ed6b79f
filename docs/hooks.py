"""What mkdocs does with links that leave this folder: files of the checkout are no pages, so their path stands there.

On a code host such a link opens the file. ``tests/docs/test_links.py`` sees to it that the files exist.
"""

from __future__ import annotations

import re
from typing import Any

_OUTWARD = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<path>\.\./[^()\s#]+)(#[^()\s]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401 - what mkdocs hands over
    """Return a page with links out of the folder turned into paths."""
    return _OUTWARD.sub(_path, markdown)


def _path(match: re.Match[str]) -> str:
    text, path = match["text"], match["path"].removeprefix("../")
    if text.strip("`/") == path.rstrip("/"):
        return f"`{path}`"
    return f"{text} (`{path}`)"
