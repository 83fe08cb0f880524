"""The report page in a real browser: what a reader does with it, and that nothing leaves it."""

from __future__ import annotations

import csv
import io
import re
from importlib import resources
from pathlib import Path

import pytest

from edgecnn.analysis import answer
from edgecnn.analysis.rows import collect
from edgecnn.reporting import write
from tests.unit.reporting import factory, hostile_results

pytestmark = pytest.mark.slow

SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-artifacts"
SERIOUS = {"serious", "critical"}
FORMULAS = ("=", "+", "-", "@", "|", "%")
"""How a cell begins that a spreadsheet computes."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        board = factory.sample("Board B (8 GB)", 2.6, 3)
        other = factory.sample("Board C", 1.3, 4, (4,))
        for name, results in {
            "one": [factory.sample()],
            "machines": [factory.sample("Board A (4 GB)"), board, other],
            "networks": [factory.networks()],
            "asked": [factory.asked()],
            "hostile": [hostile_results.hostile()],
            "large": [factory.many(2_000, samples=24)],
        }.items():
            write(results, folder / f"{name}.html")
    return {path.stem: path for path in folder.glob("*.html")}


@pytest.fixture
def visit(browser, reports):
    """Open a report; afterwards there must have been no message and no request."""
    contexts, troubles = [], []

    def go(name: str, *, width: int = 1280, height: int = 900, dark: bool = False, drawn=False):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        url = reports[name].as_uri()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: request.url == url or troubles.append(f"request: {request.url[:200]}"),
        )
        page.set_default_timeout(60_000)  # a busy machine is not a failure
        page.goto(url)
        wanted = "charts" if drawn else "table"
        page.wait_for_selector(f"html[data-{wanted}=ready]", state="attached")
        return page

    yield go
    for context in contexts:
        context.close()
    assert troubles == []


def expect(locator):
    from playwright.sync_api import expect as playwright_expect

    playwright_expect.set_options(timeout=60_000)  # a busy machine draws 2,000 rows slowly
    return playwright_expect(locator)


def screenshot(page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{name}.png", full_page=True)


def rows_in(name: str) -> int:
    one = len(factory.sample().measurements)
    return one if name == "one" else 2 * one + len(factory.sample(threads=(4,)).measurements)


def names(page) -> list[str]:
    return page.locator("#table .opener").all_inner_texts()


def numbers(page, column: int) -> list[float]:
    cells = page.locator(f"#table tbody tr[id] > :nth-child({column}) .main").all_inner_texts()
    return [float(re.sub(r"\s|,", "", cell)) for cell in cells if not cell.startswith("–")]


def column_of(page, head: str) -> int:
    heads = page.locator("#table thead th button").all_inner_texts()
    return next(i for i, text in enumerate(heads, 1) if text.startswith(head))


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("one", 1280, False), ("one", 390, False), ("one", 1280, True), ("machines", 1280, False),
     ("machines", 390, True), ("hostile", 1280, False), ("networks", 1280, False),
     ("networks", 390, True)],
)  # fmt: skip
def test_it_opens_quietly_and_fits_the_screen(visit, name, width, dark):
    page = visit(name, width=width, dark=dark, drawn=True)
    screenshot(page, f"{name}-{width}{'-dark' if dark else ''}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure svg").count() == page.locator("figure").count() > 5
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("name", ["machines", "networks", "asked"])
def test_the_page_and_the_library_give_the_same_answers(visit, name):
    boards = [
        factory.sample("Board A (4 GB)"),
        factory.sample("Board B (8 GB)", 2.6, 3),
        factory.sample("Board C", 1.3, 4, (4,)),
    ]
    alone = {"networks": factory.networks, "asked": factory.asked}
    rows = collect(boards if name == "machines" else [alone[name]()])
    page = visit(name)
    for limits, fields in (
        (answer.Constraints(), {}),
        (answer.Constraints(drop=0.1), {"drop": "0.1"}),
        (answer.Constraints(p50=0.08), {"p50": "0.08"}),
        (answer.Constraints(size=75_000, objective="size"), {"size": "75", "objective": "size"}),
        (
            answer.Constraints(drop=None, objective="accuracy"),
            {"drop": "", "objective": "accuracy"},
        ),
        (
            answer.Constraints(peak_rss=58e6, objective="memory"),
            {"peak_rss": "58", "objective": "memory"},
        ),
        (answer.Constraints(objective="throughput"), {"objective": "throughput"}),
        (answer.Constraints(drop=0.25), {"drop": "0.25"}),
        (answer.Constraints(drop=2.7), {"drop": "2.7"}),
        (answer.Constraints(drop=3.5), {"drop": "3.5"}),
        (answer.Constraints(drop=12), {"drop": "12"}),
        (answer.Constraints(drop=None), {"drop": ""}),
    ):
        page.locator("#limits button[type=reset]").click()
        for name, value in fields.items():
            field = page.locator(f"#limits [name={name}]")
            field.select_option(value) if name == "objective" else field.fill(value)
        expected = [choice.sentence for choice in answer.choose(rows, limits)]
        assert page.locator("#choices .sentence").all_inner_texts() == expected


def test_changing_a_limit_changes_the_answer_and_says_so(visit):
    page = visit("one")
    before = page.locator("#choices .sentence").inner_text()
    page.get_by_label("Accuracy drop").fill("0.1")
    after = page.locator("#choices .sentence").inner_text()
    assert after != before
    assert "float32" in page.locator("#choices h3").inner_text()
    assert page.locator("#announcer").inner_text() == after
    page.get_by_label("Latency p50").fill("0.000001")
    assert "Nothing is within" in page.locator("#choices h3").inner_text()


def test_the_sentence_can_be_copied(visit):
    page = visit("one")
    page.get_by_role("button", name="Copy sentence").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#choices .sentence").inner_text()


def test_the_table_sorts_by_every_head(visit):
    page = visit("one")
    column = column_of(page, "p50")
    assert numbers(page, column)[:46] == sorted(numbers(page, column)[:46])
    button = page.locator(f"#table thead th:nth-child({column}) button")
    button.click()
    assert page.locator(f"#table thead th:nth-child({column})").get_attribute("aria-sort") == (
        "descending"
    )
    usable = numbers(page, column)[:46]
    assert usable == sorted(usable, reverse=True)
    page.get_by_role("button", name="Artifact", exact=True).click()
    shown = names(page)[:46]
    assert shown == sorted(shown)


def test_rows_with_a_problem_come_last_and_say_why_and_what_to_do(visit):
    page = visit("one")
    rows = page.locator("#table tr.dim")
    assert rows.count() == 5
    words = page.locator("#table tr.why").all_inner_texts()
    assert any("no Vulkan device" in text and "install a Vulkan driver" in text for text in words)
    assert any("NOISY" in text for text in page.locator("#table .state").all_inner_texts())


def test_filters_and_search_narrow_table_charts_and_answer(visit):
    page = visit("one")
    page.locator("#filter-runtime").select_option("litert")
    assert set(page.locator("#table td:nth-child(2) .main").all_inner_texts()) <= {
        "litert:cpu",
        "litert:gpu",
    }
    assert "of 51 rows" in page.locator("#count").inner_text()
    assert "litert" in page.locator("#choices h3").inner_text()
    assert page.locator("#answer-scope").is_visible()
    page.locator("#search").fill("static_int8 -batch")
    expect(page.locator("#table tbody tr[id]")).to_have_count(2)
    page.locator("#filter-state").select_option("usable")
    page.get_by_role("button", name="Clear filters").click()
    assert page.locator("#count").inner_text() == "51 rows"


def test_a_search_without_a_match_says_so(visit):
    page = visit("one")
    page.locator("#search").fill("nosuchthing")
    page.locator("#nothing").wait_for()
    assert "No row in view" in page.locator("#choices").inner_text()


def test_columns_are_chosen_and_copied_as_csv_and_markdown(visit):
    page = visit("one")
    page.locator(".columns summary").click()
    page.get_by_label("First inference").check()
    page.get_by_label("p99 (ms)").uncheck()
    heads = page.locator("#table thead th button").all_inner_texts()
    assert any(head.startswith("First inference") for head in heads)
    assert not any(head.startswith("p99") for head in heads)
    page.locator(".columns summary").click()
    page.get_by_role("button", name="Copy as CSV").click()
    page.get_by_role("button", name="Copied").wait_for()
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert len(rows) == 52
    assert len({len(row) for row in rows}) == 1
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.locator("#copy-markdown")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("| Artifact")


def test_copied_cells_of_hostile_names_are_no_formulas(visit):
    page = visit("hostile")
    page.get_by_role("button", name="Copy as CSV").click()
    page.get_by_role("button", name="Copied").wait_for()
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert len(rows) == 1 + len(hostile_results.hostile().measurements)
    cells = {cell for row in rows for cell in row}
    for name in hostile_results.HOSTILE_NAMES:
        assert not name.startswith(FORMULAS) or f"'{name}" in cells
    for cell in cells:
        if cell.startswith(FORMULAS):
            float(cell)


def test_a_row_opens_to_its_command_by_keyboard(visit):
    page = visit("one")
    opener = page.locator("#table .opener").first
    opener.focus()
    page.keyboard.press("Enter")
    assert opener.get_attribute("aria-expanded") == "true"
    assert "edgecnn benchmark" in page.locator("tr.details").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("tr.details").count() == 0


def test_show_the_row_leads_to_the_chosen_row(visit):
    page = visit("one")
    page.locator("#filter-runtime").select_option("litert")
    page.get_by_role("button", name="Show the row").click()
    assert page.locator("#table tr.best").is_visible()
    assert page.evaluate("document.activeElement.className") == "opener"


def test_a_mark_in_a_chart_tells_its_numbers(visit):
    page = visit("one", drawn=True)
    figure = page.locator("figure[data-chart=accuracy_latency]")
    figure.scroll_into_view_if_needed()
    figure.locator("svg .mark-symbol path").nth(10).dispatch_event("pointermove")
    figure.locator("svg .mark-symbol path").nth(10).hover(force=True)
    page.locator("#tooltip").wait_for()
    assert "Latency p50" in page.locator("#tooltip").inner_text()


def test_the_theme_is_switched_and_charts_follow(visit):
    page = visit("one", drawn=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('figure svg text')).fill"
    light = page.evaluate(f"[{paper}, {ink}]")
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.locator("#theme").inner_text() == "Theme: dark"
    dark = page.evaluate(f"[{paper}, {ink}]")
    assert light[0] != dark[0]
    assert light[1] != dark[1]


def test_machines_stand_side_by_side_and_say_what_is_not_comparable(visit):
    page = visit("machines")
    section = page.locator("#machines")
    assert section.locator("tbody tr").count() > 20
    assert "2.6" in section.inner_text()
    assert page.locator(".notice.incomparable").count() >= 1
    assert page.locator(".facts tr.differs").count() >= 1


@pytest.mark.parametrize("name", ["one", "machines"])
def test_it_prints_to_a4_with_every_row(visit, name):
    page = visit(name, dark=True, drawn=True)
    SCREENSHOTS.mkdir(exist_ok=True)
    content = page.pdf(path=SCREENSHOTS / f"report-{name}.pdf", prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    assert page.locator("#table tbody tr[id]").count() == rows_in(name)
    page.emulate_media(media="print")
    wide = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(node => getComputedStyle(node).overflowX"
        " === 'auto' && node.scrollWidth > node.clientWidth + 1).length"
    )
    assert wide == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_2000_rows_are_usable(visit):
    """How soon is measured on a quiet machine, by benchmarks/report_speed.py."""
    page = visit("large")
    page.locator("#search").fill("model003 static")
    expect(page.locator("#count")).to_contain_text(" of ")
    assert 0 < page.locator("#table tbody tr[id]").count() < 60
    page.locator("#search").fill("")
    expect(page.locator("#count")).to_have_text("2,000 rows")
    page.get_by_role("button", name="Show all 2,000 rows").click()
    expect(page.locator("#table tbody tr[id]")).to_have_count(2_000)
    page.wait_for_selector("html[data-charts=ready]", state="attached")


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("one", 1280, True), ("machines", 390, False)],
)
def test_axe_finds_nothing_serious(visit, name, width, dark):
    pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    page = visit(name, width=width, dark=dark, drawn=True)
    page.locator("#search").fill("static_int8")  # every kind of row once is enough
    expect(page.locator("#count")).to_contain_text(" of ")
    page.locator("#table .opener").first.click()
    # The page's policy forbids foreign scripts, so axe comes in through the debugger.
    page.evaluate(
        resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    )
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    bad = [
        (rule["id"], rule["help"], [node["html"][:160] for node in rule["nodes"][:3]])
        for rule in found
        if rule["impact"] in SERIOUS
    ]
    assert bad == []
