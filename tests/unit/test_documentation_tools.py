"""What builds the site: traps, the drawing, the prose check, the list of versions."""

from __future__ import annotations

import re
import tomllib

import pytest

from docs.tools import flow, prose, traps
from tests.documents import PROJECT


def test_the_drawing_in_the_readme_is_the_one_that_is_made():
    assert flow.ASSET.read_text(encoding="utf-8") == flow.drawing(3), "python -m docs.tools.flow"


def every_trap():
    return [trap for section in traps.read()["section"] for trap in section["trap"]]


def test_every_trap_has_its_drawing_and_its_words():
    assert len(every_trap()) >= 85
    cards = traps.cards()
    assert cards.count("<figure class='trap") == len(every_trap()) == cards.count("<svg")
    for trap in every_trap():
        assert trap["says"], trap
        assert ("samples" in trap) != ("given" in trap), trap


def test_words_fit_into_their_boxes():
    for trap in every_trap():
        for text in (trap.get("given", ""), trap.get("got", "")):
            lines = traps._wrapped(text)
            assert len(lines) <= 3, text
            assert max(map(len, lines)) <= 16, text


def test_a_shape_that_nobody_drew_is_named():
    with pytest.raises(LookupError, match="known: early"):
        traps._series("zigzag")


@pytest.mark.parametrize(
    ("says", "kind"),
    [("INVALID: x", "invalid"), ("NOISY: x", "noisy"), ("prevented: x", "avoided"),
     ("A row with the signal", "said"), ("unsupported, with the library", "unsupported")],
)  # fmt: skip
def test_a_card_is_colored_by_what_the_row_says(says, kind):
    assert traps.verdict_of(says) == kind


def test_odd_phrases_are_found_and_code_is_left_alone():
    text = "The row goes on.\n\n```sh\nedgecnn detect images\n```\nSee `picture` here.\n"
    (found,) = prose.check(text, "page.md")
    assert (found.place, found.phrase) == ("page.md:1", "goes on")


def test_comments_and_messages_of_a_program_are_checked_and_its_names_are_not():
    program = (
        'beside = {"beside": "anew"}\n'
        'raise ValueError(f"{beside} and `beside` are refused")\n'
        "# It is made anew.\n"
        'raise ValueError(f"the file beside {beside}")\n'
    )
    found = [(one.place, one.phrase) for one in prose.check(program, "module.py")]
    assert found == [("module.py:3", "anew"), ("module.py:4", "beside")]


def test_comments_and_strings_of_a_script_are_checked():
    script = (
        "// The chart goes on.\n"
        'const beside = "beside";\n'
        "/* Drawn\n   anew */\n"
        "show(`the rows ${beside ? 'beside the row' : ''} are alike`);\n"
    )
    found = [(one.place, one.phrase) for one in prose.check(script, "page.js")]
    assert found == [("page.js:1", "goes on"), ("page.js:4", "anew"), ("page.js:5", "alike")]


def test_words_of_a_page_are_checked_and_its_names_are_not():
    page = (
        '<section aria-labelledby="x" class="picture">\n'
        "<style>.beside { color: red }\n</style>\n"
        '<p title="Made anew">The {{ picture }} stands beside it.</p>\n'
        "<!-- It goes on. -->\n"
        "{{ 'both rows are alike' if picture else 'alike' }}{# in one go #}\n"
    )
    found = [(one.place, one.phrase) for one in prose.check(page, "page.html.j2")]
    assert found == [
        ("page.html.j2:4", "anew"),
        ("page.html.j2:4", "beside"),
        ("page.html.j2:5", "goes on"),
        ("page.html.j2:6", "alike"),
        ("page.html.j2:6", "in one go"),
    ]


def test_a_phrase_is_found_across_the_end_of_a_line():
    program = '"""One.\n\n    The work goes\n    on. None where there\n    is none.\n    """\n'
    (found,) = prose.check(program, "module.py")
    assert (found.place, found.phrase) == ("module.py:3", "goes on")


def test_pages_and_programs_around_the_package_are_read():
    read = {path.relative_to(PROJECT).as_posix() for path in prose.programs()}
    assert {
        "edgecnn/cli/commands/optimize.py",
        "edgecnn/reporting/assets/comparison.html.j2",
        "edgecnn/reporting/assets/answer.js",
        "edgecnn/vision/outputs/page/live.html",
        "benchmarks/repeatability.py",
        "demos/compare_runtimes.py",
        "docs/tools/prose.py",
    } <= read


def test_the_documentation_and_the_package_are_plain():
    found = [
        finding
        for path in (*prose.documents(), *prose.programs())
        for finding in prose.check(path.read_text(encoding="utf-8"), path.name)
    ]
    assert found == [], "\n".join(map(str, found))


def test_american_words_that_look_british_are_left_alone():
    text = "An optimistic analysis of the cancellation of an organism, modeled in color."
    assert list(prose.check(text, "page.md")) == []
    for word in ("optimise", "analysed", "cancelled", "organisation", "colour", "Normalising"):
        assert len(list(prose.check(f"It is {word}.", "page.md"))) == 1, word


RULES = tomllib.loads(prose.STYLE.read_text(encoding="utf-8"))["rule"]


@pytest.mark.parametrize("number", range(len(RULES)), ids=[rule["example"] for rule in RULES])
def test_a_rule_finds_its_example_and_leaves_plain_words_alone(number):
    pattern, instead = prose.rules()[number]
    assert pattern.search(RULES[number]["example"])
    assert instead
    assert not pattern.search("The median is known to within 1%.")


def test_there_are_rules():
    assert len(prose.rules()) == len(RULES) > 20


def test_generated_passages_are_all_asked_for_by_a_page():
    hooks = (PROJECT / "docs" / "tools" / "hooks.py").read_text(encoding="utf-8")
    offered = set(re.findall(r'^    "([a-z-]+)": \w', hooks, re.MULTILINE))
    asked = {
        name
        for path in (PROJECT / "docs").rglob("*.md")
        for name in re.findall(r"<!-- generated: (\S+) -->", path.read_text(encoding="utf-8"))
    }
    assert offered == asked
