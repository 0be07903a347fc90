"""Rows that a model gave no chance: on one side they decide, on both they are named and left out; never NaN."""

import json
import math

import numpy as np
import pytest
from real_data import real

import xent

Y = np.array([1, 0, 1, 1, 0, 1])
A = np.array([0.9, 0.2, 0.7, 0.0, 0.4, 0.6])  # infinite in row 3
B = np.array([0.8, 0.3, 0.6, 0.5, 0.5, 0.5])
BOTH = np.array([0.8, 1.0, 0.6, 0.0, 0.5, 0.5])  # infinite in rows 1 and 3


def compared(a, b, **options):
    return xent.compare(targets=Y, models={"a": a, "b": b}, **options)


def mean(a, b, rows):
    d = np.log(np.where(Y == 1, b, 1 - b)[rows]) - np.log(np.where(Y == 1, a, 1 - a)[rows])
    return pytest.approx(d.mean(), rel=1e-12)


def test_infinite_on_one_side_decides():
    found = compared(A, B)
    pair = found.pairs[0]
    assert (pair.difference, pair.decided, pair.p_holm) == (math.inf, "b", None)
    assert (pair.infinite_a, pair.infinite_b, pair.infinite_both, pair.rows) == (1, 0, 0, 6)
    assert pair.finite_difference == mean(A, B, [0, 1, 2, 4, 5]) and pair.finite_difference < 0 < pair.standard_error
    assert pair.verdict.startswith("b is better: a gives the truth probability 0 on 1 of 6 rows")
    assert [m.name for m in found.models] == ["b", "a"] and found.models[1].log_loss == math.inf
    assert [(r.row, r.target, r.models) for r in found.infinite] == [(3, "1", ("a",))]
    swapped = xent.compare(targets=Y, models={"b": B, "a": A}).pairs[0]
    assert (swapped.difference, swapped.decided, swapped.infinite_b) == (-math.inf, "b", 1)


def test_infinite_on_both_sides_is_counted_and_left_out():
    alike = np.where(B == 0.5, 0.45, B) * (np.arange(6) != 3)
    pair = compared(A, alike).pairs[0]
    assert (pair.infinite_both, pair.infinite_a, pair.infinite_b, pair.decided) == (1, 0, 0, None)
    assert pair.difference == pair.finite_difference == mean(A, alike, [0, 1, 2, 4, 5])
    assert pair.percent is None and pair.ties == pytest.approx(1 / 6) and "left out" in pair.verdict


def test_infinite_on_either_side_decides_nothing():
    other = np.array([0.8, 1.0, 0.6, 0.5, 0.5, 0.5])  # infinite in row 1
    found = compared(A, other)
    pair = found.pairs[0]
    assert (pair.difference, pair.decided, pair.infinite_a, pair.infinite_b) == (None, None, 1, 1)
    assert pair.p_holm is None and pair.p_value is not None
    assert pair.finite_difference == mean(A, other, [0, 2, 4, 5]) and pair.verdict.startswith("Neither is better")
    assert [r.models for r in found.infinite] == [("b",), ("a",)]


def test_rows_that_some_model_gave_a_chance_are_listed_first():
    found = compared(A, BOTH)
    assert [(r.row, r.models) for r in found.infinite] == [(1, ("b",)), (3, ("a", "b"))]
    assert found.pairs[0].decided == "a"


def test_no_finite_row_at_all_is_no_nan():
    zero = np.where(Y == 1, 0.0, 1.0)
    for a, b in ((zero, B), (zero, zero.copy()), (zero, np.where(Y == 1, 1.0, 0.0))):
        found = compared(a, b, by={"g": [1, 1, 1, 2, 2, 2]})
        said = json.loads(found.to_json())
        assert "NaN" not in found.to_json() and "nan" not in str(found)
        assert said["pairs"][0]["finite_difference"] == found.pairs[0].finite_difference
    assert "nothing to compare" in compared(zero, zero.copy()).verdict
    assert compared(zero, B).pairs[0].decided == "b" and compared(zero, zero.copy()).pairs[0].infinite_both == 6


def test_at_most_twenty_rows_are_listed():
    y = np.ones(50, int)
    found = xent.compare(targets=y, models={"a": np.zeros(50), "b": np.full(50, 0.5)})
    assert [r.row for r in found.infinite] == list(range(20)) and found.pairs[0].infinite_a == 50


def test_weightless_rows_are_not_looked_at():
    weight = (np.arange(6) != 3) * 2.0
    pair = compared(A, B, sample_weight=weight).pairs[0]
    assert (pair.infinite_a, pair.rows, pair.decided) == (0, 5, None)
    assert pair.difference == mean(A, B, [0, 1, 2, 4, 5])


def test_niamey_four_forecasters_of_one_file():
    path = real("niamey/precip_Niamey_2016.csv")
    found = xent.compare(path, probs=["EMOS", "ENS", "EPC", "Logistic"])
    assert [m.name for m in found.models] == ["Logistic", "EMOS", "EPC", "ENS"] and len(found.pairs) == 6
    assert [(r.row, r.models) for r in found.infinite] == [(i, ("ENS",)) for i in (11, 24, 34, 41, 55, 75)]
    for pair in found.pairs:
        lost = "ENS" in (pair.a, pair.b)
        assert (pair.decided is not None) == lost and pair.decided != "ENS"
        if not lost:
            own = {m.name: m.log_loss for m in found.models}
            assert pair.difference == pytest.approx(own[pair.a] - own[pair.b], rel=1e-12)
    by_name = {m.name: m for m in found.models}
    assert by_name["ENS"].log_loss == by_name["ENS"].miscalibration == math.inf
    for name, mcb, dsc in (("EMOS", 0.04874, 0.07658), ("Logistic", 0.05087, 0.13410), ("EPC", 0.05756, 0.07780)):
        model = by_name[name]
        assert (model.miscalibration, model.discrimination) == pytest.approx((mcb, dsc), abs=5e-6)
        assert model.uncertainty == pytest.approx(0.68152, abs=5e-6)
    assert by_name["ENS"].discrimination == pytest.approx(0.09983, abs=5e-6)
