"""The commands of docs/how-to, run as they stand there, page by page."""

from __future__ import annotations

import pytest

from tests import documents
from tests.e2e.test_walk_through import HOW_TO
from tests.e2e.walking import walk

PAGES = [page for page in documents.pages() if page.runs and page.name.startswith(HOW_TO)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_works_in_its_order(page, tmp_path, made_once):
    walk(page, tmp_path, made_once)
