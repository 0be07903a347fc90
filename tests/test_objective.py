"""Records: frozen, hashable, picklable, validated once."""

import copy
import pickle

import numpy as np
import pytest

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy


def test_sigmoid_record_is_a_value(sigmoid_options):
    check_value(SigmoidCrossEntropy, sigmoid_options)


def test_softmax_record_is_a_value(softmax_options):
    check_value(SoftmaxCrossEntropy, softmax_options)


def check_value(kind, options):
    loss = kind(**options)
    assert loss == kind(**options) and hash(loss) == hash(kind(**options))
    assert pickle.loads(pickle.dumps(loss)) == loss and copy.deepcopy(loss) == loss
    assert eval(repr(loss), vars(xent)) == loss
    assert (loss == kind()) == (not options)
    with pytest.raises(AttributeError):
        loss.gamma = 3.0


def test_families_differ():
    assert SigmoidCrossEntropy() != SoftmaxCrossEntropy()


def test_a_used_record_pickles_as_a_fresh_one():
    loss = SoftmaxCrossEntropy(class_weight=(1.0, 2.0))
    fresh = pickle.dumps(loss)
    loss([[0.0, 1.0]], [1])
    assert pickle.dumps(loss) == fresh


def test_numbers_are_normalised():
    assert SigmoidCrossEntropy(gamma=[2, 2]) == SigmoidCrossEntropy(gamma=2.0)
    assert SoftmaxCrossEntropy(class_weight=[1, 2]) == SoftmaxCrossEntropy(class_weight=(1.0, 2.0))
    assert SoftmaxCrossEntropy(gamma=np.float32(2)) == SoftmaxCrossEntropy(gamma=2)
    assert SoftmaxCrossEntropy(ignore_index=[3]) == SoftmaxCrossEntropy(ignore_index=3)
    assert repr(SoftmaxCrossEntropy()) == "SoftmaxCrossEntropy()"
    assert repr(SigmoidCrossEntropy(gamma=(2, 2))) == "SigmoidCrossEntropy(gamma=2.0)"


BAD = {
    "label_smoothing": (-0.1, 1.1, np.nan, "0.1", True),
    "gamma": (-1.0, np.inf, np.nan, "2", True),
    "poly": (np.inf, np.nan, "1"),
    "gce": (-0.1, 1.1, np.nan),
    "temperature": (0.0, -1.0, np.inf, np.nan),
    "softcap": (0.0, -1.0, np.inf),
    "class_weight": (-1.0, (1.0, -1.0), (1.0, np.nan), (), "balanced"),
    "alpha": (-1.0, (0.5, np.nan)),
    "bias": (np.inf, (0.0, np.nan)),
    "prior": ((0.5, 1.5), (-0.5, 1.5)),
    "ignore_index": ("a", np.nan, (1, True)),
    "reduction": ("average", None, 1),
    "denominator": ("tokens", 0.0, -1.0, np.nan, None),
    "empty": ("zeros", None),
}


@pytest.mark.parametrize("kind", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
@pytest.mark.parametrize("name, value", [(n, v) for n, values in BAD.items() for v in values], ids=repr)
def test_bad_options_name_themselves(kind, name, value):
    with pytest.raises((ValueError, TypeError), match=f"`{name}`"):
        kind(**{name: value})


@pytest.mark.parametrize(
    "kind, options",
    [
        (SigmoidCrossEntropy, {"alpha": 1.5}),
        (SigmoidCrossEntropy, {"gamma": (1.0, 2.0, 3.0)}),
        (SigmoidCrossEntropy, {"gamma": (1.0, -2.0)}),
        (SigmoidCrossEntropy, {"pos_weight": -1.0}),
        (SoftmaxCrossEntropy, {"gamma": (1.0, 2.0)}),
        (SoftmaxCrossEntropy, {"denominator": "positives"}),
        (SoftmaxCrossEntropy, {"z_loss": -1.0}),
        (SoftmaxCrossEntropy, {"prior": 0.5}),
        (SoftmaxCrossEntropy, {"axis": 1.0}),
        (SoftmaxCrossEntropy, {"class_weight": np.ones(3)}),
        (SoftmaxCrossEntropy, {"gamma": 2.0, "gce": 0.5}),
    ],
    ids=repr,
)
def test_what_one_family_refuses(kind, options):
    with pytest.raises((ValueError, TypeError), match=f"`{next(iter(options))}`"):
        kind(**options)


def test_an_array_in_the_record_is_sent_to_the_call():
    with pytest.raises(TypeError, match=r"Pass the array at the call"):
        SigmoidCrossEntropy(pos_weight=np.ones(3))
