"""A file's rows are known by its name and their numbers."""

import numpy as np

import xent


def test_a_file_keeps_its_folds_where_it_is_moved_to(tmp_path):
    logits, found = np.random.default_rng(5).normal(size=500), []
    for place in ("here/a.npz", "there/a.npz", "there/b.npz"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        np.savez(tmp_path / place, label=np.arange(500) % 2, logits=logits)
        found.append(xent.score(str(tmp_path / place), analyse=True).analysis.ladder.rungs)
    assert found[0] == found[1] != found[2]
