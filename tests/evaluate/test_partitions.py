"""The same bits for any batch size, file split and row order; and what has to agree with what."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xent
from xent.evaluate.tally import COUNTS, PLAIN, WEIGHTED, Rules, Tally

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
RNG = np.random.default_rng(3)


def problem(kind, n=700, seed=0):
    """targets, predictions, weights of a random problem; some rows certain, some wrong, some weightless."""
    rng = np.random.default_rng(seed)
    weight = rng.random(n) * (rng.random(n) > 0.05)
    if kind == "binary":
        return rng.integers(0, 2, n), rng.random(n).astype(np.float32), weight
    if kind == "binary logits":
        return rng.integers(0, 2, n), rng.normal(size=n) * 30, weight
    if kind == "multilabel":
        return rng.integers(0, 2, (n, 3)), rng.random((n, 3)), weight
    z = rng.normal(size=(n, 5)) * 8
    if kind == "logits":
        return rng.integers(0, 5, n), z, weight
    e = np.exp(z - z.max(1, keepdims=True))
    return rng.integers(0, 5, n), e / e.sum(1, keepdims=True), weight


KINDS = ["binary", "binary logits", "multilabel", "logits", "probs"]


def options(kind, targets, x, weight=None):
    form = "logits" if "logits" in kind else "probs"
    given = {"targets": targets, form: x, "tolerance": 1e-5}
    return given | ({} if weight is None else {"sample_weight": weight})


def numbers(score):
    """Everything that does not say where a row was."""
    found = dataclasses.asdict(score)
    for name in ("dearest", "files", "notes"):
        del found[name]
    return repr(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=15, deadline=None)
@given(size=st.integers(1, 800), seed=st.integers(0, 99))
def test_batches_and_order_never_change_a_bit(kind, weighted, size, seed):
    targets, x, weight = problem(kind)
    weight = weight if weighted else None
    whole = xent.score(**options(kind, targets, x, weight))
    assert numbers(xent.score(**options(kind, targets, x, weight), batch_rows=size)) == numbers(whole)
    order = np.random.default_rng(seed).permutation(len(x))
    mixed = xent.score(
        **options(kind, targets[order], x[order], None if weight is None else weight[order]), batch_rows=size
    )
    assert numbers(mixed) == numbers(whole)
    assert [row.loss for row in mixed.dearest] == [row.loss for row in whole.dearest]
    assert {int(order[row.row]) for row in mixed.dearest} == {row.row for row in whole.dearest}


@settings(max_examples=10, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 699), min_size=1, max_size=4, unique=True),
    formats=st.sampled_from(["parquet", "arrow", "jsonl"]),
)
def test_files_never_change_a_bit(tmp_path_factory, cuts, formats):
    targets, x, _ = problem("binary")
    table = pa.table({"label": targets, "prob": x.astype(float)})
    folder = tmp_path_factory.mktemp("parts")
    for i, (a, b) in enumerate(zip([0, *sorted(cuts)], [*sorted(cuts), len(x)], strict=True)):
        write(table.slice(a, b - a), folder / f"part{i}.{formats}")
    whole, parts = xent.score(table), xent.score(folder)
    assert numbers(parts) == numbers(whole)
    starts = [0, *sorted(cuts)]
    assert [starts[int(r.file[-len(formats) - 2])] + r.row for r in parts.dearest] == [r.row for r in whole.dearest]


def write(table, path):
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=97)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(repr(row).replace("'", '"') for row in table.to_pylist()) + "\n")
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, path)


@pytest.mark.parametrize("weighted", [False, True])
@given(parts=st.integers(1, 6), seed=st.integers(0, 9))
@settings(max_examples=10, deadline=None)
def test_merge_is_a_monoid(weighted, parts, seed):
    rng = np.random.default_rng(seed)
    targets, x, weight = problem("probs")
    rules = Rules(tolerance=1e-5)
    owner = rng.integers(0, parts, len(x))
    tallies = []
    for part in (slice(None), *(owner == i for i in range(parts))):
        tally = Tally.empty(5, weighted=weighted)
        own = np.ascontiguousarray(weight[part]) if weighted else None
        tally.add(np.ascontiguousarray(x[part]), targets[part].astype(np.int32), own, logits=False, rules=rules)
        tallies.append(tally)
    whole, *rest = tallies
    left, right = Tally.empty(5, weighted=weighted), Tally.empty(5, weighted=weighted)
    for tally in rng.permutation(np.arange(len(rest))):
        left = left.merge(rest[tally])
        right = rest[tally].merge(right)
    for merged in (left, right):
        assert (merged.sums == whole.sums).all() and (merged.counts == whole.counts).all()
        assert merged.deviation == whole.deviation


def test_tallies_of_different_problems_do_not_merge():
    with pytest.raises(ValueError, match="same problem"):
        Tally.empty(3).merge(Tally.empty(4))


@pytest.mark.parametrize("kind", KINDS)
def test_weight_two_is_the_row_twice(kind):
    targets, x, _ = problem(kind, 60)
    weight = np.random.default_rng(1).integers(0, 4, 60)
    once = xent.score(**options(kind, targets, x, weight))
    twice = xent.score(**options(kind, np.repeat(targets, weight, 0), np.repeat(x, weight, 0)))
    for name in ("log_loss", "baseline", "entropy", "gap", "accuracy", "finite_part"):
        assert getattr(once, name) == pytest.approx(getattr(twice, name), rel=1e-14), name
    assert once.weightless_rows == int((weight == 0).sum())
    assert once.rows == 60 - once.weightless_rows


def test_equal_weights_are_no_weights():
    targets, x, _ = problem("probs")
    plain, heavy = (xent.score(**options("probs", targets, x, w)) for w in (None, np.full(len(x), 8.0)))
    for name in ("log_loss", "standard_error", "low", "high", "skewness", "z", "effective_rows", "top1"):
        assert getattr(plain, name) == pytest.approx(getattr(heavy, name), rel=1e-13), name


def test_two_classes_are_binary_and_logits_are_probabilities():
    targets, z, _ = problem("binary logits")
    z = z / 10
    p = 1 / (1 + np.exp(-z))
    binary = xent.score(targets=targets, probs=p)
    others = [
        xent.score(targets=targets, probs=np.stack([1 - p, p], 1)),
        xent.score(targets=targets, logits=z),
        xent.score(targets=targets, logits=np.stack([np.zeros_like(z), z], 1)),
        xent.score(targets=np.eye(2, dtype=int)[targets], logits=np.stack([z * 0, z], 1), kind="multiclass"),
    ]
    for other in others:
        for name in ("log_loss", "standard_error", "low", "high", "entropy", "gap", "z", "baseline", "accuracy"):
            assert getattr(other, name) == pytest.approx(getattr(binary, name), rel=1e-10), name


def test_losses_are_those_of_the_loss_functions():
    targets, z, weight = problem("logits")
    assert xent.score(targets=targets, logits=z).log_loss == pytest.approx(
        float(xent.softmax_cross_entropy(z, targets)), rel=1e-14
    )
    mean = xent.softmax_cross_entropy(z, targets, sample_weight=weight)
    assert xent.score(targets=targets, logits=z, sample_weight=weight).log_loss == pytest.approx(float(mean), rel=1e-14)
    targets, z, _ = problem("binary logits")
    assert xent.score(targets=targets, logits=z).log_loss == pytest.approx(
        float(xent.sigmoid_cross_entropy(z, targets)), rel=1e-14
    )


def test_interval_against_plain_formulas():
    targets, x, w = problem("probs")
    w = w + 0.1
    loss = -np.log(x[np.arange(len(x)), targets])
    mean = np.average(loss, weights=w)
    residual = w * (loss - mean)
    error = math.sqrt((residual**2).sum()) / w.sum()
    tilt = (residual**3).sum() / (residual**2).sum() ** 1.5
    z = 1.959963984540054
    score = xent.score(targets=targets, probs=x, sample_weight=w, tolerance=1e-9)
    assert score.standard_error == pytest.approx(error, rel=1e-12)
    assert score.low == pytest.approx(mean + error * (-z + tilt * (2 * z * z + 1) / 6), rel=1e-12)
    assert score.high == pytest.approx(mean + error * (z + tilt * (2 * z * z + 1) / 6), rel=1e-12)
    assert score.effective_rows == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-12)
    entropy = -(x * np.log(x)).sum(1)
    variance = (x * (np.log(x) + entropy[:, None]) ** 2).sum(1)
    assert score.z == pytest.approx((w * (loss - entropy)).sum() / math.sqrt((w**2 * variance).sum()), rel=1e-11)


def test_constant_losses_have_no_spread():
    score = xent.score(targets=[0, 1, 1, 0], probs=[0.5] * 4)
    assert (score.standard_error, score.low, score.high) == (0.0, math.log(2), math.log(2))
    assert score.z is None and score.gap == 0.0 and score.explained == 0.0


def test_a_logit_keeps_what_a_probability_loses():
    assert xent.score(targets=[0], logits=[40.0]).log_loss == 40.0
    assert xent.score(targets=[1], logits=[40.0]).log_loss == pytest.approx(math.exp(-40), rel=1e-15)
    assert xent.score(targets=[0], probs=np.float32([1.0])).log_loss == math.inf
    assert xent.score(targets=[0, 0], logits=[[math.inf, 1.0], [0.0, -math.inf]]).log_loss == 0.0
    assert xent.score(targets=[1, 0], logits=[[math.inf, 1.0], [0.0, 0.0]]).infinite == 1


def test_absurd_logits_keep_their_mean_and_have_no_interval():
    score = xent.score(targets=[1, 0, 1], logits=[0.0, 1e150, 0.0])
    assert score.log_loss == pytest.approx(1e150 / 3) and score.standard_error is None


def test_floors_say_what_they_changed():
    score = xent.score(targets=[1, 1, 0], probs=[0.0, 0.5, 0.5], floor=1e-3)
    assert score.compat.rows_changed == 1 and score.compat.infinite_rows_cost == pytest.approx(math.log(1000))
    assert score.compat.log_loss == pytest.approx((math.log(1000) + 2 * math.log(2)) / 3)
    torch = xent.score(targets=[1, 0], probs=[0.0, 0.5], compat="torch")
    assert torch.compat.log_loss == pytest.approx((100 + math.log(2)) / 2)
    xgboost = xent.score(targets=[1, 0], probs=[0.0, 0.5], compat="xgboost")
    assert xgboost.compat.log_loss == pytest.approx((-math.log(1e-16) + math.log(2)) / 2)
    keras = xent.score(targets=[1], probs=[[0.4, 0.5]], compat="keras", tolerance=0.2)
    assert keras.compat.log_loss == pytest.approx(-math.log(0.5 / 0.9))


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_and_single_rows_add_the_same_bits(logits, weighted):
    """The vector path takes whole blocks; a convention asked for (here one that changes nothing) goes row by row."""
    rng = np.random.default_rng(4)
    n = 3000
    x = rng.normal(size=n) * 10.0 ** rng.uniform(-3, 3, n) if logits else rng.random(n) ** rng.integers(1, 60, n)
    targets = rng.integers(0, 2, n).astype(np.int32)
    if not logits:
        targets[x < 1e-290], targets[x == 1] = 0, 1
    weight = 10.0 ** rng.uniform(-30, 30, n) if weighted else None
    tallies = [Tally.empty(2, weighted=weighted) for _ in range(2)]
    for tally, rules in zip(tallies, [Rules(), Rules(clamp=(0.0, math.inf))], strict=True):
        tally.add(x[:, None], targets, weight, logits=logits, rules=rules)
    strips, rows = tallies
    assert (strips.counts == rows.counts).all() and strips.counts[:, COUNTS.index("infinite")].sum() == 0
    for slot, name in enumerate((*PLAIN, *WEIGHTED)[: strips.sums.shape[1]]):
        if name != "wcompat":
            assert (strips.sums[:, slot] == rows.sums[:, slot]).all(), name
