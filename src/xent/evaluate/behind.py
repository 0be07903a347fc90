"""Work that a second thread does behind the first, piece by piece and in order: the kernels release the interpreter
lock, so that one batch is judged while the one before it is added to the parts of a state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

WAITING = 2  # pieces at most that are not done yet: each holds a batch in memory


class Behind:
    """`do` hands a piece over; an error in one is raised by a later `do`, or at the end of the `with`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "xent-parts")
        self._pieces: deque[Future[None]] = deque()

    def do(self, piece: Callable[[], None]) -> None:
        """Have a piece done, once at most two before it are not done yet."""
        self._settle(WAITING - 1)
        self._pieces.append(self._thread.submit(piece))

    def _settle(self, left: int) -> None:
        while len(self._pieces) > left:
            self._pieces.popleft().result()

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        try:
            if kind is None:
                self._settle(0)
        finally:
            self._thread.shutdown(cancel_futures=True)
