"""Reading and counting at the same time: a second thread decodes the next batches while the kernel, which releases the
interpreter lock, works on this one. What is read, and in which order, does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
BATCHES = 2  # waiting at most; one is not always enough to cover a slow page, more only costs memory


def ahead(read: Callable[[], Iterator[T]]) -> Iterator[T]:
    """The items of `read()`, fetched by a thread of their own; its exception is raised here, in its place."""
    waiting: Queue[tuple[str, Any]] = Queue(BATCHES)
    stopped = Event()

    def put(item: tuple[str, Any]) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except Full:
                continue

    def fetch() -> None:
        try:
            for item in read():
                put(("item", item))
                if stopped.is_set():
                    return
            put(("end", None))
        except BaseException as error:  # handed over, not swallowed
            put(("error", error))

    thread = Thread(target=fetch, name="xent-reader", daemon=True)
    thread.start()
    try:
        while True:
            kind, item = waiting.get()
            if kind == "end":
                return
            if kind == "error":
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
