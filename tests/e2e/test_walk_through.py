"""README's and the documentation's commands, run as they stand there, page by page.

Those of docs/how-to are in test_walk_through_how_to.py: processes share tests by their file.
"""

from __future__ import annotations

import pytest

from tests import documents
from tests.e2e import given
from tests.e2e.walking import walk

HOW_TO = "docs/how-to/"
PAGES = [page for page in documents.pages() if page.runs and not page.name.startswith(HOW_TO)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_works_in_its_order(page, tmp_path, made_once):
    walk(page, tmp_path, made_once)


def test_everything_that_a_page_starts_from_can_be_made():
    for page in documents.pages():
        assert set(page.given) <= set(given.MAKERS), page.name
