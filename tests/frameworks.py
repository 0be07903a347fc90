"""One call, every way a framework's arrays can take: through NumPy's own code, differentiated, portable, compiled."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import torch

from xent import backends

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DIRECT = ("torch", "jax")  # NumPy's own code over the same memory: the same bits
PORTABLE = ("torch graph", "torch portable", "jax jit")
ROUTES = DIRECT + PORTABLE


@contextmanager
def portable():
    """The portable path even where NumPy's code could be used."""
    backends.portable = True
    try:
        yield
    finally:
        backends.portable = False


def tensor(x):
    """A NumPy array of any dtype as a tensor."""
    x = np.array(x)
    return torch.from_numpy(x.astype(np.float32)).bfloat16() if x.dtype == BFLOAT16 else torch.from_numpy(x)


def numbers(x):
    """The array of a framework as NumPy's; bfloat16 as ml_dtypes'."""
    if isinstance(x, tuple):
        return tuple(map(numbers, x))
    if isinstance(x, torch.Tensor):
        x = x.detach()
        return x.float().numpy().astype(BFLOAT16) if x.dtype is torch.bfloat16 else x.numpy()
    return np.asarray(x)


def run(route, function, *arrays, **others):
    """function(*arrays, **others) of the framework's arrays, as NumPy's. JAX has float64 here."""
    if route.startswith("torch"):
        given, named = [tensor(x) for x in arrays], {name: tensor(x) for name, x in others.items()}
        if route == "torch graph":
            for x in given:
                x.requires_grad_(x.is_floating_point())
        if route == "torch portable":
            with portable():
                return numbers(function(*given, **named))
        return numbers(function(*given, **named))
    with jax.enable_x64(True):
        given, named = [jnp.asarray(x) for x in arrays], {name: jnp.asarray(x) for name, x in others.items()}
        if route == "jax portable":
            with portable():
                return numbers(function(*given, **named))
        return numbers((jax.jit(function) if route == "jax jit" else function)(*given, **named))


def slopes(framework, function, *arrays, **others):
    """The gradients of the sum of function(*arrays, **others) in all floating arrays."""
    if framework == "torch":
        given = [tensor(x) for x in arrays]
        moving = [x.requires_grad_() for x in given if x.is_floating_point()]
        found = function(*given, **{name: tensor(x) for name, x in others.items()})
        return numbers(torch.autograd.grad(found.sum(), moving))
    with jax.enable_x64(True):
        given = [jnp.asarray(x) for x in arrays]
        moving = tuple(i for i, x in enumerate(given) if jnp.issubdtype(x.dtype, jnp.floating))
        named = {name: jnp.asarray(x) for name, x in others.items()}
        return numbers(jax.jit(jax.grad(lambda *x: function(*x, **named).sum(), argnums=moving))(*given))
