"""The public names of the package: listed once, lazy, and leading somewhere."""

from __future__ import annotations

import pytest

import edgecnn


def test_the_table_and_the_list_of_public_names_agree():
    assert set(edgecnn.__all__) == {"__version__", *edgecnn._PUBLIC}


@pytest.mark.parametrize("name", edgecnn.__all__)
def test_every_public_name_is_there(name: str):
    assert getattr(edgecnn, name) is not None


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'benchmrk'"):
        _ = edgecnn.benchmrk
