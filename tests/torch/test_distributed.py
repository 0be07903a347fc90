"""Two processes with ragged masks make the update of one process with the whole batch.

Run as a script, this file is one of the two processes: `python test_distributed.py RANK FOLDER`.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import xent

PAD, CLASSES, WORLD, SECONDS = -100, 5, 2, 120

# tokens that count in each of four sequences; the first two are the first process's
LENGTHS = {"ragged": (9, 2, 1, 5), "an empty piece": (9, 0, 1, 5), "an empty process": (9, 4, 0, 0)}
FAMILIES = ("softmax", "sigmoid")
DTYPES = (torch.float32, torch.float64)
CASES = [(family, lengths, dtype) for family in FAMILIES for lengths in LENGTHS for dtype in DTYPES]


def network(dtype):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, CLASSES)).to(dtype)


def batch(family, lengths, dtype):
    """(inputs[4, 9, 4], targets, which tokens count[4, 9])."""
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(4, 9, 4, generator=draw, dtype=torch.float64).to(dtype)
    counts = torch.arange(9) < torch.tensor(LENGTHS[lengths])[:, None]
    ids = torch.randint(CLASSES, (4, 9), generator=draw)
    labels = torch.randint(2, (4, 9, CLASSES), generator=draw)
    return inputs, ids.where(counts, PAD) if family == "softmax" else labels.to(dtype), counts


def share(net, family, piece, denominator):
    """This piece's part of the mean over `denominator` tokens (softmax) or labels (sigmoid)."""
    inputs, targets, counts = piece
    if family == "softmax":
        return xent.softmax_cross_entropy(net(inputs), targets, ignore_index=PAD, denominator=denominator)
    return xent.sigmoid_cross_entropy(net(inputs), targets, where=counts, denominator=denominator)


def pieces(arrays, first, last):
    return [tuple(a[i : i + 1] for a in arrays) for i in range(first, last)]


def losses_in(family, counts):
    return counts.sum() * (1 if family == "softmax" else CLASSES)


def flat(net):
    return torch.cat([w.grad.flatten() for w in net.parameters()])


def both(rank, family, lengths, dtype):
    """This process's gradients: summed by hand, and averaged by DistributedDataParallel."""
    own = pieces(batch(family, lengths, dtype), WORLD * rank, WORLD * rank + 2)
    everywhere = sum(losses_in(family, counts) for _, _, counts in own).double()
    dist.all_reduce(everywhere)
    summed = network(dtype)
    for piece in own:
        share(summed, family, piece, everywhere.item()).backward()
    for weight in summed.parameters():
        dist.all_reduce(weight.grad)
    averaged = DistributedDataParallel(network(dtype))
    with averaged.no_sync():
        share(averaged, family, own[0], everywhere.item() / WORLD).backward()
    share(averaged, family, own[1], everywhere.item() / WORLD).backward()
    return flat(summed), flat(averaged)


def process(rank, folder):
    torch.set_num_threads(1)
    store, wait = f"file://{folder}/store", timedelta(seconds=SECONDS // 2)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=WORLD, timeout=wait)
    torch.save([both(rank, *case) for case in CASES], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    """For every case, (summed, averaged) of each process."""
    if not dist.is_gloo_available():
        pytest.skip("this torch has no gloo")
    folder = tmp_path_factory.mktemp("store")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    command = [sys.executable, __file__]
    running = [
        subprocess.Popen([*command, str(rank), str(folder)], env=environment, stderr=subprocess.PIPE, text=True)
        for rank in range(WORLD)
    ]
    try:
        said = [one.communicate(timeout=SECONDS)[1] for one in running]
    finally:
        for one in running:
            one.kill()
    assert [one.returncode for one in running] == [0] * WORLD, "\n".join(said)
    found = [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]
    return dict(zip(CASES, zip(*found, strict=True), strict=True))


def by_torch(family, lengths, dtype, mean_of_means=False):
    """torch's own gradient: of the mean over the whole batch, or of the mean of the sequences' means."""
    net, arrays = network(dtype), batch(family, lengths, dtype)
    parts = pieces(arrays, 0, 4) if mean_of_means else [arrays]
    for inputs, targets, counts in parts:
        if family == "softmax":
            value = F.cross_entropy(net(inputs)[counts], targets[counts])
        else:
            value = F.binary_cross_entropy_with_logits(net(inputs)[counts], targets[counts])
        (value / len(parts)).backward()
    return flat(net)


def off(gradient, right):
    return ((gradient - right).abs().max() / right.abs().max()).item()


@pytest.mark.parametrize(("family", "lengths", "dtype"), CASES, ids=lambda value: str(value).removeprefix("torch."))
def test_two_processes_make_the_update_of_one(gradients, family, lengths, dtype):
    right = by_torch(family, lengths, dtype)
    few = 8 * torch.finfo(dtype).eps
    for summed, averaged in gradients[family, lengths, dtype]:
        assert off(summed, right) <= few
        assert off(averaged, right) <= few


@pytest.mark.parametrize("family", FAMILIES)
def test_processes_agree_bit_for_bit(gradients, family):
    for (kind, *_), (first, second) in gradients.items():
        if kind == family:
            assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_that_a_mean_of_means_would_be_found_out(family):
    wrong = by_torch(family, "ragged", torch.float64, mean_of_means=True)
    assert off(wrong, by_torch(family, "ragged", torch.float64)) > 0.05


if __name__ == "__main__":
    process(int(sys.argv[1]), Path(sys.argv[2]))
