"""Every place a loss can run: what comes out is NumPy's float64, whoever computed it."""

import importlib

import numpy as np

from xent import backends

WHERE = ("numpy", "torch", "torch portable", "jax", "jax jit", "jax portable jit")
DTYPES = ("float16", "bfloat16", "float32", "float64")
PROMISED = [(where, dtype) for where in WHERE for dtype in DTYPES]
visited = set()


class Place:
    """One way to compute a loss and its gradient, for logits of one dtype."""

    def __init__(self, where, dtype):
        self.where, self.dtype, self.framework = where, dtype, where.split()[0]
        self.module = importlib.import_module(self.framework)
        self.bound = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-6, "float64": 1e-12}[dtype]
        self.value_bound = 1e-12 if dtype == "float64" else 2e-6  # of a reduced loss
        self.fused = "portable" not in where
        self.looks = self.fused and (
            "jit" not in where or importlib.import_module("xent.backends.jax").kernels()
        )  # values

    def logits(self, x):
        """Rounded to the dtype."""
        if self.framework == "torch":
            return self.module.tensor(np.asarray(x, np.float64)).to(getattr(self.module, self.dtype))
        import ml_dtypes

        rounded = np.asarray(x, np.float64).astype(getattr(ml_dtypes, self.dtype, self.dtype))
        return self.module.numpy.asarray(rounded) if self.framework == "jax" else rounded

    def array(self, x):
        """Targets and weights."""
        if isinstance(x, tuple):
            return tuple(map(self.array, x))
        x = np.asarray(x)
        return {
            "numpy": lambda: x,
            "torch": lambda: self.module.tensor(x),
            "jax": lambda: self.module.numpy.asarray(x),
        }[self.framework]()

    def seen(self, x):
        """As float64."""
        return x.detach().double().numpy() if self.framework == "torch" else np.asarray(x).astype(np.float64)

    def outcomes(self, loss, logits, targets, **arrays):
        """(value, gradient of its sum), by the framework's own differentiation."""
        z, t = self.logits(logits), self.array(targets)
        arrays = {name: self.array(x) for name, x in arrays.items()}
        if self.framework == "numpy":
            value, gradient = loss.value_and_grad(z, t, **arrays)
        elif self.framework == "torch":
            z.requires_grad_()
            value = loss(z, t, **arrays)
            gradient = self.module.autograd.grad(value.sum(), z)[0]
        else:
            jax = self.module

            def both(z, t, arrays):
                value, pull = jax.vjp(lambda z: loss(z, t, **arrays), z)
                return value, pull(jax.numpy.ones_like(value))[0]

            value, gradient = (jax.jit(both) if "jit" in self.where else both)(z, t, arrays)
        assert str(gradient.dtype).endswith(self.dtype) and tuple(gradient.shape) == np.shape(logits)
        wanted = "float64" if self.dtype == "float64" else "float32"
        assert str(value.dtype).endswith(self.dtype if loss.reduction == "none" else wanted)
        return self.seen(value), self.seen(gradient)

    def agree(self, got, want, reduced=True):
        """Relative to the largest number, within what the dtype can hold."""
        for x, y, bound in zip(got, want, (self.value_bound if reduced else self.bound, self.bound), strict=True):
            x, y = np.asarray(x, float), np.asarray(y, float)
            largest = abs(y[np.isfinite(y)]).max(initial=0.0)
            np.testing.assert_allclose(x, y, rtol=bound, atol=bound * largest)


def opened(where, dtype):
    """A place, with the flags it needs set."""
    place = Place(where, dtype)
    visited.add((where, dtype))
    before, backends.portable = backends.portable, not place.fused
    try:
        if place.framework == "jax":
            with place.module.enable_x64(dtype == "float64"):
                yield place
        else:
            yield place
    finally:
        backends.portable = before
