"""Where numbers come from: the files and their hashes, what was read as what, and files that are there twice."""

import hashlib
import json

import numpy as np
import pytest

import xent
from xent.evaluate import BadInput
from xent.evaluate.provenance import CHUNK, Hashing, hash_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1])
def test_hashes_are_blake2b_of_the_whole_file(tmp_path, size):
    path = str(tmp_path / "file")
    content = RNG.bytes(size)
    (tmp_path / "file").write_bytes(content)
    wanted = (path, size, hashlib.blake2b(content, digest_size=16).hexdigest())
    assert hash_of(path) == wanted
    with Hashing([path, path]) as hashing:
        assert hashing.result() == [wanted, wanted]


def test_a_file_that_vanishes_is_said(tmp_path):
    with Hashing([str(tmp_path / "gone")]) as hashing, pytest.raises(BadInput, match="gone: cannot be read"):
        hashing.result()


def write(path, p, **columns):
    pq.write_table(pa.table({"label": (p > 0.4).astype(int), "p": p, **columns}), path)
    return path


def test_an_analysis_says_its_files_and_options(tmp_path):
    p = RNG.random(50)
    paths = [write(tmp_path / f"{name}.parquet", p + i / 100 * (1 - p), g=p * 3) for i, name in enumerate("ba")]
    found = xent.score(paths, cluster="g", seed=4, confidence=0.9).analysis.provenance
    assert [h[0] for h in found.hashes] == sorted(map(str, paths))
    assert all(h == hash_of(h[0]) for h in found.hashes)
    options = dict(found.options)
    assert (found.seed, found.version) == (4, xent.__version__)
    assert (options["targets"], options["probs"], options["cluster"], options["confidence"]) == (
        "label",
        "p",
        "g",
        "0.9",
    )
    assert json.loads(xent.score(paths, analyse=True).to_json())["analysis"]["provenance"]["hashes"][0][1] > 0


def test_arrays_have_no_hashes_and_npy_files_all_of_theirs(tmp_path):
    p = RNG.random(50)
    assert xent.score(targets=p > 0.4, probs=p, analyse=True).analysis.provenance.hashes == ()
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "t.npy", p > 0.4)
    found = xent.score(targets=str(tmp_path / "t.npy"), probs=str(tmp_path / "p.npy"), analyse=True)
    assert {h[0] for h in found.analysis.provenance.hashes} == {str(tmp_path / "t.npy"), str(tmp_path / "p.npy")}


def test_files_of_one_content_are_an_alert_and_others_are_not(tmp_path):
    p = RNG.random(50)
    a, b = write(tmp_path / "a.parquet", p), write(tmp_path / "b.parquet", p)
    c = write(tmp_path / "c.parquet", p[::-1])
    assert "a.parquet" in (said := xent.score([a, b, c], analyse=True).analysis.alerts[0]) and "b.parquet" in said
    assert "c.parquet" not in said
    assert not any("same content" in alert for alert in xent.score([a, c], analyse=True).analysis.alerts)
