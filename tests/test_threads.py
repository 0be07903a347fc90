"""Threads: as many as asked for, none where they cannot be had, and never with the interpreter's lock held."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import xent
from xent import _kernels

LOSS = xent.SigmoidCrossEntropy()


def large() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 4, 1 << 20).astype(np.float32), (rng.random(1 << 20) < 0.5).astype(np.float32)


def test_threadpoolctl_limits_the_kernels() -> None:
    with threadpool_limits(limits=1):
        assert _kernels.max_threads() == 1
    with threadpool_limits(limits=2):
        assert _kernels.max_threads() == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_omp_num_threads_is_honoured(threads: int) -> None:
    code = "from xent import _kernels; print(_kernels.max_threads())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(threads)


def in_child(queue: multiprocessing.Queue) -> None:
    queue.put((_kernels.max_threads(), LOSS.value_and_grad(*large())[1].tobytes()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")  # of JAX, where another test has imported it
def test_a_forked_child_does_not_hang_on_its_parents_threads() -> None:
    expected = LOSS.value_and_grad(*large())[1].tobytes()  # the parent's pool is awake now
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue,))
    child.start()
    threads, gradient = queue.get(timeout=60)
    child.join(timeout=60)
    assert threads == 1 and gradient == expected


def test_the_interpreter_runs_on_while_a_kernel_works() -> None:
    z = np.random.default_rng(0).normal(0, 4, 1 << 23)  # float64: about 50 ms
    t = np.zeros_like(z)
    spans: list[tuple[float, float]] = []
    ticks: list[float] = []

    def work() -> None:
        start = time.perf_counter()
        with threadpool_limits(limits=1):
            LOSS(z, t)
        spans.append((start, time.perf_counter()))

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.001)
    (start, end), *_ = spans
    inside = [tick for tick in ticks if start + 0.2 * (end - start) < tick < end - 0.2 * (end - start)]
    assert inside, "no other thread ran during the kernel"


def test_the_same_bits_with_pytorch_in_the_process() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is part of the test extra")
    z, t = large()
    before = LOSS.value_and_grad(z, t)
    torch.ones(1 << 20).exp()  # wakes PyTorch's own threads
    after = LOSS.value_and_grad(z, t)
    assert before[0] == after[0] and before[1].tobytes() == after[1].tobytes()


@pytest.mark.slow
def test_more_than_two_to_the_31_elements() -> None:
    """9 GB: float16 logits and their gradient, indices beyond 32 bits."""
    n = (1 << 31) + 1000
    z = np.zeros(n, np.float16)
    t = np.zeros(n, np.int8)
    z[-3:], t[-2] = [1, 2, 3], 1
    value, grad = xent.SigmoidCrossEntropy(reduction="sum").value_and_grad(z, t)
    tail = xent.SigmoidCrossEntropy(reduction="sum").value_and_grad(z[-3:], t[-3:])
    assert value == np.float32((n - 3) * np.log(2.0) + float(tail[0]))
    assert grad[0] == np.float16(0.5) and grad[-4] == np.float16(0.5)
    assert grad[-3:].tobytes() == tail[1].tobytes()
    with pytest.raises(ValueError, match=f"index {n - 1}"):
        t[-1] = 5
        xent.sigmoid_cross_entropy(z, t)
    del t, grad
    rows = z[: n - n % 16].reshape(-1, 16)
    ids = np.full(len(rows), 3)
    value, grad = xent.SoftmaxCrossEntropy(reduction="sum").value_and_grad(rows, ids)
    assert grad[0, 3] == np.float16(-15 / 16) and grad[len(rows) // 2, 3] == np.float16(-15 / 16)
    assert abs(float(value) / (len(rows) * np.log(16.0)) - 1) < 1e-6
