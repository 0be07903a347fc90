"""What cannot be fitted or applied is said: the argument, the rule, what came and where."""

import re

import numpy as np
import pytest

from xent.calibrate import (
    Beta,
    CalibrationWarning,
    Isotonic,
    Map,
    Matrix,
    NoFiniteOptimum,
    Platt,
    Temperature,
    Vector,
    cross_fitted_gain,
    from_json,
)

INF, NAN = np.inf, np.nan
Z = np.array([0.5, -1.0, 2.0, -0.3, 1.0, -2.0])
T = np.array([1, 0, 1, 1, 0, 0])
W = np.array([[2.0, 0, 1], [0, 1, 1], [1, 0, 2], [0, 2, 1], [0, 1, 0], [1, 2, 2]])
Y = np.array([0, 1, 2, 1, 0, 2])
BINARY = (Temperature, Platt, Beta, Isotonic)
MANY = (Temperature, Vector, Matrix)


def at(x, index, value):
    x = np.array(x, float)
    x[index] = value
    return x


CASES = [  # calibrators, scores, targets, weights, options, error, message
    (BINARY, at(Z, 3, NAN), T, None, {}, ValueError, "`logits` must not be NaN; got nan at row 3."),
    (MANY, at(W, (4, 1), NAN), Y, None, {}, ValueError, "`logits` must not be NaN; got nan at row 4."),
    (BINARY, at(Z, 3, NAN), T, [0, 1, 1, 1, 1, 1], {}, ValueError, "got nan at row 3."),
    (BINARY, Z, T, None, {"probs": True}, ValueError, "`probs` must lie in [0, 1]; got -1.0 at row 1."),
    (MANY, W, Y, None, {"probs": True}, ValueError, "`probs` must lie in [0, 1]; got 2.0 at row 0."),
    (MANY, np.full((6, 3), 0.3), Y, None, {"probs": True}, ValueError, "`probs` must sum to 1 within 3.6e-07"),
    (MANY, at(W, (1, slice(None)), -INF), Y, None, {}, ValueError, "`logits` must name one distribution"),
    (MANY, at(W, (1, slice(2)), INF), Y, None, {}, ValueError, "got +inf 2 times at row 1."),
    (BINARY[:3], at(Z, 2, -INF), T, None, {}, ValueError, "got 0 in 1 of 6 rows, first at row 2. Give `floor`"),
    (MANY, at(W, (1, 1), -INF), Y, None, {}, ValueError, "got 0 in 1 of 6 rows, first at row 1."),
    ((Matrix,), at(W, (1, 0), -INF), Y, None, {}, ValueError, "must leave every class a probability > 0"),
    (BINARY, Z, T + 1, None, {}, ValueError, "`targets` must hold class ids in [0, 2); got 2 at row 0."),
    (BINARY, Z, T - 1, None, {}, ValueError, "`targets` must hold class ids in [0, 2); got -1 at row 1."),
    (BINARY, Z, 1.5 * T, None, {}, ValueError, "`targets` must lie in [0, 1]; got 1.5 at row 0."),
    (MANY, W, Y + 1, None, {}, ValueError, "`targets` must hold class ids in [0, 3); got 3 at row 2."),
    (MANY, W, Y.astype(float), None, {}, TypeError, "are class ids and must be integers; got float64."),
    (MANY, W, Y.astype(str), None, {}, TypeError, "`targets` must hold bool, integer or floating-point numbers"),
    (MANY, W, 0.5 * np.eye(3)[Y], None, {}, ValueError, "rows of `targets` must sum to 1; got 0.5 at row 0."),
    (BINARY + MANY, W[:, :1], Y[:4], None, {}, ValueError, "`targets` must have one entry per row, (6,)"),
    (BINARY + MANY, Z, None, None, {}, ValueError, "`targets` must say what happened"),
    (BINARY, np.zeros(0), T[:0], None, {}, ValueError, "with N and K at least 1; got shape (0,)."),
    (BINARY + MANY, W[:, :0], T, None, {}, ValueError, "with N and K at least 1; got shape (6, 0)."),
    (BINARY + MANY, W[None], T, None, {}, ValueError, "must have shape (N,)"),
    (BINARY, T, Z, None, {}, TypeError, "`logits` must hold floating-point numbers"),
    (BINARY[1:], W, Y, None, {}, ValueError, "must be those of two classes, (N,) or (N, 2)"),
    (MANY[1:], Z, T, None, {}, ValueError, "must have one column per class, (N, K)"),
    (BINARY, Z, T, np.zeros(6), {}, ValueError, "`sample_weight` must leave something to fit"),
    (BINARY, Z, T, -np.ones(6), {}, ValueError, "`sample_weight` must be finite and >= 0; got -1.0 at index 0."),
    (BINARY, Z, T, np.ones(5), {}, ValueError, "`sample_weight` must have one entry per row, (6,); got shape (5,)."),
    (BINARY, Z, T, np.full(6, 1e308), {}, ValueError, "`sample_weight` must have a finite sum"),
    (BINARY, Z, T, None, {"probs": "yes"}, TypeError, "`probs` must be True or False; got 'yes'."),
    (BINARY[:3], Z, T, None, {"floor": 0.5}, ValueError, "`floor` must be a number in [0, 0.5); got 0.5."),
    (BINARY[:3], Z, T, None, {"label_smoothing": 1}, ValueError, "`label_smoothing` must be a number in [0, 1)"),
    ((Matrix,), W, Y, None, {"ridge": 0}, ValueError, "`ridge` must be a number > 0; got 0."),
    ((Isotonic,), Z, T, None, {"strength": 0.0}, ValueError, "`strength` must be a number > 0; got 0.0."),
    # no finite optimum
    ((Temperature, Platt, Beta), abs(Z) * (2 * T - 1), T, None, {}, NoFiniteOptimum, "has no finite optimum"),
    ((Platt, Beta), Z, 0 * T, None, {}, NoFiniteOptimum, "all targets are 0, and each further intercept fits better"),
    ((Platt, Beta), Z[:1], T[:1], None, {}, NoFiniteOptimum, "all targets are 1"),
    ((Temperature,), Z[:1], T[:1], None, {}, NoFiniteOptimum, "every row has its target on top"),
    (MANY, W, W.argmax(1), None, {}, NoFiniteOptimum, "has no finite optimum"),
    (MANY[1:], W, 0 * Y, None, {}, NoFiniteOptimum, "no row has class 1, 2 for its target"),
]  # fmt: skip


@pytest.mark.parametrize(
    "kind, case", [(kind, case) for case in CASES for kind in case[0]], ids=lambda x: getattr(x, "__name__", "")
)
def test_refused_before_anything_is_fitted(kind, case):
    _, z, t, w, options, error, message = case
    method = kind(**options)
    with pytest.raises(error, match=re.escape(message)) as caught:
        method.fit(z, t, w)
    assert type(caught.value) is error and not hasattr(method, "map_")


def test_one_column_is_two_classes():
    column = Z[:, None]
    assert Platt().fit(column, T).n_features_in_ == 1
    assert Platt().fit(column, T[:, None]).map_ == Platt().fit(column, T).map_


@pytest.mark.parametrize("kind", [Platt, Beta])
def test_scores_that_do_not_vary(kind):
    with pytest.warns(CalibrationWarning, match="do not vary"):
        fitted = kind().fit(np.full(6, 0.7), [1, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(fitted.map_.probabilities([0.7, 5.0]), 1 / 3)


@pytest.mark.parametrize("kind", MANY)
def test_equal_logits_of_every_row(kind):
    flat = np.zeros((6, 3))
    if kind is Temperature:
        with pytest.warns(CalibrationWarning, match="no temperature changes anything"):
            assert kind().fit(flat, Y).temperature_ == 1.0
    else:
        fitted = kind().fit(flat, [0, 0, 0, 1, 1, 2])
        np.testing.assert_allclose(fitted.predict_proba(flat)[0], [1 / 2, 1 / 3, 1 / 6], rtol=1e-6)


@pytest.mark.parametrize("kind", (Vector, Matrix))
def test_anti_informative_logits_of_many_classes(kind, rng):
    z = rng.normal(size=(300, 3))
    t = (-2 * z + rng.gumbel(size=(300, 3))).argmax(1)
    with pytest.warns(CalibrationWarning, match="anti-informative"):
        fitted = kind().fit(z, t)
    assert (np.diag(fitted.weight_) if kind is Matrix else fitted.scale_).max() < 0


def test_applied_to_what_it_was_not_fitted_to():
    fitted = Vector(label_smoothing=0.1).fit(W, Y)
    with pytest.raises(ValueError, match=r"must have the shape of the fit, \(N, 3\); got \(6, 2\)"):
        fitted.transform(W[:, :2])
    with pytest.raises(ValueError, match="must not be NaN; got nan at row 2"):
        fitted.transform(at(W, (2, 1), NAN))
    with pytest.raises(AttributeError, match="Platt is not fitted"):
        Platt().transform(Z)
    with pytest.raises(ValueError, match="cannot take a probability of 0"):
        Matrix(label_smoothing=0.1).fit(W, Y).transform(at(W, (0, 0), -INF))
    with pytest.raises(ValueError, match="`heat` is not an option of Temperature; these are: probs, floor"):
        Temperature().set_params(heat=1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "must be the JSON of a calibration map"),
        ("[]", "as `to_json` writes it"),
        ('{"xent": "calibration", "kind": "magic"}', "as `to_json` writes it"),
        ('{"xent": "calibration", "kind": "platt", "version": 9}', "must be version 1 of the JSON; got 9"),
        ('{"xent": "calibration", "kind": "platt", "version": 1}', "must hold columns, floor, intercept"),
        (
            '{"xent": "calibration", "kind": "temperature", "version": 1, "columns": 1, "probs": false, "floor": 0.0, '
            '"beta": NaN}',
            "as finite numbers",
        ),
    ],
)
def test_text_that_is_no_map(text, message):
    with pytest.raises(ValueError, match=message):
        from_json(text)


@pytest.mark.parametrize(
    "method, more, error, message",
    [
        ("magic", {}, ValueError, "`method` must be one of temperature, platt"),
        (Map, {}, TypeError, "`method` must be a name or a calibrator"),
        (Temperature(), {"probs": True}, ValueError, "`probs` is given twice"),
        ("temperature", {"folds": 1}, ValueError, "`folds` must be an integer from 2 to 6, the number of rows; got 1"),
        ("temperature", {"cluster": [0, 0, 1, 1, 2, 2]}, ValueError, "from 2 to 3, the number of clusters; got 5"),
        ("temperature", {"cluster": [0, 1]}, ValueError, "`cluster` must have one entry per row"),
        ("temperature", {"confidence": 1}, ValueError, "`confidence` must be a number in (0, 1)"),
        ("platt", {"folds": 6}, NoFiniteOptimum, "without fold "),
    ],
)
def test_gains_that_cannot_be_had(method, more, error, message):
    t = np.array([0, 0, 0, 0, 1, 0]) if more.get("folds") == 6 else T
    with pytest.raises(error, match=re.escape(message)):
        cross_fitted_gain(method, Z, t, **more)
