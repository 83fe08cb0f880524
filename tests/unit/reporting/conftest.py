from __future__ import annotations

import pytest

from edgecnn.results import Results
from tests.unit.reporting import factory, hostile_results


@pytest.fixture(scope="session", autouse=True)
def drawing_library_cache(tmp_path_factory):
    """Bundling takes seconds: once for all tests, and not in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def results() -> Results:
    return factory.sample()


@pytest.fixture
def hostile() -> Results:
    return hostile_results.hostile()
