"""The page of a report as a reader meets it: in a real browser, with pointer and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browsers import open_browser
from reports import report, track

from sushi_lg.inspection.report.page import write_report

pytest.importorskip("playwright", reason="playwright is not installed (extra `dev`)")
from playwright.sync_api import Browser, Page, expect

CONTRAST = """() => {
  const channels = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? numbers.slice(0, 3) : numbers.slice(0, 3).map((n) => n / 255);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)" && !/, 0\\)$/.test(colour)) return channels(colour);
    }
    return [1, 1, 1];
  };
  const worst = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, script, style, noscript, .skip, option") || !element.checkVisibility()) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = element.tagName + "." + element.className;
    worst[name] = Math.min(worst[name] ?? 99, ratio);
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "report.html", report())


class Visit:
    """A page, and what the browser complained about or asked for."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())

    def settle(self, rows: int) -> None:
        """Wait until the filters have left so many rows."""
        expect(self.page.locator("#count")).to_have_text(f"{rows} of 5 trajectories")

    def rows(self) -> list[str]:
        """Return the ids of the rows that are shown: sequence, then trajectory."""
        return [row.get_attribute("id") or "" for row in self.page.locator(".row:visible").all()]

    def focused(self) -> str:
        """Return what has the focus."""
        return str(self.page.evaluate("(e => e.parentElement.id || e.id || e.tagName)(document.activeElement)"))


@pytest.fixture
def visit(browser: Browser, path: Path) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    yield Visit(page, path)
    page.close()


def test_it_opens_without_a_complaint_and_asks_for_nothing(visit: Visit, path: Path) -> None:
    visit.settle(5)
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith("data:")] == [path.as_uri()]
    assert visit.page.locator("#count").text_content() == "5 of 5 trajectories"
    assert visit.rows() == ["t0-1", "t0-2", "t0-3", "t1-1", "t1-7"]


def test_hostile_text_is_text(visit: Visit) -> None:
    assert visit.page.evaluate("window.hit") is None
    assert visit.page.locator("img").count() == 0 and visit.page.locator("script").count() == 1
    assert "onerror" in (visit.page.locator("h1").text_content() or "")
    assert "{{ 7 * 7 }}" in (visit.page.locator("#s1").text_content() or "")
    assert "ignore your task" in (visit.page.locator(".summary").first.text_content() or "")


def test_the_browser_refuses_whatever_is_not_the_page_s_own(visit: Visit) -> None:
    visit.page.evaluate("""() => {
        const script = document.createElement("script"); script.textContent = "window.hit = 3";
        document.body.append(script);
        const image = new Image(); image.src = "https://example.org/x.png"; document.body.append(image);
        document.body.insertAdjacentHTML("beforeend", '<p id="bad" style="color: red" onclick="window.hit = 4">x</p>');
        document.querySelector("#bad").click();
    }""")
    visit.page.wait_for_timeout(100)
    assert visit.page.evaluate("window.hit") is None
    assert visit.page.evaluate("getComputedStyle(document.querySelector('#bad')).color") != "rgb(255, 0, 0)"
    assert len(visit.complaints) >= 3 and all("Content Security Policy" in text for text in visit.complaints)


def test_search_finds_ids_and_words(visit: Visit) -> None:
    for words, rows in [
        ("red coat", ["t0-1"]),
        ("RED", ["t0-1"]),
        ("7", ["t1-7"]),
        ("p2", ["t0-2"]),
        ("street", ["t0-1", "t0-2", "t0-3"]),
        ("street 3", ["t0-3"]),
        ("onerror", ["t0-1", "t1-1", "t1-7"]),
        ("nobody", []),
    ]:
        visit.page.fill("input[name=find]", words)
        visit.page.press("input[name=find]", "Enter")  # at once; otherwise it waits for the next letter
        visit.settle(len(rows))
        assert visit.rows() == rows
        assert visit.page.locator("#timeline .none").is_visible() == (not rows)


def test_search_reaches_labels_and_switches(visit: Visit) -> None:
    visit.page.fill("input[name=find]", "talk.v.01")
    visit.settle(0)
    assert visit.page.locator("#words .card:visible").count() == 1
    assert visit.page.locator("#switches .card:visible").count() == 0
    assert visit.page.locator("#switches .none").is_visible()
    visit.page.fill("input[name=find]", "3")
    visit.settle(1)
    assert visit.page.locator("#switches .card:visible").count() == 1


def test_boxes_choose_trajectories(visit: Visit) -> None:
    for flag, rows in [
        ("s", ["t0-3", "t1-1"]),
        ("w", ["t0-2"]),
        ("f", ["t0-2"]),
        ("x", ["t1-7"]),
        ("d", ["t0-1", "t1-1"]),
    ]:
        visit.page.check(f"input[value={flag}]")
        visit.settle(len(rows))
        assert visit.rows() == rows
        visit.page.uncheck(f"input[value={flag}]")


def test_filters_add_up_and_are_cleared(visit: Visit) -> None:
    page = visit.page
    page.select_option("select[name=sequence]", "0")
    page.fill("input[name=length]", "30")
    visit.settle(2)
    assert visit.rows() == ["t0-1", "t0-2"]
    assert not page.locator("#s1").is_visible()
    assert page.locator("#switches .card:visible").count() == 1
    page.click("button[type=reset]")
    visit.settle(5)
    assert len(visit.rows()) == 5


def test_rows_are_sorted(visit: Visit) -> None:
    for order, rows in [
        ("length", ["t0-1", "t0-2", "t0-3", "t1-1", "t1-7"]),
        ("weak", ["t0-2", "t0-1", "t0-3", "t1-1", "t1-7"]),
        ("switches", ["t0-3", "t0-1", "t0-2", "t1-1", "t1-7"]),
    ]:
        visit.page.select_option("select[name=order]", order)
        assert visit.rows() == rows
        visit.page.select_option("select[name=order]", "first")
        assert visit.rows() == ["t0-1", "t0-2", "t0-3", "t1-1", "t1-7"]


def test_the_keyboard_reaches_everything_and_is_not_trapped(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert visit.focused() == "main" or page.evaluate("document.activeElement.id") == "main"
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.reload()
    stops = []
    for _ in range(80):
        page.keyboard.press("Tab")
        at = page.evaluate("document.activeElement.tagName + ' ' + (document.activeElement.parentElement || {}).id")
        if at.startswith("BODY"):
            break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", at
        stops.append(at)
    else:
        pytest.fail("the Tab key never leaves the page")
    rows = [at for at in stops if at.startswith("SUMMARY t")]
    assert rows == ["SUMMARY t0-1", "SUMMARY t1-1"], "one stop a sequence"


def test_arrows_go_from_row_to_row(visit: Visit) -> None:
    page = visit.page
    page.focus("#t0-1 > summary")
    page.keyboard.press("ArrowDown")
    assert visit.focused() == "t0-2"
    page.keyboard.press("Enter")
    assert page.locator("#t0-2").get_attribute("open") is not None
    assert "41.0 % sure, made by level 4; it was wrong" in (page.locator("#t0-2 .facts").text_content() or "")
    for key, row in (("End", "t0-3"), ("ArrowDown", "t0-3"), ("Home", "t0-1"), ("ArrowUp", "t0-1")):
        page.keyboard.press(key)
        assert visit.focused() == row
    page.check("input[value=w]")
    visit.settle(1)
    assert page.locator("#t0-2 > summary").get_attribute("tabindex") == "0", "what is left can be reached"


def test_a_link_opens_a_row_that_a_filter_hides(visit: Visit) -> None:
    page = visit.page
    page.check("input[value=w]")
    visit.settle(1)
    page.locator("#switches .card").first.locator("a.who").last.click()
    expect(page.locator("#t0-3")).to_have_attribute("open", "")
    assert page.locator("#t0-3").is_visible() and visit.focused() == "t0-3"
    assert page.locator("#count").text_content() == "5 of 5 trajectories"


@pytest.mark.parametrize("width", [1200, 800])
def test_what_is_jumped_to_is_not_below_the_bar(visit: Visit, width: int) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 600})
    page.emulate_media(reduced_motion="reduce")
    page.click("nav a[href='#switches']")
    page.wait_for_timeout(100)
    bar, title = page.locator(".bar").bounding_box(), page.locator("#h-switches").bounding_box()
    assert bar is not None and title is not None and bar["y"] == 0
    assert title["y"] >= bar["height"]


def test_colours_follow_the_system_until_the_reader_chooses(visit: Visit) -> None:
    def ground() -> str:
        return str(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    visit.page.emulate_media(color_scheme="light")
    light = ground()
    visit.page.emulate_media(color_scheme="dark")
    dark = ground()
    assert light != dark
    visit.page.select_option("#theme", "light")
    assert ground() == light
    visit.page.reload()
    assert ground() == light, "the choice is remembered"
    visit.page.select_option("#theme", "")
    assert ground() == dark


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_read_easily(visit: Visit, theme: str) -> None:
    visit.page.select_option("#theme", theme)
    visit.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    ratios = visit.page.evaluate(CONTRAST)
    assert len(ratios) > 20
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


def test_every_control_and_picture_has_a_name(visit: Visit) -> None:
    nameless = visit.page.evaluate("""() => [
        ...[...document.querySelectorAll("input, select")].filter((one) => !one.labels.length),
        ...[...document.querySelectorAll("svg")].filter((one) => !one.ariaLabel && !one.closest("[aria-hidden]")),
        ...[...document.querySelectorAll("a, button, summary")].filter((one) => !one.textContent.trim()),
    ].map((one) => one.outerHTML)""")
    assert nameless == []


def test_nothing_sticks_out_on_a_narrow_screen(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 740})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_paper_shows_all_rows_and_no_controls(visit: Visit) -> None:
    visit.page.emulate_media(media="print", color_scheme="dark")
    assert not visit.page.locator("#filters").is_visible() and not visit.page.locator("#theme").is_visible()
    assert len(visit.rows()) == 5
    visit.page.set_viewport_size({"width": 760, "height": 1000})  # A4 within its margins
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 760
    ink, ground = visit.page.evaluate(
        "(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))",
    )
    assert sum(map(int, ink[4:-1].split(", "))) < 150 < sum(map(int, ground[4:-1].split(", ")))


def test_thousands_of_trajectories_are_filtered_at_once(browser: Browser, tmp_path: Path) -> None:
    whole = report()
    many = tuple(track(number, number % 40, 5 + number % 9) for number in range(1, 4001))
    large = replace(whole, sequences=(replace(whole.sequences[0], trajectories=many, num_trajectories=4000),))
    path = write_report(tmp_path / "large.html", replace(large, switches=(), people=(), words=(), false_tracks=()))
    assert path.stat().st_size < 1200 * len(many)
    page = browser.new_page()
    Visit(page, path)
    page.fill("input[name=find]", "3999")
    expect(page.locator("#count")).to_have_text("1 of 4000 trajectories")
    assert page.locator(".row:visible").count() == 1
    page.close()
