"""README and the documentation: every command is run by a test or marked, and exists."""

from __future__ import annotations

import re
import tomllib

import click
import pytest

from tests import documents
from tests.documents import PROJECT

PAGES = documents.pages()
TEXTS = {path: path.read_text(encoding="utf-8") for path in documents.paths()}
TYPED = re.compile(
    r"^\s*(sudo |edgecnn |make |pip |python[\d.]* |\.venv/|source |eval |cat .*>)", re.M
)


def ids(value):
    return getattr(value, "name", None)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_what_is_typed_is_run_or_says_why_not(page):
    for block in page.blocks:
        if block.language not in documents.RUNNABLE and block.language != "yaml":
            found = TYPED.search(block.text)
            assert found is None, (
                f"{page.name}:{block.line}: {found[0].strip()} … stands in a block that no test "
                "runs: call it ```sh, and if it cannot be run, put <!-- not run: WHY --> before it"
            )


def test_reasons_for_not_running_are_sentences():
    for page in PAGES:
        for block in page.blocks:
            assert not block.not_run or len(block.not_run) > 15, f"{page.name}:{block.line}"


def test_tests_that_reasons_name_are_there():
    for page in PAGES:
        for block in page.blocks:
            for name in re.findall(r"tests/[\w/]+(?:\.py)?", block.not_run):
                assert (PROJECT / name).exists(), f"{page.name}:{block.line}: {name}"


def commands():
    for path, text in TEXTS.items():
        for words in documents.edgecnn_commands(text):
            yield path.relative_to(PROJECT).as_posix(), words


def resolved(words):
    """The click command that these words name, with the words that are left."""
    from edgecnn.cli.verbs import command

    context = click.Context(command, info_name="edgecnn")
    current, rest = command, words[1:]
    while rest and isinstance(current, click.Group) and not rest[0].startswith("-"):
        if rest[0] == "VERB":
            return None, []
        found = current.get_command(context, rest[0])
        assert found is not None, f"no command {rest[0]!r}"
        current, rest = found, rest[1:]
    return current, rest


def test_every_verb_and_every_option_that_is_named_exists():
    seen = 0
    for page, words in commands():
        verb, rest = resolved(words)
        if verb is None or isinstance(verb, click.Group):
            continue
        known = {flag for param in verb.params for flag in (*param.opts, *param.secondary_opts)}
        known |= {"--help", "-h", "--debug"}
        for word in rest:
            if word.startswith("--") and len(word) > 2:
                assert word.partition("=")[0] in known, f"{page}: {' '.join(words)}: {word}"
                seen += 1
    assert seen > 100


def test_every_verb_is_shown_somewhere():
    from edgecnn.cli.verbs import VERBS

    shown = {words[1] for _, words in commands() if len(words) > 1}
    assert set(VERBS) <= shown, sorted(set(VERBS) - shown)


def test_every_make_target_that_is_named_is_there():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for path, text in TEXTS.items():
        for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{path}: {target}"


def test_every_relative_link_leads_somewhere():
    results = PROJECT / "benchmarks" / "results"
    assets = PROJECT / "edgecnn" / "assets"
    for path, text in TEXTS.items():
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            target = path.parent / link
            if "measured/results/" in str(target):  # docs/tools carries these to the site
                target = results / str(target).partition("measured/results/")[2]
            carried = assets / target.name
            assert target.exists() or carried.exists(), f"{path}: {link}"


def test_readme_is_for_a_newcomer():
    lines = TEXTS[PROJECT / "README.md"].splitlines()
    assert len(lines) < 120, "README is what a newcomer needs in two minutes; docs/ holds the rest"


def test_every_extra_is_explained():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    text = TEXTS[PROJECT / "docs" / "reference" / "extras.md"]
    explained = set(re.findall(r"`([\w-]+)`", text))
    assert set(project["optional-dependencies"]) <= explained


def test_every_page_is_in_the_navigation():
    navigation = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in (PROJECT / "docs").rglob("*.md"):
        assert path.relative_to(PROJECT / "docs").as_posix() in navigation


def test_a_block_that_is_not_run_is_known_by_the_comment_before_it():
    page = documents.parse(
        "<!-- not run: needs a board -->\n```sh\nedgecnn doctor\n```\n\n"
        "<!-- not run: forgotten -->\nSome text.\n```sh\nedgecnn env list\n```\n"
        "<!-- given: a.keras, images -->\n```python\nprint(1)\n```\n"
    )
    assert [block.not_run for block in page.blocks] == ["needs a board", "", ""]
    assert [block.runs for block in page.blocks] == [False, True, True]
    assert page.given == ("a.keras", "images")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("`edgecnn doctor --json`", ["edgecnn", "doctor", "--json"]),
        ("```sh\necho 1 | edgecnn translate m --beam 1 > out\n```\n",
         ["edgecnn", "translate", "m", "--beam", "1"]),
        ("```sh\nedgecnn env create pnnx   # once --never\n```\n",
         ["edgecnn", "env", "create", "pnnx"]),
    ],
)  # fmt: skip
def test_commands_are_found_in_blocks_and_in_text(text, words):
    assert list(documents.edgecnn_commands(text)) == [words]
