"""What a loss means: the table of outcomes, and the laws that tie options, targets and denominators together."""

import numpy as np
import pytest

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, reference

INF, NAN = np.inf, np.nan
FLOATS = [np.float16, np.float32, np.float64]


def drawn(rng, n=12, k=4):
    return rng.normal(0, 3, (n, k)), rng.integers(0, k, n)


def without(options, *names):
    return {name: value for name, value in options.items() if name not in names}


def outcomes(loss, *args, **arrays):
    """(value, gradient, Hessian diagonal)."""
    return (*loss.value_and_grad(*args, **arrays), loss.grad_and_hess(*args, **arrays)[1])


def equal(a, b, rtol=1e-13):
    """Everything in two tuples of results agrees."""
    for x, y in zip(a, b, strict=True):
        x, y = np.asarray(x, float), np.asarray(y, float)
        largest = abs(y[np.isfinite(y)]).max(initial=0.0)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * largest)


# ---- the table ------------------------------------------------------------------------------------------------------

SIGMOID_TABLE = [  # z, t, loss, gradient
    (INF, 1, 0, 0),
    (INF, 0, INF, 1),
    (-INF, 1, INF, -1),
    (-INF, 0, 0, 0),
    (NAN, 0, NAN, NAN),
    (NAN, 1, NAN, NAN),
    (INF, 0.5, INF, 0.5),
    (-INF, 0.25, INF, -0.25),
    (0.0, 1, np.log(2), -0.5),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("z, t, loss, slope", SIGMOID_TABLE)
def test_sigmoid_outcomes(z, t, loss, slope, dtype):
    logits, targets = np.array([0.5, z, -0.5], dtype), np.array([1.0, t, 0.0])
    losses, gradient = SigmoidCrossEntropy(reduction="none").value_and_grad(logits, targets)
    eps = float(np.finfo(dtype).eps)
    assert losses[1] == pytest.approx(loss, rel=eps, nan_ok=True)
    assert gradient[1] == pytest.approx(slope, rel=eps, nan_ok=True)
    assert np.isfinite(losses[[0, 2]]).all() and np.isfinite(gradient[[0, 2]]).all()
    equal([losses], [reference.sigmoid_cross_entropy(logits, targets, reduction="none").losses], 2 * eps)


SOFTMAX_TABLE = [  # z, target, loss, gradient
    ([-INF, 0, 0], 1, np.log(2), [0, -0.5, 0.5]),
    ([-INF, 0, 0], 0, INF, [-1, 0.5, 0.5]),
    ([-INF, -INF, 3], 2, 0, [0, 0, 0]),
    ([-INF, -INF, 3], 0, INF, [-1, 0, 1]),
    ([-INF, -INF, -INF], 0, NAN, [NAN] * 3),
    ([INF, 0, 1], 0, 0, [0, 0, 0]),
    ([INF, 0, 1], 1, INF, [1, -1, 0]),
    ([INF, -INF, 1], 0, 0, [0, 0, 0]),
    ([INF, -INF, 1], 1, INF, [1, -1, 0]),
    ([INF, INF, 0], 0, NAN, [NAN] * 3),
    ([INF, INF, 0], 2, NAN, [NAN] * 3),
    ([NAN, 0, 1], 1, NAN, [NAN] * 3),
    ([NAN, INF, 1], 1, NAN, [NAN] * 3),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("as_rows", [False, True])
@pytest.mark.parametrize("z, y, loss, slope", SOFTMAX_TABLE)
def test_softmax_outcomes(z, y, loss, slope, as_rows, dtype):
    logits = np.array([[1, 2, 3], z, [3, 2, 1]], dtype)
    targets = np.array([0, y, 2])
    targets = np.eye(3)[targets] if as_rows else targets
    losses, gradient = SoftmaxCrossEntropy(reduction="none").value_and_grad(logits, targets)
    eps = 2 * float(np.finfo(dtype).eps)
    assert losses[1] == pytest.approx(loss, rel=eps, nan_ok=True)
    assert gradient[1] == pytest.approx(slope, rel=eps, nan_ok=True)
    assert np.isfinite(losses[[0, 2]]).all() and np.isfinite(gradient[[0, 2]]).all(), "NaN spoils its own row only"
    want = reference.softmax_cross_entropy(logits, targets, reduction="none")
    equal([losses[1], gradient[1]], [want.losses[1], want.gradient[1]], eps)


@pytest.mark.parametrize("law", [{}, {"gamma": 2.0}, {"gamma": 0.5}, {"poly": 1.0}, {"gce": 0.7}], ids=str)
def test_saturated_logits_under_every_law(law):
    """No NaN where the loss has a limit: gamma < 1 at a saturated logit is the classic."""
    z = np.array([INF, -INF, 1e4, -1e4, 80.0, -80.0, 40.0, -40.0])
    for dtype in FLOATS:
        for t in (0.0, 1.0):
            got = outcomes(SigmoidCrossEntropy(reduction="none", **law), z.astype(dtype), np.full(8, t))
            assert not np.isnan(np.array(got)).any()
        rows = np.stack([z, np.zeros(8), np.full(8, -1.0)], -1)
        for y in (0, 1):
            got = outcomes(SoftmaxCrossEntropy(reduction="none", **law), rows.astype(dtype), np.full(8, y))
            assert not any(np.isnan(x).any() for x in got)


def test_z_loss_of_an_infinite_lse_is_infinite():
    value = SoftmaxCrossEntropy(z_loss=0.1)([[INF, 0.0]], [0])
    assert value == INF


@pytest.mark.parametrize("junk", [NAN, INF, -INF])
@pytest.mark.parametrize("how", ["ignore_index", "where", "sample_weight", "class_weight"])
def test_what_does_not_count_cannot_leak(junk, how):
    z, y = np.array([[1.0, 2.0, 0.0], [junk, junk, junk], [0.0, 1.0, 3.0]]), np.array([0, 2, 1])
    options, arrays = {
        "ignore_index": ({"ignore_index": 2}, {}),
        "where": ({}, {"where": np.array([True, False, True])}),
        "sample_weight": ({}, {"sample_weight": np.array([1.0, 0.0, 1.0])}),
        "class_weight": ({"class_weight": (1.0, 1.0, 0.0)}, {}),
    }[how]
    for more in ({}, {"label_smoothing": 0.1, "z_loss": 0.1}, {"gamma": 2.0}):
        deleted = outcomes(SoftmaxCrossEntropy(**options, **more), z[[0, 2]], y[[0, 2]])
        kept = outcomes(SoftmaxCrossEntropy(**options, **more), z, y, **arrays)
        assert (kept[1][1] == 0).all() and (kept[2][1] == 0).all()
        equal([kept[0], kept[1][[0, 2]], kept[2][[0, 2]]], deleted)
    z, t = np.array([1.0, junk, -2.0]), np.array([1.0, 0.0, 1.0])
    options = (
        {"ignore_index": 0} if how == "ignore_index" else {"class_weight": (0.0, 1.0)} if how == "class_weight" else {}
    )
    deleted = outcomes(SigmoidCrossEntropy(**options), z[[0, 2]], t[[0, 2]])
    kept = outcomes(SigmoidCrossEntropy(**options), z, t, **arrays)
    assert kept[1][1] == 0 and kept[2][1] == 0
    equal([kept[0], kept[1][[0, 2]]], deleted[:2])


@pytest.mark.parametrize("loss", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("denominator", ["weight", "count", "elements", 5.0])
def test_nothing_left(loss, size, denominator):
    z, where = np.ones((size, 2), np.float32), np.zeros(size, bool)
    t = np.zeros(size, int) if loss is SoftmaxCrossEntropy else np.zeros((size, 2))
    value, gradient = loss(denominator=denominator).value_and_grad(z, t, where=where)
    assert value == 0 and value.dtype == np.float32 and (gradient == 0).all()
    value, gradient = loss(denominator=denominator, empty="nan").value_and_grad(z, t, where=where)
    assert np.isnan(value) and (gradient == 0).all()
    with pytest.raises(ValueError, match="nothing is left to average"):
        loss(denominator=denominator, empty="raise")(z, t, where=where)
    assert loss(reduction="sum", empty="raise")(z, t, where=where) == 0
    assert (loss(reduction="none", empty="raise")(z, t, where=where) == 0).all()
    if size:
        assert np.isfinite(loss(denominator=denominator, empty="raise")(z, t))


# ---- target kinds ---------------------------------------------------------------------------------------------------


def test_a_class_id_is_its_one_hot_row(rng, softmax_options):
    z, ids = drawn(rng)
    ids[:4] = range(4)
    z[5] = [40.0, 0.0, 1.0, 2.0]
    weight, loss = rng.random(12), SoftmaxCrossEntropy(**softmax_options)
    want = outcomes(loss, z, ids, sample_weight=weight)
    forms = {
        "float": np.eye(4)[ids], "int": np.eye(4, dtype=int)[ids], "bool": np.eye(4, dtype=bool)[ids],
        "sparse": (ids[:, None], np.ones((12, 1))),
        "sparse, padded": (np.stack([ids, (ids + 1) % 4], 1), np.array([[1.0, 0.0]] * 12)),
        "sparse, named twice": (np.stack([ids, ids], 1), np.full((12, 2), 0.5)),
    }  # fmt: skip
    for t in forms.values():
        equal(outcomes(loss, z, t, sample_weight=weight), want, 1e-12)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_class_ids_of_any_integer_dtype(rng, dtype):
    z, ids = drawn(rng)
    equal(outcomes(SoftmaxCrossEntropy(), z, ids.astype(dtype)), outcomes(SoftmaxCrossEntropy(), z, ids), 0)


def test_bool_ids_are_two_classes(rng):
    z = rng.normal(size=(6, 2))
    t = np.array([True, False, True, True, False, False])
    equal(outcomes(SoftmaxCrossEntropy(), z, t), outcomes(SoftmaxCrossEntropy(), z, t.astype(int)), 0)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_multi_hot_of_any_dtype(rng, sigmoid_options, dtype):
    z, t = rng.normal(0, 3, (8, 3)), rng.integers(0, 2, (8, 3))
    loss = SigmoidCrossEntropy(**sigmoid_options)
    equal(outcomes(loss, z, t.astype(dtype)), outcomes(loss, z, t.astype(np.float64)), 1e-14)


def test_sparse_labels_are_scattered(rng, sigmoid_options):
    z = rng.normal(0, 3, (5, 3))
    ids, probs = np.array([[0, 1], [2, 2], [1, 0], [0, 2], [1, 2]]), rng.random((5, 2)) / 2
    dense = np.zeros((5, 3))
    np.add.at(dense, (np.arange(5)[:, None], ids), probs)
    loss = SigmoidCrossEntropy(**sigmoid_options)
    equal(outcomes(loss, z, (ids, probs)), outcomes(loss, z, dense), 1e-14)


def test_smoothing_is_a_soft_target(rng, softmax_options):
    """Where the weight of a row is its own: class weights and ignored ids read the raw target."""
    options = without(softmax_options, "label_smoothing", "prior", "class_weight", "ignore_index")
    z, ids = drawn(rng)
    prior = (0.5, 0.25, 0.125, 0.125)
    soft = 0.8 * np.eye(4)[ids] + 0.2 * np.array(prior)
    smooth = SoftmaxCrossEntropy(**options, label_smoothing=0.2, prior=prior)
    equal(outcomes(smooth, z, ids), outcomes(SoftmaxCrossEntropy(**options), z, soft), 1e-12)


def test_a_prior_counts_by_its_shares(rng):
    """What rounding leaves of the sum of a prior does not reach the loss."""
    z, ids = drawn(rng, 10, 3)
    prior = np.array([0.2, 0.3, 0.5]) * (1 + 9e-6)
    loss = SoftmaxCrossEntropy(label_smoothing=0.3)
    equal(outcomes(loss, z, ids, prior=prior), outcomes(loss, z, ids, prior=np.array([0.2, 0.3, 0.5])), 1e-14)


def test_one_record_serves_every_shape(rng):
    """Two numbers are classes 0 and 1 without a label axis, and two labels with one."""
    loss, z, t = SigmoidCrossEntropy(class_weight=(3.0, 0.5)), rng.normal(size=(6, 2)), rng.integers(0, 2, (6, 2))
    for _ in range(2):  # the second time from memory
        for column in (z[:, 0], z[:, 1]):
            assert loss(column, t[:, 0]) == reference_value(column, t[:, 0], class_weight=(3.0, 0.5))
        assert loss(z, t) == reference_value(z, t, class_weight=(3.0, 0.5))
        with pytest.raises(ValueError, match="`class_weight`"):
            loss(z[:, :1], t[:, :1])


def reference_value(*args, **options):
    return pytest.approx(reference.sigmoid_cross_entropy(*args, **options).value, rel=1e-13)


def test_smoothing_is_a_soft_target_for_labels(rng, sigmoid_options):
    options = without(sigmoid_options, "label_smoothing", "prior", "class_weight", "ignore_index", "denominator")
    z, t = rng.normal(0, 3, (8, 3)), rng.integers(0, 2, (8, 3))
    smooth = SigmoidCrossEntropy(**options, label_smoothing=0.2, prior=(0.9, 0.5, 0.1))
    soft = 0.8 * t + 0.2 * np.array([0.9, 0.5, 0.1])
    equal(outcomes(smooth, z, t), outcomes(SigmoidCrossEntropy(**options), z, soft), 1e-12)


@pytest.mark.parametrize("targets", ["ids", "dense", "sparse"])
def test_a_masked_class_is_a_deleted_class(rng, softmax_options, targets):
    """-inf on class 3, which no target names, under every option but softcap, which makes it finite."""
    options = without(softmax_options, "softcap")
    three = {name: x[:3] if isinstance(x, tuple) and name != "ignore_index" else x for name, x in options.items()}
    if "prior" in three:
        assert sum(three["prior"]) == 1, "the prior gives nothing to the class"
    z, ids = drawn(rng, 10, 3)
    wide = np.concatenate([z, np.full((10, 1), -np.inf)], 1)
    soft = rng.dirichlet(np.ones(3), 10)
    small, large = {
        "ids": (ids, ids),
        "dense": (soft, np.concatenate([soft, np.zeros((10, 1))], 1)),
        "sparse": ((np.tile(np.arange(3), (10, 1)), soft),) * 2,
    }[targets]
    value, gradient, hessian = outcomes(SoftmaxCrossEntropy(**options), wide, large)
    assert (gradient[:, 3] == 0).all() and (hessian[:, 3] == 0).all()
    equal((value, gradient[:, :3], hessian[:, :3]), outcomes(SoftmaxCrossEntropy(**three), z, small), 1e-12)
    one, other = (
        reference.softmax_cross_entropy(wide, large, **options),
        reference.softmax_cross_entropy(z, small, **three),
    )
    equal((one.value, one.gradient[:, :3], one.hessian[:, :3]), (other.value, other.gradient, other.hessian), 1e-12)


# ---- ignoring -------------------------------------------------------------------------------------------------------


def test_ignored_rows_are_deleted_rows(rng, softmax_options):
    z, ids = drawn(rng)
    ids[[2, 5]] = -100
    keep = ids != -100
    own = softmax_options.get("ignore_index", ())
    options = without(softmax_options, "ignore_index")
    if options.get("denominator") == "elements":
        options["denominator"] = float(keep.sum())
    loss = SoftmaxCrossEntropy(**options, ignore_index=(-100, *(own if isinstance(own, tuple) else (own,))))
    value, gradient, hessian = outcomes(loss, z, ids)
    want = outcomes(loss, z[keep], ids[keep])
    if options.get("reduction") == "none":
        assert (value[~keep] == 0).all()
        value = value[keep]
    assert (gradient[~keep] == 0).all() and (hessian[~keep] == 0).all()
    equal((value, gradient[keep], hessian[keep]), want)


def test_ignored_dense_and_sparse_rows(rng):
    z = rng.normal(size=(4, 3))
    dense = np.array([[-1.0, -1, -1], [0, 1, 0], [0.5, 0.5, 0], [1, 0, 0]])
    loss = SoftmaxCrossEntropy(ignore_index=(-1, 1), reduction="none")
    losses = loss(z, dense)
    assert (losses[:2] == 0).all() and (losses[2:] > 0).all()
    ids, probs = np.array([[-1, -1], [1, 1], [0, 1], [0, 1]]), np.array([[0.5, 0.5], [1.0, 0], [0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(loss(z, (ids, probs)), losses, rtol=1e-14)


def test_where_is_weight_zero(rng, sigmoid_options):
    z, t, keep = rng.normal(0, 3, (9, 3)), rng.random((9, 3)), rng.random((9, 3)) < 0.6
    loss = SigmoidCrossEntropy(**sigmoid_options)
    equal(outcomes(loss, z, t, where=keep), outcomes(loss, z, t, sample_weight=keep.astype(float)))
    rows = rng.random(9) < 0.6
    equal(outcomes(loss, z, t, where=rows), outcomes(loss, z, t, where=np.repeat(rows[:, None], 3, 1)))


# ---- weights and denominators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("denominator", ["weight", 7.0])
def test_weight_two_is_the_row_twice(rng, softmax_options, denominator):
    options = without(softmax_options, "denominator", "reduction")
    z, ids = drawn(rng)
    twice = np.concatenate([np.arange(12), [3, 7]])
    weight = np.ones(12)
    weight[[3, 7]] = 2
    loss = SoftmaxCrossEntropy(**options, denominator=denominator)
    value, gradient = loss.value_and_grad(z, ids, sample_weight=weight)
    other, parts = loss.value_and_grad(z[twice], ids[twice])
    gathered = np.zeros_like(z)
    np.add.at(gathered, twice, parts)
    equal((value, gradient), (other, gathered))


def test_class_weights_are_sample_weights(rng):
    """With every class known by its id, a class weight is the weight of its rows."""
    z, ids = drawn(rng)
    weights = np.array([3.0, 0.5, 0.0, 1.0])
    for options in ({}, {"gamma": 2.0}, {"z_loss": 0.1}, {"denominator": "count"}, {"reduction": "sum"}):
        by_class = SoftmaxCrossEntropy(**options, class_weight=tuple(weights.tolist()))
        by_row = SoftmaxCrossEntropy(**options)
        equal(outcomes(by_class, z, ids), outcomes(by_row, z, ids, sample_weight=weights[ids]))
    z, t = rng.normal(size=20), rng.integers(0, 2, 20)
    by_class, by_row = SigmoidCrossEntropy(class_weight=(3.0, 0.5)), SigmoidCrossEntropy()
    equal(outcomes(by_class, z, t), outcomes(by_row, z, t, sample_weight=np.array([3.0, 0.5])[t]))


def test_denominators(rng):
    z, t = rng.normal(size=(5, 3)), rng.integers(0, 2, (5, 3)).astype(float)
    weight = rng.random((5, 3))
    weight[0] = 0
    total = SigmoidCrossEntropy(reduction="sum")(z, t, sample_weight=weight)
    for denominator, by in (
        ("weight", weight.sum()),
        ("count", 12),
        ("elements", 15),
        ("positives", t[1:].sum()),
        (3.5, 3.5),
    ):
        loss = SigmoidCrossEntropy(denominator=denominator)
        assert loss(z, t, sample_weight=weight) == pytest.approx(total / by, rel=1e-14)
    nothing = SigmoidCrossEntropy(denominator="positives")(z, np.zeros((5, 3)))
    assert nothing == pytest.approx(SigmoidCrossEntropy(reduction="sum")(z, np.zeros((5, 3))), rel=1e-14)


def test_pos_weight_is_not_in_the_denominator(rng):
    z, t = rng.normal(size=20), rng.integers(0, 2, 20).astype(float)
    losses = SigmoidCrossEntropy(pos_weight=5.0, reduction="none")(z, t)
    assert SigmoidCrossEntropy(pos_weight=5.0)(z, t) == pytest.approx(losses.mean(), rel=1e-14)


def test_losses_add_up(rng, softmax_options, sigmoid_options):
    z, ids = drawn(rng)
    t, zs = rng.random((12, 3)), rng.normal(size=(12, 3))
    for kind, options, args in (
        (SoftmaxCrossEntropy, softmax_options, (z, ids)),
        (SigmoidCrossEntropy, sigmoid_options, (zs, t)),
    ):
        options = without(options, "reduction", "denominator")
        total, gradient = kind(**options, reduction="sum").value_and_grad(*args)
        losses, same = kind(**options, reduction="none").value_and_grad(*args)
        assert total == pytest.approx(losses.sum(), rel=1e-14)
        np.testing.assert_array_equal(gradient, same)


def test_split_and_merge_agree(rng, softmax_options):
    """Micro-batches with the global denominator add up to the batch."""
    options = without(softmax_options, "reduction", "denominator")
    z, ids = drawn(rng)
    loss = SoftmaxCrossEntropy(**options, denominator=12.0)
    value, gradient = loss.value_and_grad(z, ids)
    parts = [loss.value_and_grad(z[i : i + 5], ids[i : i + 5]) for i in range(0, 12, 5)]
    equal((value, gradient), (sum(v for v, _ in parts), np.concatenate([g for _, g in parts])))


# ---- one family is the other ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"label_smoothing": 0.1}, {"gamma": 2.0}, {"gamma": 0.5}, {"poly": 1.0}, {"gce": 0.7}, {"temperature": 0.5}],
    ids=str,
)
def test_two_classes_are_a_sigmoid(rng, options):
    z = np.concatenate([rng.normal(0, 3, 20), [-700.0, 700.0, 40.0, -40.0, 0.0]])
    t = rng.integers(0, 2, 25)
    two = np.stack([np.zeros(25), z], 1)
    value, gradient, hessian = outcomes(SoftmaxCrossEntropy(**options, reduction="none"), two, t)
    equal(
        (value, gradient[:, 1], hessian[:, 1]), outcomes(SigmoidCrossEntropy(**options, reduction="none"), z, t), 1e-12
    )
    np.testing.assert_allclose(gradient[:, 0], -gradient[:, 1], rtol=1e-13)


@pytest.mark.parametrize("shift", [1.0, -64.0, 1024.0])
def test_a_shift_of_the_logits_changes_nothing(rng, softmax_options, shift):
    """In steps that float64 adds exactly."""
    options = without(softmax_options, "softcap", "z_loss", "bias")
    z, ids = drawn(rng)
    z = np.round(z * 2**20) / 2**20
    loss = SoftmaxCrossEntropy(**options)
    equal(outcomes(loss, z + shift, ids), outcomes(loss, z, ids), 1e-12)


def test_gradients_of_a_row_sum_to_zero(rng, softmax_options):
    options = without(softmax_options, "softcap", "z_loss")
    z, ids = drawn(rng)
    gradient = SoftmaxCrossEntropy(**options).value_and_grad(z, ids)[1]
    assert abs(gradient.sum(1)).max() <= 1e-15


def test_options_at_rest_change_nothing(rng):
    z, ids = drawn(rng)
    t = rng.random((12, 4))
    rest = {"gamma": 0.0, "poly": 0.0, "gce": 0.0, "label_smoothing": 0.0, "temperature": 1.0, "bias": 0.0}
    for kind, targets in ((SoftmaxCrossEntropy, ids), (SigmoidCrossEntropy, t)):
        want = outcomes(kind(), z, targets)
        equal(outcomes(kind(**rest), z, targets), want, 1e-14)
        equal(outcomes(kind(softcap=1e9), z, targets), want, 1e-9)
    equal(
        outcomes(SigmoidCrossEntropy(alpha=0.5, pos_weight=1.0), z, t)[1:],
        [0.5 * x for x in outcomes(SigmoidCrossEntropy(), z, t)[1:]],
    )


def test_focal_counts_easy_targets_less(rng):
    z, t = np.array([5.0, -5.0]), np.array([1, 1])
    plain, focal = (SigmoidCrossEntropy(gamma=g, reduction="none")(z, t) for g in (0.0, 2.0))
    assert focal[0] < 1e-4 * plain[0] and focal[1] > 0.98 * plain[1]


# ---- purity and determinism -----------------------------------------------------------------------------------------


def test_inputs_are_never_written(rng, softmax_options):
    z, ids = drawn(rng)
    weight, keep = rng.random(12), rng.random(12) < 0.5
    arrays = [z, ids, weight, keep]
    before = [x.copy() for x in arrays]
    for x in arrays:
        x.flags.writeable = False
    loss = SoftmaxCrossEntropy(**softmax_options)
    outcomes(loss, z, ids, sample_weight=weight, where=keep)
    loss.hvp(z, ids, z, sample_weight=weight, where=keep)
    for x, y in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_value_has_its_dtype(rng):
    for dtype, value_dtype in ((np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)):
        z = rng.normal(size=(4, 3)).astype(dtype)
        value, gradient = SoftmaxCrossEntropy().value_and_grad(z, [0, 1, 2, 0])
        assert value.dtype == value_dtype and gradient.dtype == dtype
        assert SoftmaxCrossEntropy(reduction="none")(z, [0, 1, 2, 0]).dtype == dtype
    assert xent.sigmoid_cross_entropy(0.0, 1).dtype == np.float64


def test_bfloat16(rng):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    z, ids = drawn(rng)
    low = z.astype(ml_dtypes.bfloat16)
    want = reference.softmax_cross_entropy(low.astype(float), ids)
    value, gradient = SoftmaxCrossEntropy().value_and_grad(low, ids)
    assert value.dtype == np.float32 and gradient.dtype == ml_dtypes.bfloat16
    np.testing.assert_allclose(gradient.astype(float), want.gradient, rtol=2**-8)
    assert value == pytest.approx(want.value, rel=1e-6)
    t = rng.random((12, 4)).astype(ml_dtypes.bfloat16)
    assert SigmoidCrossEntropy()(low, t) == pytest.approx(
        reference.sigmoid_cross_entropy(low.astype(float), t.astype(float)).value, rel=1e-6
    )


def test_by_hand():
    """Numbers anyone can check with a pocket calculator."""
    losses = xent.sigmoid_cross_entropy([2.0, -1.0, 0.5], [1, 0, 1], reduction="none")
    np.testing.assert_allclose(losses, [0.126928, 0.313262, 0.474077], atol=5e-7)
    assert xent.softmax_cross_entropy(np.zeros((2, 10)), [3, 4]) == pytest.approx(np.log(10), rel=1e-15)


# ---- what a differential fuzz against the reference found -----------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"gamma": 2.0}, {"gamma": 0.5}, {"gamma": (5.0, 0.0)}, {"gamma": 1.0, "softcap": 5.0}]
)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
def test_focal_keeps_nan(options, dtype, target):
    z, t = np.array([NAN, 1.0], dtype), np.array([target, 1.0])
    losses = SigmoidCrossEntropy(**options, reduction="none")(z, t)
    assert np.isnan(losses[0]) and np.isfinite(losses[1])
    assert np.isnan(SigmoidCrossEntropy(**options)(z, t))


@pytest.mark.parametrize("left_out", ["weight", "where", "ignored", "class weight"])
def test_left_out_elements_are_zero_beside_soft_targets(left_out):
    z, t = np.full(600, NAN, np.float32), np.tile([0.0, 0.25], 300)
    z[1::2] = 1.0
    loss, arrays = SigmoidCrossEntropy(reduction="none"), {}
    if left_out == "weight":
        arrays["sample_weight"] = (t > 0).astype(np.float32)
    elif left_out == "where":
        arrays["where"] = t > 0
    elif left_out == "ignored":
        loss = SigmoidCrossEntropy(reduction="none", ignore_index=0)
    else:
        arrays["class_weight"] = np.array([0.0, 1.0])
    losses, gradient = loss.value_and_grad(z, t, **arrays)
    assert not losses[::2].any() and not gradient[::2].any()
    assert (losses[1::2] > 0).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize("weight", [1e-300, 1e-50, 1e-17, 1e17, 1e38, 1e50, 1e300])
@pytest.mark.parametrize("law", [{}, {"gamma": 2.0}])
def test_a_mean_does_not_see_the_size_of_its_weights(rng, weight, law):
    z, t = rng.normal(0, 3, 700).astype(np.float32), rng.integers(0, 2, 700)
    w = rng.uniform(1, 2, 700)
    for family, (x, y) in (
        (SigmoidCrossEntropy(**law), (z, t)),
        (SoftmaxCrossEntropy(**law), (np.stack([z, -z], -1), t)),
    ):
        want = family.value_and_grad(x, y, sample_weight=w)
        equal(family.value_and_grad(x, y, sample_weight=w * weight), want, 2e-6)


def test_an_element_does_not_see_the_weights_beside_it(rng):
    z, t = rng.normal(0, 3, 600).astype(np.float32), rng.integers(0, 2, 600)
    w = np.where(np.arange(600) % 3 == 0, 1e30, 1.0)
    loss = SigmoidCrossEntropy(reduction="none")
    both = loss.value_and_grad(z, t, sample_weight=w)
    alone = loss.value_and_grad(z[w == 1], t[w == 1], sample_weight=w[w == 1])
    for a, b in zip(both, alone, strict=True):
        np.testing.assert_array_equal(a[w == 1], b)


@pytest.mark.parametrize("weight", [10.0, 1e4])
def test_a_weight_reaches_the_last_digits_of_the_tail(weight):
    z = np.linspace(80, 112, 400, dtype=np.float32)
    truth = weight * np.exp(-z.astype(float))
    losses, gradient = SigmoidCrossEntropy(pos_weight=weight, reduction="none").value_and_grad(z, np.ones(400))
    spacing = np.spacing(truth.astype(np.float32)).astype(float)
    assert (abs(losses - truth) <= 2 * spacing).all() and (abs(gradient + truth) <= 2 * spacing).all()


@pytest.mark.parametrize("order", [1e-320, 1e-9, 1e-3, 0.5])
def test_a_small_order_of_the_generalised_law(order):
    z = np.linspace(-30, 30, 999)
    nll = np.logaddexp(0, -z)
    want = -np.expm1(-order * nll) / order if order > 1e-300 else nll
    losses = SigmoidCrossEntropy(gce=order, reduction="none")(z, np.ones(999))
    np.testing.assert_allclose(losses, want, rtol=1e-15)


def test_a_value_beyond_float32_is_infinite_and_quiet(recwarn):
    z = np.array([3e38, 3e38], np.float32)
    assert SigmoidCrossEntropy(reduction="sum")(z, [0, 0]) == INF
    assert not recwarn.list
