"""The worked examples: numbers a reader can check by hand, at every kind of logit, within 80 columns."""

import math
import re

import numpy as np
import pytest

import xent
from xent.explain import explain

INF = math.inf
HAND = ([2.0, -1.0, 0.5], [1, 0, 1])
CASES = [
    (*HAND, None),
    (2.0, 1, None),
    ([2.0, -1.0, 0.5], [0], None),
    ([2.0, -1.0, 0.5], [0.7, 0.2, 0.1], "softmax"),
    ([2.0, -1.0, 0.5], [0, 1, 0], "softmax"),
    ([1000.0, -INF, 0.5], [0, 0, 0.3], None),
    ([1e300, -1e300, INF], [0, 1, 1], None),
    ([1000.0, -INF, 0.5], [2], None),
    ([INF, -INF, 0.5], [1], None),
    ([-1e-300, 1e-300], [1, 0.5], None),
    (list(np.linspace(-30, 30, 50)), list(np.linspace(0, 1, 50)), None),
    (list(np.linspace(-1e-9, 1e9, 200)), [7], None),
]


@pytest.mark.parametrize(("logits", "targets", "family"), CASES)
def test_every_page_fits_and_has_its_six_parts(logits, targets, family):
    page = explain(logits, targets, family=family)
    assert max(map(len, page.splitlines())) <= 80
    assert [line[0] for line in page.splitlines() if re.match(r"\d\. ", line)] == list("123456")
    before_the_naive_part = page[: page.index("6. ")]
    assert "nan" not in before_the_naive_part
    assert all(line == line.rstrip() for line in page.splitlines())


def test_the_numbers_of_the_sigmoid_example_are_the_ones_on_paper():
    page = explain(*HAND)
    assert "0.126928 + 0.313262 + 0.474077 = 0.914267" in page
    assert "mean = 0.914267 / 3 = 0.304756 nats" in page
    assert "[-0.119203, 0.268941, -0.377541]" in page
    assert "0.880797 × 0.731059 × 0.622459" in page  # the product of the likelihood reading
    assert f"perplexity e^0.304756 = {math.exp(0.3047556):.5f}" in page


def test_the_numbers_of_the_softmax_example_are_the_ones_on_paper():
    logits = np.array([2.0, -1.0, 0.5])
    p = np.exp(logits) / np.exp(logits).sum()
    page = explain(logits, [0])
    assert f"loss = -log p_0 = {-math.log(p[0]):.6g} nats" in page
    assert ", ".join(f"{g:.6g}" for g in p - [1, 0, 0]) in page
    soft = explain(logits, [0.7, 0.2, 0.1], family="softmax")
    known = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    loss = -float(np.log(p) @ [0.7, 0.2, 0.1])
    for number in (known, loss - known, loss):
        assert f"{number:.6g}" in soft


def test_a_class_id_and_its_one_hot_row_give_the_same_page():
    assert explain([2.0, -1.0, 0.5], [1]) == explain([2.0, -1.0, 0.5], [0, 1, 0], family="softmax")


def test_the_page_agrees_with_the_library():
    for logits, target in ([2.0, -1.0, 0.5], 1), ([40.0, 0.0, -3.0], 0), ([-700.0, 3.0], 0):
        loss = xent.softmax_cross_entropy(np.array([logits]), np.array([target]))
        assert f"= {float(loss):.6g} nats" in explain(logits, target)
    for logits, targets in HAND, ([40.0, -60.0], [1, 0]), ([800.0, 3.0], [0, 0.25]):
        loss = xent.sigmoid_cross_entropy(np.array(logits), np.array(targets))
        assert f"= {float(loss):.6g} nats" in explain(logits, targets)


def test_small_losses_keep_their_digits():
    assert f"{math.exp(-50.0):.6g} nats" in explain([50.0, 0.0], [0])
    assert f"mean = {math.exp(-60.0):.6g} / 1" in explain(60.0, 1)


def test_the_naive_formula_is_seen_to_fail():
    rows = explain(*HAND).split("6. ")[1]
    assert re.search(r"17, 1 +4\.13994e-08 +nan +-4\.13994e-08 +0\n", rows)
    assert re.search(r"-104, 1 +104 +inf +-1 +-1\n", rows)
    rows = explain([2.0, -1.0, 0.5], [0]).split("6. ")[1]
    assert re.search(r"these \+ 100 +0\.241311 +nan +-0\.214403 +nan\n", rows)


@pytest.mark.parametrize(
    ("logits", "targets", "family", "message"),
    [
        ([1.0, 2.0, 3.0], [1, 0], None, r"`targets` must hold one value per logit \(3\).*got 2 values"),
        ([1.0, 2.0, 3.0], [1, 0], "softmax", r"`targets` must hold a single class id.*got 2 values"),
        ([1.0, 2.0, 3.0], [3], None, r"`targets` must hold a class id in \[0, 3\); got 3"),
        ([1.0, 2.0, 3.0], [-1], None, r"`targets` must hold a class id in \[0, 3\); got -1"),
        ([1.0, 2.0, 3.0], [0.5], None, r"`targets` must hold a class id in \[0, 3\); got 0\.5"),
        ([1.0, 2.0, 3.0], [INF], None, r"`targets` must hold a class id"),
        ([1.0, 2.0], [0, 2], None, r"`targets` must lie in \[0, 1\].*got 2 at position 1"),
        ([1.0, 2.0], [0.5, 0.4], "softmax", r"`targets` must sum to 1.*got a sum of 0\.9"),
        ([1.0, 2.0], [1.5, -0.5], "softmax", r"`targets` must be probabilities.*got 1\.5 at position 0"),
        ([1.0, math.nan], [0, 1], None, r"`logits` must be numbers; got nan at position 1"),
        ([1.0, 2.0], [0, math.nan], None, r"`targets` must be numbers; got nan at position 1"),
        ([], [], None, r"`logits` must hold at least one number"),
        (["a"], [1], None, r"`logits` must be a number or a flat list of numbers"),
        ([[1.0, 2.0]], [1], None, r"`logits` must be a number or a flat list of numbers"),
        ([1.0], [0], "softmax", r"`logits` must hold at least two classes"),
        ([INF, INF], [0], None, r"`logits` of a softmax must not be all -inf, nor hold \+inf twice"),
        ([-INF, -INF], [0], None, r"`logits` of a softmax must not be all -inf"),
        ([1.0], [0], "poisson", r"`family` must be 'sigmoid', 'softmax' or None; got 'poisson'"),
    ],
)
def test_bad_input_is_named(logits, targets, family, message):
    with pytest.raises(ValueError, match=message):
        explain(logits, targets, family=family)
