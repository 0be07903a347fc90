"""Large results lie in memory that earlier ones left: never in memory that somebody still sees."""

import gc
import threading

import numpy as np
import pytest

import xent
from xent.backends import memory

SHAPE = (1 << 18,)  # float32: the least that is recycled


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(memory, "_kept", [])


def place(a):
    return a.__array_interface__["data"][0]


def test_the_memory_of_what_is_gone_is_used_again_and_aligned():
    first = memory.empty(SHAPE, np.float32)
    at = place(first)
    assert at % memory.LINE == 0 and first.flags.writeable and first.flags.c_contiguous
    other = memory.empty(SHAPE, np.float32)
    assert place(other) != at
    del first
    across = memory.empty((512, 512), np.float32, "F")  # the same bytes in another shape
    assert place(across) == at and across.flags.f_contiguous


def seen_by_numpy(a):
    return a[10:20]


def seen_by_torch(a):
    return pytest.importorskip("torch").from_numpy(a)[10:20]


def seen_by_a_buffer(a):
    return np.asarray(memoryview(a)[10:20])


def seen_by_dlpack(a):
    return np.from_dlpack(a)[10:20]


def seen_by_its_base(a):
    return np.frombuffer(a.base, np.float32)[10:20]


@pytest.mark.parametrize(
    "see", [seen_by_numpy, seen_by_torch, seen_by_a_buffer, seen_by_dlpack, seen_by_its_base], ids=lambda f: f.__name__
)
def test_whoever_looks_at_it_keeps_it(see):
    a = memory.empty(SHAPE, np.float32)
    a[:] = 7.0
    view, at = see(a), place(a)
    del a
    gc.collect()
    later = memory.empty(SHAPE, np.float32)
    assert place(later) != at
    later[:] = 0.0
    assert (np.asarray(view) == 7.0).all()


def test_small_results_are_numpys_own_and_large_ones_are_given_back_to_the_system():
    small = memory.empty((10,), np.float32)
    assert small.base is None
    huge = memory.empty((memory.MOST + 1,), np.uint8)
    del huge
    assert memory._kept == []
    parts = [memory.empty((memory.MOST // 2,), np.uint8) for _ in range(3)]
    parts.clear()
    assert sum(map(len, memory._kept)) <= memory.MOST


def test_gradients_of_many_steps_and_threads_do_not_meet():
    rng = np.random.default_rng(0)
    z, t = rng.normal(size=SHAPE).astype(np.float32), rng.integers(0, 2, SHAPE)
    loss = xent.SigmoidCrossEntropy()
    want, wrong = loss.value_and_grad(z, t)[1].copy(), []

    def train():
        for _ in range(20):
            gradient = loss.value_and_grad(z, t)[1]
            wrong.append(not np.array_equal(gradient, want))
            gradient[:] = np.nan

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 80 and not any(wrong)
