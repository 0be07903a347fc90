"""The places of tests/places.py as fixtures."""

import pytest
from places import PROMISED, WHERE, opened


@pytest.fixture(params=PROMISED, ids=" ".join)
def place(request):
    """Every promised pair of backend and dtype."""
    yield from opened(*request.param)


@pytest.fixture(params=[(where, "float32") for where in WHERE], ids=lambda p: p[0])
def single(request):
    """Every backend in float32: for laws in which the dtype has no part."""
    yield from opened(*request.param)
