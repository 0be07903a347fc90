"""`xent.patching`: swapped by name, for code one cannot edit, and always back."""

import subprocess
import sys
import threading
import types
import warnings

import pytest
import torch
import torch.nn.functional as F

import xent.torch
from xent.patching import SWAPS, TORCH, patch, patched, unpatch

THEIRS = {name: getattr(F, name) for name in TORCH}
OURS = {name: getattr(xent.torch, name) for name in TORCH}
TAIL = torch.tensor([[20.0, 0.0]]), torch.tensor([0])  # torch's loss: 0


def standing():
    return {name: getattr(F, name) for name in TORCH}


@pytest.fixture(autouse=True)
def clean():
    assert standing() == THEIRS
    yield
    after = standing()
    SWAPS["torch"].depth = 0
    unpatch("torch")
    assert after == THEIRS and SWAPS["torch"].swapped == []


def test_swapped_and_back():
    assert F.cross_entropy(*TAIL) == 0
    patch("torch")
    assert standing() == OURS
    assert F.cross_entropy(*TAIL) > 0
    unpatch("torch")
    assert F.cross_entropy(*TAIL) == 0


def test_twice_is_once():
    patch("torch")
    patch("torch")
    unpatch("torch")
    assert standing() == THEIRS
    unpatch("torch")
    assert standing() == THEIRS


def test_blocks_nest_and_mix_with_patch():
    with patched("torch"):
        with patched("torch"):
            assert standing() == OURS
        assert standing() == OURS
        patch("torch")
        unpatch("torch")
        assert standing() == OURS  # the block lasts
    assert standing() == THEIRS
    patch("torch")
    with patched("torch"):
        pass
    assert standing() == OURS
    unpatch("torch")


def test_back_after_an_exception():
    with pytest.raises(KeyError), patched("torch"):
        raise KeyError
    assert standing() == THEIRS


def test_as_a_decorator():
    @patched("torch")
    def inside():
        return F.cross_entropy(*TAIL)

    assert inside() > 0 and F.cross_entropy(*TAIL) == 0


def test_overlapping_blocks_of_threads():
    """The last to end swaps back."""
    inner, outer = threading.Event(), threading.Event()

    def work():
        with patched("torch"):
            inner.set()
            outer.wait(10)

    with patched("torch"):
        thread = threading.Thread(target=work)
        thread.start()
        assert inner.wait(10)
    assert standing() == OURS
    outer.set()
    thread.join()
    assert standing() == THEIRS


def test_torchs_modules_and_wrappers_are_ours_inside():
    z, t = torch.tensor([20.0], requires_grad=True), torch.tensor([1.0])
    with patched("torch"):
        assert torch.nn.CrossEntropyLoss()(*TAIL) > 0
        torch.nn.BCEWithLogitsLoss()(z, t).backward()
        assert torch.nn.MultiLabelSoftMarginLoss()(z, t) > 0
        assert F.linear_cross_entropy(torch.eye(2)[:1], 20 * torch.eye(2), torch.tensor([0])) > 0
    assert z.grad < 0


def test_ours_never_calls_itself():
    """Inside a patch every drop-in still ends."""
    p = torch.tensor([[0.9, 0.1]])
    with patched("torch"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert F.binary_cross_entropy(p, p) == THEIRS["binary_cross_entropy"](p, p)
        assert F.nll_loss(p, torch.tensor([0])) == THEIRS["nll_loss"](p, torch.tensor([0]))
        torch.testing.assert_close(F.kl_div(p.log(), p), THEIRS["kl_div"](p.log(), p), atol=1e-6, rtol=0)
        assert xent.torch.sigmoid_focal_loss(p, p).isfinite().all()
        z = p.double().requires_grad_()
        assert torch.autograd.gradgradcheck(lambda z: F.cross_entropy(z, torch.tensor([0])), z)


@pytest.mark.parametrize("module", [False, True])
def test_compiled_code(module):
    """What was compiled before is compiled again, in and out."""
    loss = torch.nn.CrossEntropyLoss()
    torch._dynamo.reset()
    step = torch.compile(loss if module else lambda z, y: F.cross_entropy(z, y), fullgraph=True, backend="aot_eager")
    assert step(*TAIL) == 0
    with patched("torch"):
        assert step(*TAIL) > 0
        z = TAIL[0].clone().requires_grad_()
        step(z, TAIL[1]).backward()
        assert z.grad[0, 0] < 0
    assert step(*TAIL) == 0


def test_what_another_swapped_since_is_left_alone():
    patch("torch")
    F.kl_div = theirs = lambda *args: None
    unpatch("torch")
    assert F.kl_div is theirs and F.cross_entropy is THEIRS["cross_entropy"]
    F.kl_div = THEIRS["kl_div"]


def test_unknown_and_missing_libraries(monkeypatch):
    for function in (patch, unpatch):
        with pytest.raises(ValueError, match="one of 'torch', 'torchvision', 'optax'; got 'tensorflow'"):
            function("tensorflow")
    with pytest.raises(ValueError, match="must be one of"):
        patch(["torch"])
    with pytest.raises(ValueError, match="must be one of"), patched("tensorflow"):
        pass
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "torchvision.ops", raising=False)
    with pytest.raises(ImportError, match="pip install torchvision"):
        patch("torchvision")
    with pytest.raises(ImportError, match="pip install torchvision"), patched("torchvision"):
        pass
    assert not SWAPS["torchvision"].lasting and SWAPS["torchvision"].depth == 0


def test_torchvision(monkeypatch):
    """By a stand-in of its two modules."""
    ops, focal = types.ModuleType("torchvision.ops"), types.ModuleType("torchvision.ops.focal_loss")
    ops.sigmoid_focal_loss = focal.sigmoid_focal_loss = theirs = lambda *args: None
    ops.focal_loss = focal
    for name, module in (
        ("torchvision", types.ModuleType("torchvision")),
        (ops.__name__, ops),
        (focal.__name__, focal),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    with patched("torchvision"):
        assert ops.sigmoid_focal_loss is focal.sigmoid_focal_loss is xent.torch.sigmoid_focal_loss
    assert ops.sigmoid_focal_loss is focal.sigmoid_focal_loss is theirs


def test_optax():
    optax = pytest.importorskip("optax")
    theirs = optax.softmax_cross_entropy
    with patched("optax"):
        assert optax.softmax_cross_entropy.__module__.startswith("xent.jax")
        assert optax.losses.softmax_cross_entropy is optax.softmax_cross_entropy
    assert optax.softmax_cross_entropy is theirs is optax.losses.softmax_cross_entropy


def test_without_torch():
    """Importing the page needs no framework; using it names the command."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import xent.patching\n"
        "for use in (lambda: xent.patching.patch('torch'), lambda: __import__('xent.torch')):\n"
        "    try: use()\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count('pip install "xent[torch]"') == 2, done.stdout
