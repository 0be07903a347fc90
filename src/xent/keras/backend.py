"""Which Keras this is: version 3, on a backend whose arrays xent takes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":
        raise  # Keras is there, its backend is not, and Keras says so
    raise ImportError('`xent.keras` needs Keras, which is not installed: pip install "xent[keras]"') from error

BACKENDS = ("torch", "jax")

if not hasattr(keras, "config"):
    raise ImportError(f'`xent.keras` needs Keras 3; got Keras {keras.__version__}: pip install "xent[keras]"')

name = keras.config.backend()
if name not in BACKENDS:
    raise ImportError(
        f"`xent.keras` works on Keras's torch and jax backends; got the backend {name!r}. Set the environment variable "
        "KERAS_BACKEND=torch or KERAS_BACKEND=jax before Keras is imported."
    )

_room = import_module(f"xent.backends.{name}.ops")
OPS: Any = _room.TORCH if name == "torch" else _room.OPS  # the portable operations on this backend's arrays
