from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from edgecnn.reporting import html
from edgecnn.reporting.charts import drawing_library as bundle
from edgecnn.selection import Constraints
from tests.unit.reporting import factory, hostile_results

EXECUTABLE = {"script", "iframe", "object", "embed", "link", "img", "base", "form", "svg"}


class Collector(HTMLParser):
    """Elements with their attributes, and the text of scripts by id."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    def block(self, name: str) -> object:
        return json.loads(next(text for attrs, text in self.scripts if attrs.get("id") == name))


@pytest.fixture(scope="module")
def page():
    return html.render([factory.sample()])


@pytest.fixture(scope="module")
def hostile_page():
    return html.render([hostile_results.hostile()])


def test_the_page_loads_nothing_from_anywhere(page):
    for tag, attributes in Collector(page).elements:
        assert tag not in {"link", "iframe", "img"}
        assert "src" not in attributes
        assert not (attributes.get("href") or "#").startswith(("http", "//"))


def test_only_the_pages_own_scripts_may_run(page):
    collector = Collector(page)
    policy = next(a["content"] for t, a in collector.elements if t == "meta" and "http-equiv" in a)
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    run = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for attributes, text in collector.scripts
        if "type" not in attributes
    }
    assert run == allowed
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy


def test_hostile_results_add_no_element_and_no_handler(page, hostile_page):
    plain, attacked = Collector(page), Collector(hostile_page)
    for tag in EXECUTABLE:
        assert sum(t == tag for t, _ in attacked.elements) == sum(
            t == tag for t, _ in plain.elements
        )
    for _, attributes in attacked.elements:
        assert not any(name.startswith("on") for name in attributes)


def test_hostile_names_reach_the_data_block_as_text(hostile_page):
    block = Collector(hostile_page).block("edgecnn-data")
    assert any("<script>window.hacked=1</script>" in text for text in block["strings"])
    assert not any(set(text) & {"\x1b", "\u202e", "\n"} for text in block["strings"])


def test_the_data_block_holds_every_row_and_no_raw_sample(page, results):
    block = Collector(page).block("edgecnn-data")
    assert block["count"] == len(results.measurements)
    assert {len(c["s"] if isinstance(c, dict) else c) for c in block["columns"].values()} == {
        block["count"]
    }
    longest = max(len(q) for q in block["columns"]["quantiles"])
    assert longest < 40


def test_charts_without_data_are_left_out(page):
    shown = re.findall(r'data-chart="(\w+)"', page)
    assert "accuracy_latency" in shown
    assert not {"energy", "roofline", "sustained", "machines"} & set(shown)


def test_the_answer_stands_in_the_page_without_scripts(page):
    assert page.index('class="sentence"') < page.index('id="charts"')
    assert "<noscript>" in page


def test_several_files_get_their_section_and_their_notes():
    other = factory.sample("Board", 2.0, 3)
    text = html.render([factory.sample(), other, hostile_results.hostile()])
    assert 'id="machines"' in text
    assert "Not comparable" in text


def test_a_page_of_200_rows_with_long_runs_stays_below_2_mb():
    text = html.render([factory.many(200, samples=2_000, processes=5)])
    assert len(text.encode()) <= 2_000_000
    assert "at even ranks" in text


def test_the_library_is_bundled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = bundle.start()()
    assert bundle.GLOBAL in first
    assert "</script" not in first
    monkeypatch.setattr(bundle, "_PROGRAM", "raise SystemExit(1)")
    assert bundle.start()() == first


def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = bundle._cache_path()
    path.parent.mkdir()
    path.write_text("half a libr")
    assert len(bundle.start()()) > 500_000


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(bundle.start()()) > 500_000


def test_the_form_starts_from_every_limit_that_was_asked_for(results):
    limits = Constraints(drop=2.0, p50=10.0, peak_rss=50e6, size=2e6, objective="size")
    text = html.render([results], limits)
    for name, value in (("p50", "10.0"), ("peak_rss", "50.0"), ("size", "2000.0")):
        (field,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', text)
        assert f'value="{value}"' in field
    assert '<option value="size" selected>' in text
    assert 'name="p50" min="0" step="any" value=""' in html.render([results])
