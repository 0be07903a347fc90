"""scikit-learn's conventions, by its own checks where they apply, and at work in its tools."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from xent.calibrate import Beta, Isotonic, Matrix, Platt, Temperature, Vector

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

WORDS = "is refused, in this project's words and not the ones the check reads"
NOT_OURS = {
    "check_fit_score_takes_y": "the second argument is called `targets`",
    "check_estimators_dtypes": "integer logits are refused: nearly always class ids in the wrong place",
    "check_dtype_object": "an array of Python objects is refused",
    "check_complex_data": f"complex data {WORDS}",
    "check_estimators_empty_data_messages": f"an empty array {WORDS}",
    "check_n_features_in_after_fitting": f"another number of classes {WORDS}",
    "check_fit2d_predict1d": f"one score a row after K of them {WORDS}",
    "check_fit2d_1feature": f"one score a row, which Vector and Matrix cannot take, {WORDS}",
    "check_estimators_nan_inf": "infinite logits have a meaning; NaN is refused",
}


class Folded:
    """The checks draw data that are no logits of their labels, and more labels than columns: take labels modulo K."""

    def fit(self, X, y, sample_weight=None):
        if y is not None and not hasattr(X, "toarray"):
            X = np.asarray(X)
            X = X.astype(float) if X.dtype.kind == "i" else X
            if X.ndim == 2 and X.size:
                y = np.unique(np.asarray(y), return_inverse=True)[1] % max(2, X.shape[1])
        return super().fit(X, y, sample_weight)

    def fit_transform(self, X, y, sample_weight=None):
        return self.fit(X, y, sample_weight).transform(X)


class FoldedTemperature(Folded, Temperature):
    pass


class FoldedVector(Folded, Vector):
    pass


class FoldedMatrix(Folded, Matrix):
    pass


@pytest.mark.parametrize("kind", [FoldedTemperature, FoldedVector, FoldedMatrix])
def test_estimator_checks(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(kind(label_smoothing=0.01), on_fail=None, expected_failed_checks=NOT_OURS)
    assert [(r["check_name"], str(r["exception"])) for r in found if r["status"] == "failed"] == []
    assert sum(r["status"] == "passed" for r in found) >= 40


def two(rng):
    z = rng.normal(0, 2, 300)
    return z, (z / 2 + rng.logistic(size=300) > 0).astype(int)


@pytest.mark.parametrize("kind", [Temperature, Platt, Beta, Isotonic])
def test_in_pipelines_and_searches(kind, rng):
    z, t = two(rng)
    p = 1 / (1 + np.exp(-z))
    pipe = make_pipeline(FunctionTransformer(lambda x: x.clip(1e-9, 1 - 1e-9)), kind(probs=True)).fit(p, t)
    np.testing.assert_allclose(pipe.predict_proba(p), kind().fit(z, t).predict_proba(z), atol=1e-7)
    assert cross_val_score(kind(), z, t, cv=3).shape == (3,)  # by our own score, minus the log loss
    option = {"strength": [0.5, 2.0]} if kind is Isotonic else {"label_smoothing": [0.0, 0.01]}
    found = GridSearchCV(kind(), option, cv=3).fit(z, t)
    assert found.best_score_ > -np.log(2)


@pytest.mark.parametrize("kind", [Temperature, Platt, Beta, Isotonic, Vector, Matrix])
def test_clones_params_and_repr(kind):
    method = kind(probs=True)
    twin = clone(method)
    assert (
        twin is not method and twin.get_params() == method.get_params() and repr(twin) == f"{kind.__name__}(probs=True)"
    )
    assert twin.set_params(probs=False) is twin and repr(twin) == f"{kind.__name__}()"
    with pytest.raises(NotFittedError):
        method.predict_proba([0.5])


def test_scikit_learn_and_scipy_stay_where_they_are():
    code = (
        "import sys, xent.calibrate as c; c.Platt().fit([0., 1., 2., 3.], [0, 1, 0, 1]); "
        "c.Matrix(label_smoothing=.1).fit([[0., 1.], [2., 0.]], [0, 1]); "
        "print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
