"""optax's own tests of these losses, run on ours; and its documented examples."""

import types
import unittest

import jax.numpy as jnp
import numpy as np
import pytest

import xent.jax as losses

CASES = (
    "KLDivergenceTest",
    "KLDivergenceWithLogTargetsTest",
    "PolyLossTest",
    "SafeSoftmaxCrossEntropyTest",
    "SigmoidCrossEntropyTest",
    "SigmoidFocalLossTest",
    "SoftmaxCrossEntropyTest",
    "SoftmaxCrossEntropyWithIntegerLabelsTest",
)

# finite differences in the labels leave [0, 1], which xent does not price
REFUSED = {
    "SafeSoftmaxCrossEntropyTest.test_gradient": "must lie in [0, 1]",
    "SoftmaxCrossEntropyTest.test_gradient": "must lie in [0, 1]",
}


def outcome(module, name, patch, monkeypatch):
    """(tests run, {test: traceback}) of one test case of optax with xent's functions in it."""
    monkeypatch.setattr(module, patch, types.SimpleNamespace(**{**vars(getattr(module, patch)), **vars(losses)}))
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromTestCase(getattr(module, name)).run(result)
    assert not result.skipped
    return result.testsRun, {
        ".".join(case.id().split(".")[-2:]): trace for case, trace in (*result.failures, *result.errors)
    }


@pytest.mark.parametrize("name", CASES)
def test_optax_tests(name, monkeypatch):
    module = pytest.importorskip("optax.losses._classification_test", reason="this optax comes without its tests")
    run, failed = outcome(module, name, "_classification", monkeypatch)
    assert run >= 4
    assert failed.keys() == {test for test in REFUSED if test.startswith(f"{name}.")}, failed
    for test, trace in failed.items():
        assert REFUSED[test] in trace


def test_optax_tests_of_smoothing(monkeypatch):
    module = pytest.importorskip("optax.losses._smoothing_test", reason="this optax comes without its tests")
    assert outcome(module, "SmoothLabelsTest", "_smoothing", monkeypatch) == (2, {})


def test_that_a_wrong_loss_would_fail(monkeypatch):
    module = pytest.importorskip("optax.losses._smoothing_test", reason="this optax comes without its tests")
    monkeypatch.setattr(losses, "smooth_labels", lambda labels, alpha: labels)
    run, failed = outcome(module, "SmoothLabelsTest", "_smoothing", monkeypatch)
    assert run == len(failed) == 2


def test_documented_examples():
    logits = jnp.array([[1.2, -0.8, -0.5], [0.9, -1.2, 1.1]])
    dense = losses.softmax_cross_entropy(logits, jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    ids = losses.softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 1]))
    np.testing.assert_array_equal(dense, ids)
    np.testing.assert_allclose(dense, [0.2761, 2.9518], atol=5e-5)
    many = jnp.arange(24, dtype=jnp.float32).reshape(1, 2, 3, 4)
    labels = jnp.ravel_multi_index((jnp.array([[1, 2]]), jnp.array([[1, 3]])), (3, 4))
    found = losses.softmax_cross_entropy_with_integer_labels(many, labels, axis=(2, 3))
    np.testing.assert_allclose(found, [[6.4587, 0.4587]], atol=5e-5)
