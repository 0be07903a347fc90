"""What every calibrator shares: scikit-learn's conventions, kept without importing scikit-learn."""

from __future__ import annotations

from inspect import signature
from typing import Any, ClassVar, Self

import numpy as np

from xent import losses
from xent.information import sigmoid
from xent.objective import number

from .faults import not_fitted
from .inputs import Rows, columns, logits_of, read, scores, spans
from .maps import Map

Array = Any


class Calibrator:
    """Abstract: the maps say how they fit. Numbers in, `fit`, attributes that end in `_`, the map itself in `map_`."""

    map_: Map
    binary: ClassVar[bool] = False  # for two classes only, read as one logit
    mends_zero: ClassVar[bool] = False  # whether the map can give probability to what had none
    tells: ClassVar[tuple[tuple[str, str], ...]] = ()  # fitted attribute, field of the map

    probs: bool

    def _options(self) -> dict[str, Any]:
        """The options as numbers, checked; at the fit, as scikit-learn wants it."""
        options = self.get_params()
        if not isinstance(options["probs"], (bool, np.bool_)):
            raise TypeError(f"`probs` must be True or False; got {options['probs']!r}.")
        if "floor" in options:
            options["floor"] = number("floor", options["floor"], "a number in [0, 0.5)", lambda x: 0 <= x < 0.5)
            options["label_smoothing"] = number(
                "label_smoothing", options["label_smoothing"], "a number in [0, 1)", lambda x: 0 <= x < 1
            )
        return options

    def fit(self, logits: Any, targets: Any, sample_weight: Any = None) -> Self:
        """Fits the map to scores and what happened.

        Args:
            logits: scores [N] or [N, 1] (two classes, the logit of class 1) or [N, K]; probabilities with `probs=True`.
                float16, bfloat16, float32, float64. -inf rules a class out.
            targets: class ids [N]; or probabilities, [N] of class 1 or rows [N, K] that sum to 1.
            sample_weight: [N], >= 0: a row of weight 2 counts as two rows, and one of weight 0 is not looked at.

        Raises:
            NoFiniteOptimum: the likelihood has no maximum. ValueError, TypeError: what is wrong, and in which row.
        """
        options = self._options()
        rows = read(
            logits, targets, sample_weight, probs=bool(self.probs), floor=options.get("floor", 0.0),
            binary=self.binary, impossible=None if self.mends_zero else f"a {type(self).__name__}",
        )  # fmt: skip
        given = scores(logits, bool(self.probs))
        width = columns(given)
        self.map_ = self._fitted(rows, options, {"columns": width, "probs": rows.probs, "floor": rows.floor})
        for attribute, field in self.tells:
            value = getattr(self.map_, field)
            setattr(self, attribute, np.asarray(value) if isinstance(value, tuple) else value)
        self.n_features_in_ = width
        self.classes_ = np.arange(max(width, 2))
        return self

    def _fitted(self, rows: Rows, options: dict[str, Any], frame: dict[str, Any]) -> Map:
        raise NotImplementedError

    def transform(self, logits: Any) -> Array:
        """Calibrated logits, in the shape and dtype of the scores; their sigmoid or softmax are the probabilities."""
        return self._map()(logits)

    def predict_proba(self, logits: Any) -> Array:
        """Calibrated probabilities [N, K] in the dtype of the scores, K = 2 for one score a row.

        `map_.probabilities` keeps the shape.
        """
        if self._map().columns > 1:
            return self._map().probabilities(logits)
        a = scores(logits, bool(self.probs))
        z = calibrated(self._map(), a)
        return np.stack([sigmoid(-z), sigmoid(z)], 1).astype(a.dtype)

    def fit_transform(self, logits: Any, targets: Any, sample_weight: Any = None) -> Array:
        """`fit`, then `transform` of the same scores; in-sample."""
        return self.fit(logits, targets, sample_weight).transform(logits)

    def score(self, logits: Any, targets: Any, sample_weight: Any = None) -> float:
        """Minus the mean log loss after calibration, in nats: larger is better, as scikit-learn's selectors want it."""
        each, weight = row_losses(self._map(), logits, targets, sample_weight)
        return -float(np.average(each, weights=weight))

    def _map(self) -> Map:
        if "map_" not in self.__dict__:
            raise not_fitted(type(self).__name__)
        return self.map_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The options, by name."""
        return {name: getattr(self, name) for name in signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Changes options; the next `fit` reads them."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"`{name}` is not an option of {type(self).__name__}; these are: {', '.join(known)}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        plain = {name: p.default for name, p in signature(type(self)).parameters.items()}
        said = [f"{name}={value!r}" for name, value in self.get_params().items() if value is not plain[name]]
        return f"{type(self).__name__}({', '.join(said)})"

    def __sklearn_is_fitted__(self) -> bool:
        return "map_" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=True),
            transformer_tags=TransformerTags(preserves_dtype=["float64", "float32", "float16"]),
            input_tags=InputTags(one_d_array=self.binary, two_d_array=not self.binary),
        )


def calibrated(applied: Map, a: Array) -> Array:
    """Float64 logits of one score a row after a map, whatever the dtype of the scores."""
    flat = a.reshape(-1)
    return np.concatenate(
        [applied.calibrated(logits_of(flat[s], applied.probs, applied.floor)) for s in spans(len(flat), 1)]
    )


def row_losses(applied: Map | None, logits: Any, targets: Any, sample_weight: Any, probs: bool = False) -> Any:
    """(log loss of every row that counts, their weights or None), after a map or (None) as the scores stand."""
    if applied is not None:
        probs = applied.probs
    rows = read(
        logits, targets, sample_weight, probs=probs, floor=0.0, binary=applied is not None and applied.binary,
        impossible=None,
    )  # fmt: skip
    floor = 0.0 if applied is None else applied.floor
    rows = Rows(rows.scores, rows.targets, rows.weight, probs, floor, rows.binary, rows.total)
    kind = losses.SigmoidCrossEntropy if rows.binary else losses.SoftmaxCrossEntropy
    price = kind(reduction="none")
    each = [price(z if applied is None else applied.calibrated(z), t) for z, t, _ in rows.blocks(infinite=True)]
    return np.concatenate(each), rows.weight
