"""The page of a report as text: what it says, and that nothing in it can run or be fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from reports import EVIL, report

from sushi_lg.inspection.report.page import render
from sushi_lg.inspection.report.records import Lack


class Elements(HTMLParser):
    """All elements with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_runs_but_the_page_s_own_script() -> None:
    page = render(report())
    found = Elements(page)
    assert [tag for tag, _ in found.elements if tag in ("script", "style", "img", "link", "iframe", "object")] == [
        "style",
        "script",
    ]
    for tag, attributes in found.elements:
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style", (tag, name)
            assert name not in ("href", "src") or (value or "").startswith(("#", "data:image/")), (tag, value)
    assert EVIL.replace("\x00", "") in found.text.replace("\x00", "").replace("\ufffd", "")


def test_the_policy_names_style_and_script_by_their_hashes() -> None:
    page = render(report())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy.replace("&#39;", "'").startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in page


def test_the_same_report_gives_the_same_page() -> None:
    assert render(report()) == render(report())


@pytest.mark.parametrize("part", ["scores", "switches", "mistakes", "levels", "ceilings", "words"])
def test_what_is_not_there_is_said(part: str) -> None:
    whole = render(report())
    assert f'<section id="{part}"' in whole and f'<a href="#{part}">' in whole and "Not shown" not in whole
    lacking = render(replace(report(), lacks={part: Lack("It is missing.", "sushi-lg help <it>")}))
    assert f'<section id="{part}"' not in lacking and f'<a href="#{part}">' not in lacking
    assert "It is missing." in lacking and "sushi-lg help &lt;it&gt;" in lacking and '<a href="#absent">' in lacking


def test_parts_that_lack_the_same_are_named_together() -> None:
    same = Lack("No ground truth.")
    page = render(replace(report(), lacks={"scores": same, "switches": same, "words": Lack("Nothing was said.")}))
    assert "<strong>Scores, identity switches.</strong> No ground truth." in page
    assert page.count("No ground truth.") == 1


def test_partial_lacks_stand_where_they_matter() -> None:
    lacks = {key: Lack(f"no {key} here") for key in ("interval", "links", "pictures")}
    page = render(replace(report(), lacks=lacks))
    for key in lacks:
        assert page.count(f"no {key} here") == 1
    assert 'value="w"' not in page, "without links none is to be filtered by"


def test_numbers_of_the_page() -> None:
    text = " ".join(Elements(render(report())).text.split())
    assert (
        "50.0 to 64.0" in text
        and "2 sequences, 90 frames, 5 trajectories, 152 boxes of which 10 were filled in" in text
    )
    assert "97.5 % 78 of 80" in text and "78.0 % 78 of 100" in text and "65.0 % 78 of 120" in text
    assert "41.0 % sure, made by level 4; it was wrong" in text
    assert "missed in 30 of 40 frames, longest from 1 to 21, in 2 trajectories" in text and "never found" in text
    assert "talks to" in text and "and the other way round" in text


def test_what_was_left_out_is_not_said_to_be_absent() -> None:
    whole = report()
    cut = tuple(replace(part, trajectories=part.trajectories[:1]) for part in whole.sequences)
    page = render(replace(whole, sequences=cut, switches=()))
    assert "There is none." not in page and "None of the 2 is shown." in page
    assert "10 of 12 boxes, frames 3 to 14" in page, "a false track that has no row"
    links = set(re.findall(r'href="#(t\d+-\d+)"', page))
    assert links == {"t0-1"} and links <= set(re.findall(r'id="(t\d+-\d+)"', page))
    assert re.search(r'<span class="who c6">7</span>', page)
    page = render(replace(whole, switches=(), num_switches=0, false_tracks=(), num_false=0))
    assert page.count("There is none.") == 2


def test_the_longest_false_tracks_are_said_to_be_so() -> None:
    assert "longest are listed" not in render(report())
    assert "The 1 longest are listed" in render(replace(report(), num_false=30))
