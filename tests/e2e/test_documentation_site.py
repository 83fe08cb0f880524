"""The documentation site as a reader opens it: from a disk, without a network, on any screen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import edgecnn
from tests.documents import PROJECT

BROWSER_ARGUMENTS = ("--allow-file-access-from-files",)
SERIOUS = {"serious", "critical"}
SCREENS = ((1280, False), (390, True))
"""(width, dark): each page wide and light, and narrow and dark."""
AXE = """async () => {
  const looks = new Map();
  const add = (element, behind) => {
    const style = getComputedStyle(element);
    const own = [style.backgroundColor, style.backgroundImage, style.opacity, style.filter,
                 style.position, style.zIndex].join();
    const ground = own === 'rgba(0, 0, 0, 0),none,1,none,static,auto' ? behind : behind + own + ';';
    const speaks = [...element.childNodes].some(
      node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (speaks && element.checkVisibility({checkVisibilityCSS: true})) {
      const look = [ground, style.color, style.fontSize, style.fontWeight, style.textShadow].join();
      looks.set(look, [...(looks.get(look) || []), element].slice(0, 3));
    }
    for (const child of element.children) add(child, ground);
  };
  add(document.body, '');
  const all = await axe.run({
    resultTypes: ['violations'],
    rules: {region: {enabled: false}, 'color-contrast': {enabled: false}},
  });
  const contrast = await axe.run(
    {include: [...looks.values()].flat()},
    {resultTypes: ['violations'], runOnly: ['color-contrast']});
  return [...all.violations, ...contrast.violations];
}"""
"""All rules but one that looks at every element, and whose findings are never serious. Contrast,
nine tenths of the time, is judged for three texts of each look: of each color, size and weight on
each ground.
"""

pytest.importorskip("mkdocs", reason="pip install 'edgecnn[docs]'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site as `make docs` builds it; building is strict, so warnings fail."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "docs.tools.build", "--site", str(folder)], cwd=PROJECT,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> list[Path]:
    found = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    assert len(found) > 35
    return found


class Links(HTMLParser):
    """What a page leads to, and the places in it that others can lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.places.add(value)
            if name in ("href", "src") and value and tag != "base":
                self.targets.append(value)


def read(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def test_every_link_and_every_anchor_leads_somewhere(pages, site):
    known = {path: read(path) for path in pages}
    broken = []
    for path, links in known.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            if parts.scheme or parts.netloc:
                continue  # read by people; what a page loads is tested in the browser
            leads_to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if leads_to.is_dir():
                leads_to /= "index.html"
            if not leads_to.exists():
                broken.append(f"{path.relative_to(site)}: {target}")
            elif (
                parts.fragment
                and leads_to in known
                and unquote(parts.fragment) not in known[leads_to].places
            ):
                broken.append(f"{path.relative_to(site)}: no place {target}")
    assert broken == []


@pytest.fixture
def troubles():
    return []


@pytest.fixture
def open_page(browser, troubles):
    contexts = []

    def opened(width: int, *, dark: bool):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # a busy machine is not a failure
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:", "blob:"))
                or troubles.append(f"request: {request.url[:200]}")
            ),
        )
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_every_page_fits_is_quiet_and_passes_axe(open_page, troubles, pages, site, width, dark):
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page = open_page(width, dark=dark)
    bad = []
    for path in pages:
        if path.parent == site:
            continue  # leads to the newest version
        page.goto(path.as_uri())
        name = path.relative_to(site)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            bad.append(f"{name}: {wide} pixels wide on a screen of {width}")
        page.evaluate(axe)
        found = page.evaluate(AXE)
        bad += [
            f"{name}: {rule['id']}: {rule['help']}: {rule['nodes'][0]['html'][:160]}"
            for rule in found
            if rule["impact"] in SERIOUS
        ]
    assert bad == []
    assert troubles == []


KEY_AGAIN = """() => {
    document.querySelector(".md-search__input").dispatchEvent(new KeyboardEvent("keyup"));
    return document.querySelector(".md-search-result__item");
}"""
"""The search listens to keys: those pressed before its index is read are lost."""


def test_the_search_works_from_a_disk(open_page, troubles, site):
    page = open_page(1280, dark=False)
    page.goto((site / edgecnn.__version__ / "index.html").as_uri())
    page.get_by_role("textbox", name="Search").first.fill("calibration")
    page.wait_for_function(KEY_AGAIN, polling=500)
    assert "alibration" in page.locator(".md-search-result__list").inner_text()
    assert troubles == []


def test_versions_lie_side_by_side(open_page, site):
    older = site / "0.0.9"
    shutil.copytree(site / edgecnn.__version__, older)
    newest = edgecnn.__version__
    (site / "versions.js").write_text(f'window.edgecnnVersions = ["{newest}", "0.0.9"];\n')
    page = open_page(1280, dark=False)
    page.goto((site / newest / "how-to" / "yolo.html").as_uri())
    switch = page.get_by_label("Version of this documentation")
    switch.wait_for()
    assert switch.input_value() == newest
    switch.select_option("0.0.9")
    page.wait_for_url("**/0.0.9/index.html")
    shutil.rmtree(older)
