from typing import Any

# Arrays are NumPy's, of any strides; bfloat16 travels as uint16. None: absent. threads=0: as many as OpenMP may use.

def sigmoid(
    logits: Any,
    targets: Any,
    weight: Any,
    where: Any,
    ignore: tuple[float, ...],
    table: Any,
    law: tuple[int, float, float],
    pipe: Any,
    scale: float,
    loss: Any,
    grad: Any,
    hess: Any,
    v: Any,
    threads: int,
) -> tuple[float, int]: ...
def softmax(
    logits: Any,
    targets: Any,
    weight: Any,
    where: Any,
    ignore: tuple[float, ...],
    class_loss: Any,
    class_weight: Any,
    smoothing: float,
    prior: Any,
    z_loss: float,
    law: tuple[int, float, float],
    pipe: Any,
    scale: float,
    loss: Any,
    grad: Any,
    hess: Any,
    v: Any,
    threads: int,
) -> tuple[float, int]: ...
def weigh_sigmoid(
    targets: Any, weight: Any, where: Any, ignore: tuple[float, ...], table: Any, threads: int
) -> tuple[float, int, float, int]: ...
def weigh_softmax(
    classes: int, targets: Any, weight: Any, where: Any, ignore: tuple[float, ...], class_weight: Any, threads: int
) -> tuple[float, int, int]: ...
def log_loss(
    probs: Any,
    targets: Any,
    weight: Any,
    where: Any,
    ignore: tuple[float, ...],
    table: Any,
    scale: float,
    loss: Any,
    grad: Any,
    threads: int,
) -> tuple[float, int, int]: ...
def activation(kind: int, logits: Any, out: Any, threads: int) -> None: ...
def level() -> str: ...
def levels() -> list[str]: ...
def max_threads() -> int: ...
def xla_handlers(answer: Any) -> dict[str, Any]: ...
def xla_close() -> None: ...
def __getattr__(name: str) -> Any: ...
