"""The documentation builds strictly, fetches nothing, and its links, pictures and names lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documented import ROOT, blocks, links, pages

from sushi_lg.cli.app import VERBS

FETCHING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
NAMED = {"canonical", "next", "prev"}  # links that tell, and fetch nothing


class Page(HTMLParser):
    """What a page fetches, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(found["id"] or "")
        target = found.get(FETCHING.get(tag, ""))
        if target and found.get("rel") not in NAMED:
            self.fetched.append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    for page in pages()[1:]:
        assert (site / f"{page.stem}.html").is_file()
    assert not list(site.glob("*.py"))


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for target in Page(path).fetched:
            assert not re.match(r"(https?:)?//", target), f"{path.name} fetches {target}"
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text(encoding="utf-8")), path


def test_links_that_leave_the_folder_show_paths(site: Path) -> None:
    for path in site.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert 'href="../' not in text, f"{path.name} links out of the site"


def test_links_of_the_checkout_resolve(site: Path) -> None:
    """As they are read on a code host: files exist, and anchors are those of the built page."""
    for page in pages():
        for link in links(page):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), f"{page.name}: {link} leads nowhere"
            if anchor:
                assert target.parent == ROOT / "docs", f"{page.name}: {link}: anchors of pages only"
                assert anchor in Page(site / f"{target.stem}.html").anchors, f"{page.name}: {link}: no such heading"


def test_every_verb_is_documented() -> None:
    written = [page for page in pages() if page.stem != "command_line"]  # which is made from the application
    text = "\n".join(page.read_text(encoding="utf-8") for page in written)
    absent = [verb for verb in VERBS if not re.search(rf"sushi-lg {verb}\b", text)]
    assert not absent, f"nowhere in README.md or docs: {absent}"


def test_files_that_are_named_exist() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"`((?:configs|scripts|sushi_lg|semantic|tests|benchmarks)/[\w./-]*[\w/])`", text)
        absent = [name for name in named if not (ROOT / name).exists()]
        assert not absent, f"{page.name} names {absent}"


def test_every_table_of_the_results_says_how_it_is_made() -> None:
    reproduce = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
    parts = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").split("\n## ")[1:]
    with_tables = [part.partition("\n")[0] for part in parts if "|---|" in part]
    assert len(with_tables) > 5
    for heading in with_tables:
        anchor = re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        assert f"(results.md#{anchor})" in reproduce, f"docs/reproduce.md has no command for {heading!r}"


def test_messages_are_shown_where_they_are_made_again() -> None:
    """By test_troubleshooting.py and test_own_parts.py; test_commands.py does not look at blocks of ``console``."""
    shown = {page.stem for page in pages() for block in blocks(page) if block.language == "console"}
    assert shown <= {"troubleshooting", "own_parts"}
    languages = {block.language for page in pages() for block in blocks(page)}
    assert languages <= {"bash", "console", "python", "yaml", "ini", "text"}, "commands stand in blocks of bash"


def test_names_of_settings_exist() -> None:
    """``--config NAME`` is a file of configs."""
    for page in pages():
        for name in re.findall(r"--config ([\w/]+)(?![\w/.])", page.read_text(encoding="utf-8")):
            if name != "FILE":
                assert (ROOT / "configs" / f"{name}.yaml").is_file(), f"{page.name}: --config {name}"


def test_lists_are_read_as_on_a_code_host(site: Path) -> None:
    """Readers differ in how far nested items have to be indented, and where blank lines have to stand."""
    from markdown_it import MarkdownIt

    for page in pages()[1:]:
        here = MarkdownIt().enable("table").render(page.read_text(encoding="utf-8")).count("<li>")
        article = (
            (site / f"{page.stem}.html").read_text(encoding="utf-8").partition("<article")[2].partition("</article")
        )
        assert article[0].count("<li>") == here, f"{page.name}: indent nested items by four, a blank line before lists"


def test_nothing_that_was_escaped_shows_how(site: Path) -> None:
    for path in site.glob("*.html"):
        article = path.read_text(encoding="utf-8").partition("<article")[2].partition("</article")[0]
        left = re.findall(r".{20}\\(?:\||&lt;|<|\*).{5}", re.sub(r"<pre>.*?</pre>", "", article, flags=re.DOTALL))
        assert not left, f"{path.name}: {left[:3]}"
