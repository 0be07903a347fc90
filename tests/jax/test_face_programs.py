"""Whole programs in interpreters of their own: several devices, threads, forks, and the end of the interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest


def python(code, **env):
    """Runs the code, warnings being errors; what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "faulthandler", "-c", code],
        capture_output=True, text=True, timeout=240, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


DEVICES = """
import jax, jax.numpy as jnp, numpy as np, xent
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
rng = np.random.default_rng(0)
z, ids, mask = rng.normal(0, 4, (8, 5)).astype("f4"), rng.integers(0, 5, 8), rng.random(8) < 0.6
weights = rng.random(5).astype("f4")
loss = xent.SoftmaxCrossEntropy()
wanted = loss.value_and_grad(z, ids, where=mask, class_weight=weights)
mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,))
rows = P("d")

def close(x, y, rtol=1e-6):
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-7)

# data parallel: ragged masks, a denominator that all devices share, replicated class weights
def local(z, ids, mask, weights):
    held = jnp.where(mask, weights[ids], 0).sum()
    def share(z):
        total = xent.softmax_cross_entropy(z, ids, where=mask, class_weight=weights, reduction="sum")
        return total / jax.lax.psum(held, "d")
    value, gradient = jax.value_and_grad(share)(z)
    return jax.lax.psum(value, "d"), gradient

for check in (True, False):
    parts = {"mesh": mesh, "in_specs": (rows, rows, rows, P()), "out_specs": (P(), rows), "check_vma": check}
    f = jax.jit(jax.shard_map(local, **parts))
    assert "@xent" in f.lower(z, ids, mask, weights).as_text()
    for x, y in zip(f(z, ids, mask, weights), wanted, strict=True):
        close(x, y)

# logits that are the same everywhere, targets that are not: the gradient is the sum over the devices
def shared(z):
    g = lambda z, ids: jax.lax.psum(xent.softmax_cross_entropy(z, ids, reduction="sum"), "d")
    return jax.shard_map(g, mesh=mesh, in_specs=(P(), rows), out_specs=P())(z, ids)

value, gradient = jax.jit(jax.value_and_grad(shared))(z[:2])
every = xent.SoftmaxCrossEntropy(reduction="sum").value_and_grad(np.tile(z[:2], (4, 1)), ids)
close(value, every[0])
close(gradient, every[1].reshape(4, 2, 5).sum(0))
curved = jax.shard_map(jax.hessian(loss), mesh=mesh, in_specs=(rows, rows), out_specs=rows)
close(jax.jit(curved)(z, ids)[:2], jax.hessian(loss)(jnp.asarray(z[:2]), ids[:2]), 1e-5)

# arrays spread by the compiler stay spread, eager or not
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((4,), ("d",), axis_types=(kind,))
    sharding = NamedSharding(mesh, P("d", None))
    spread = jax.device_put(z, sharding)
    there = jax.device_put(ids, NamedSharding(mesh, rows)), jax.device_put(mask, NamedSharding(mesh, rows))
    for call in (loss.value_and_grad, jax.jit(loss.value_and_grad)):
        value, gradient = call(spread, there[0], where=there[1], class_weight=weights)
        close(value, wanted[0])
        close(gradient, wanted[1], 1e-5)
        assert gradient.sharding.is_equivalent_to(sharding, 2)
    losses = jax.jit(lambda z: xent.softmax_cross_entropy(z, there[0], reduction="none"))(spread)
    assert losses.sharding.is_equivalent_to(NamedSharding(mesh, rows), 1)
    with jax.set_mesh(mesh):
        close(jax.jit(jax.grad(loss))(spread, there[0]), jax.grad(loss)(jnp.asarray(z), ids), 1e-5)

# another device than the first, and two that do not go together
second = jax.device_put(z, jax.devices()[1])
for call in (loss.value_and_grad, jax.jit(loss.value_and_grad)):
    assert {x.device for x in call(second, ids)} == {jax.devices()[1]}
for call in (loss, jax.jit(loss), jax.grad(loss)):
    try:
        call(second, jax.device_put(ids, jax.devices()[2]))
    except ValueError as error:
        assert "devices" in str(error)
    else:
        raise AssertionError("two devices in one call")
print("done")
"""


def test_four_devices():
    assert python(DEVICES, XLA_FLAGS="--xla_force_host_platform_device_count=4") == "done\n"


THREADS = """
import sys, threading, jax, jax.numpy as jnp, numpy as np, xent
loss = xent.SigmoidCrossEntropy()
z, t = np.random.default_rng(0).normal(0, 4, 1 << 18).astype("f4"), np.zeros(1 << 18, "f4")
wanted = loss.value_and_grad(z, t)[1]
f = jax.jit(loss.value_and_grad)
three = jax.jit(lambda z, t: [loss.value_and_grad(x, t)[1] for x in (z, z, z)])
wrong = []

def work():
    for _ in range(5):
        found = [f(z, t)[1], *three(z, t), loss.value_and_grad(jnp.asarray(z), t)[1]]
        wrong.extend(x for x in found if not np.array_equal(x, wanted))

threads = [threading.Thread(target=work) for _ in range(5)]
[x.start() for x in threads]
[x.join() for x in threads]
big = [f(z, t) for _ in range(20)]
assert not wrong and all(np.array_equal(x[1], wanted) for x in big)
"""

END = """
for _ in range(20):
    f(z, t)  # under way when the interpreter ends
print("done")
"""

FORK = """
import os, warnings
warnings.simplefilter("ignore")  # JAX warns of every fork
jax.block_until_ready(big)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(loss.value_and_grad(z, t)[1], wanted) else 1)
assert os.waitpid(child, 0)[1] == 0
print("done")
"""


def test_many_threads_and_an_end_with_calls_under_way():
    assert python(THREADS + END) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_uses_the_kernels():
    """On NumPy arrays: JAX itself neither compiles nor ends well in a forked child."""
    assert python(THREADS + FORK) == "done\n"


def test_nothing_is_registered_on_import():
    """Before its CPU backend has started JAX cannot refuse a handler of another version, and would not start it."""
    code = """
import jax
asked = []
jax.ffi.register_ffi_target = lambda *x, **_: asked.append(x)
import xent.jax, xent.backends.jax as backend
assert not asked
assert backend.kernels() is bool(asked)
print(len(asked))
"""
    assert python(code) == "1\n"


def test_the_portable_path_by_the_environment():
    code = """
import jax.numpy as jnp, numpy as np, xent, xent.backends.jax as backend
backend.fused.direct = None
assert np.isnan(xent.softmax_cross_entropy(jnp.zeros((2, 3)), jnp.asarray([0, 7])))
print(abs(float(xent.softmax_cross_entropy(jnp.zeros((2, 3)), jnp.asarray([0, 2]))) - np.log(3)) < 1e-6)
"""
    assert python(code, XENT_PORTABLE="1") == "True\n"


def test_checks_on_the_device_when_they_are_asked_for():
    code = """
import jax, jax.numpy as jnp, numpy as np, xent
f = jax.jit(xent.softmax_cross_entropy)
assert abs(float(f(jnp.zeros((2, 3)), jnp.asarray([0, 2]))) - np.log(3)) < 1e-6
try:
    jax.block_until_ready(f(jnp.zeros((2, 3)), jnp.asarray([0, 7])))
    jax.effects_barrier()
except Exception as error:
    print("[0, 3)" in str(error) or str(error))
"""
    assert python(code, XENT_PORTABLE="1", XENT_CHECK="1").endswith("True\n")


@pytest.mark.parametrize("seen", [True, False], ids=["on sys.path", "isolated"])
def test_the_build_finds_jaxlib_s_headers(seen):
    """Also where pip's build isolation has taken the installed packages off `sys.path`."""
    script = Path(__file__).parents[2] / "cmake/jaxlib_headers.py"
    code = f"""
import runpy, sys
if not {seen}:
    sys.path = [p for p in sys.path if "site-packages" not in p]
runpy.run_path({str(script)!r})
"""
    assert Path(python(code).strip()) == Path(jax.ffi.include_dir())
