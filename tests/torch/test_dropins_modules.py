"""The modules are torch's, loss apart: classes, buffers, state_dict, repr, pickles; a step trains the same."""

import copy
import inspect
import io
import pickle

import pytest
import torch

import xent.torch as X

NAMES = ("BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "KLDivLoss", "MultiLabelSoftMarginLoss", "NLLLoss")
WEIGHT = torch.tensor([1.0, 2.0, 0.5])
GIVEN = {
    "BCELoss": {"weight": WEIGHT},
    "BCEWithLogitsLoss": {"weight": WEIGHT, "pos_weight": 2 * WEIGHT},
    "CrossEntropyLoss": {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1, "reduction": "sum"},
    "KLDivLoss": {"reduction": "batchmean", "log_target": True},
    "MultiLabelSoftMarginLoss": {"weight": WEIGHT, "reduction": "none"},
    "NLLLoss": {"weight": WEIGHT, "ignore_index": 2},
}
OPTIONS = {
    "BCELoss": {"exact": True},
    "BCEWithLogitsLoss": {"gamma": 2.0, "bias": torch.tensor([0.1, 0.2, 0.3])},
    "CrossEntropyLoss": {"z_loss": 1e-3, "prior": torch.tensor([0.5, 0.25, 0.25])},
    "KLDivLoss": {"empty": "nan"},
    "MultiLabelSoftMarginLoss": {"alpha": torch.tensor([0.25, 0.5, 0.75])},
    "NLLLoss": {"denominator": "count"},
}


def data(name):
    """(what the model says, the targets) of 8 rows of 3."""
    source = torch.Generator().manual_seed(5)
    z = torch.randn(8, 3, generator=source)
    said = {"BCELoss": torch.sigmoid(z), "KLDivLoss": torch.log_softmax(z, 1), "NLLLoss": torch.log_softmax(z, 1)}
    targets = {
        "CrossEntropyLoss": torch.tensor([0, 1, 2, 0, 1, 2, 0, 0]),
        "NLLLoss": torch.tensor([0, 1, 2, 0, 1, 2, 0, 0]),
        "KLDivLoss": torch.log_softmax(torch.randn(8, 3, generator=source), 1),
    }
    return said.get(name, z), targets.get(name, (torch.rand(8, 3, generator=source) > 0.5).float())


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_torchs(name):
    ours, theirs = getattr(X, name), getattr(torch.nn, name)
    mine, other = (list(inspect.signature(kind.__init__).parameters.values()) for kind in (ours, theirs))
    shared = [(p.name, p.default) for p in mine if p.kind is p.POSITIONAL_OR_KEYWORD]
    # torch writes some of these as *args; then its base class has the names
    base = inspect.signature(torch.nn.modules.loss._WeightedLoss.__init__).parameters.values()
    assert shared in ([(p.name, p.default) for p in other], [(p.name, p.default) for p in base])
    module = ours(**GIVEN[name])
    assert isinstance(module, theirs) and isinstance(module, torch.nn.modules.loss._Loss)
    assert repr(module) == repr(theirs(**GIVEN[name])) == f"{name}()"
    assert repr(ours(**OPTIONS[name])) != f"{name}()"


@pytest.mark.parametrize("name", NAMES)
def test_the_state_goes_both_ways(name):
    ours, theirs = (getattr(m, name)(**GIVEN[name]) for m in (X, torch.nn))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert dict(ours.named_buffers()).keys() == dict(theirs.named_buffers()).keys()
    other = {k: v * 3 for k, v in theirs.state_dict().items()}
    theirs.load_state_dict(other)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(*data(name)), theirs(*data(name)))
    with_options = getattr(X, name)(**GIVEN[name], **OPTIONS[name])
    assert list(with_options.state_dict()) == list(theirs.state_dict())
    with_options.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_copies_pickles_and_moves(name):
    module = getattr(X, name)(**GIVEN[name], **OPTIONS[name])
    right = module(*data(name))
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(file, weights_only=False),
    ):
        assert repr(other) == repr(module)
        assert torch.equal(other(*data(name)), right)
    module.double()
    assert all(b.dtype is torch.float64 for b in module.buffers())
    for option, value in OPTIONS[name].items():
        if isinstance(value, torch.Tensor):
            assert module.get_buffer(option).dtype is torch.float64


@pytest.mark.parametrize("name", NAMES)
def test_a_step_trains_the_same(name):
    """One optimiser step with either module ends at the same weights."""
    _, target = data(name)
    ends = []
    for kind in (getattr(X, name), getattr(torch.nn, name)):
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 3)
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
        z = model(torch.randn(8, 4))
        said = {
            "BCELoss": torch.sigmoid,
            "KLDivLoss": lambda z: z.log_softmax(1),
            "NLLLoss": lambda z: z.log_softmax(1),
        }
        kind(**GIVEN[name])(said.get(name, lambda z: z)(z), target).sum().backward()
        optimiser.step()
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends)


def test_options_are_the_functions():
    z, y = data("CrossEntropyLoss")
    module = X.CrossEntropyLoss(gamma=2.0, denominator="count", **GIVEN["CrossEntropyLoss"])
    module.reduction = "mean"
    options = GIVEN["CrossEntropyLoss"] | {"reduction": "mean"}
    assert module(z, y) == X.cross_entropy(z, y, gamma=2.0, denominator="count", **options)
    weight = torch.rand(8)
    assert module(z, y, sample_weight=weight) != module(z, y)
    assert X.BCEWithLogitsLoss()(z, z > 0, where=z > 1) == X.binary_cross_entropy_with_logits(z, z > 0, where=z > 1)
    assert X.BCELoss(label_smoothing=0.1)(z.sigmoid(), z > 0) == X.binary_cross_entropy(
        z.sigmoid(), z > 0, label_smoothing=0.1
    )


def test_a_misspelt_option_is_named():
    with pytest.raises(TypeError, match="`gama` is no option of CrossEntropyLoss; these are: axis"):
        X.CrossEntropyLoss(gama=2.0)


def test_the_deprecated_pair():
    with pytest.warns(UserWarning, match="size_average and reduce"):
        assert X.CrossEntropyLoss(size_average=False).reduction == "sum"


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_module(name):
    torch._dynamo.reset()
    module = getattr(X, name)(**GIVEN[name], **OPTIONS[name])
    whole = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(whole(*data(name)), module(*data(name)))
