"""Reading ahead changes neither what is read nor what goes wrong, and leaves no thread behind."""

import threading

import pytest

from xent.evaluate.ahead import ahead


def readers():
    return [t for t in threading.enumerate() if t.name == "xent-reader"]


def test_order_and_end():
    assert list(ahead(lambda: iter(range(1000)))) == list(range(1000))
    assert not readers()


def test_an_exception_arrives_in_its_place():
    def read():
        yield from range(5)
        raise OSError("torn")

    seen = []
    with pytest.raises(OSError, match="torn"):
        for item in ahead(read):
            seen.append(item)
    assert seen == list(range(5)) and not readers()


def test_stopping_early_stops_the_thread():
    taken = []

    def read():
        for i in range(10**9):
            taken.append(i)
            yield i

    items = ahead(read)
    assert next(items) == 0
    items.close()
    assert not readers() and len(taken) < 10
