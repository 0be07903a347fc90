"""Saved states: the same when loaded, the same bytes for the same rows, and one message for anything that is none."""

import io
import json
import zipfile

import numpy as np
import pytest
from states import FURTHER, KINDS, content, fed, table

from xent.evaluate import BadInput, State, finish, gather
from xent.evaluate.state.storage import VERSION, digest, load_all

pytest.importorskip("pyarrow")
N = 200


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_comes_back_as_it_was_and_goes_on(kind, weighted, tmp_path):
    data = table(kind, N, weighted=weighted)
    state = fed(data, kind, [(0, 120)], compat="keras", confidence=0.9, rows=3, seed=5, **FURTHER)
    state.save(tmp_path / "a.xent")
    back = State.load(tmp_path / "a.xent")
    assert content(back) == content(state)
    assert (back.problem, back.settings) == (state.problem, state.settings)
    assert finish(back).to_json() == finish(state).to_json()
    rest = fed(data, kind, [(120, N)], compat="keras", confidence=0.9, rows=3, seed=5, **FURTHER)
    assert content(back.merge(rest)) == content(state.merge(rest))
    back.save(tmp_path / "b.xent")
    assert (tmp_path / "a.xent").read_bytes() == (tmp_path / "b.xent").read_bytes()


def test_a_loaded_state_can_be_added_to(tmp_path):
    """Arrays read from a file are not read-only views of it."""
    from states import planned, take

    data = table("probs", N)
    fed(data, "probs", [(0, 90)], **FURTHER).save(tmp_path / "a.xent")
    back = State.load(tmp_path / "a.xent")
    source, plan, _ = planned(data, "probs", **FURTHER)
    take(back, plan, source, data, [(90, N)])
    assert content(back.finish()) == content(fed(data, "probs", [(0, N)], **FURTHER))


def test_names_of_any_letters_are_kept(tmp_path):
    data = table("binary", N).rename_columns(
        [{"town": "a/b\0c", "age": "../x", "price": "Köln\n"}.get(n, n) for n in table("binary", N).column_names]
    )
    state = gather(data, by=["a/b\0c", "../x"], slices=["Köln\n"])
    state.save(tmp_path / "a.xent")
    back = State.load(tmp_path / "a.xent")
    assert content(back) == content(state) and set(back.groups.columns) == {"a/b\0c", "../x"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "a.xent"
    gather(table("binary", 40), rows=2, **FURTHER).save(path)
    return path.read_bytes()


def refusal(path, content):
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        State.load(path)
    said = str(caught.value)
    assert str(path) in said and len(said) < 500
    return said


def rewritten(saved, signed=True, **changes):
    """The state with members replaced: by bytes, by a function of the header, or (None) left out; its digest too."""
    out, members = io.BytesIO(), {}
    with zipfile.ZipFile(io.BytesIO(saved)) as old:
        for name in old.namelist():
            change = changes.get(name.removesuffix(".npy").replace("/", "_").replace(".json", ""), b"keep")
            if callable(change):
                told = json.loads(old.read(name))
                change(told)
                members[name] = json.dumps(told).encode()
            elif change is not None:
                members[name] = old.read(name) if change == b"keep" else change
    if signed:
        members["digest"] = digest(members)
    with zipfile.ZipFile(out, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def test_what_is_no_state_is_said(tmp_path, saved):
    path = tmp_path / "a.xent"
    for other in (b"", b"label,p\n1,0.5\n", saved[4:], rewritten(saved, header=None)):
        assert "is not a saved state; write one with `xent score" in refusal(path, other)
    np.savez(tmp_path / "a.npz", label=[1], p=[0.5])
    assert "is not a saved state" in refusal(path, (tmp_path / "a.npz").read_bytes())
    with pytest.raises(BadInput, match="No such file"):
        State.load(tmp_path / "nowhere.xent")
    with pytest.raises(BadInput, match="Is a directory"):
        State.load(tmp_path)


def test_other_versions_are_said(tmp_path, saved):
    newer = rewritten(saved, header=lambda told: told.update(version=VERSION + 1, xent="9.0"))
    said = refusal(tmp_path / "a.xent", newer)
    assert f"version {VERSION + 1}, written by xent 9.0" in said and "Score the files again" in said


@pytest.mark.parametrize(
    "changes",
    [
        {"header": b"{"},
        {"header": lambda told: told.pop("problem")},
        {"header": lambda told: told["problem"].update(kind=7)},
        {"header": lambda told: told["problem"].update(width=3)},
        {"header": lambda told: told["problem"].update(further=1)},
        {"header": lambda told: told["settings"].update(rules=None)},
        {"header": lambda told: told["parts"].pop("sample")},
        {"header": lambda told: told["parts"]["sample"].update(columns=["x"])},
        {"header": lambda told: told["parts"]["groups"].update(by=[{}])},
        {"header": lambda told: told.update(files=[1])},
        {"tally_sums": None},
        {"tally_sums": npy(np.zeros(3))},
        {"tally_counts": npy(np.array([{"a": 1}], object))},
        {"dearest_at": npy(np.zeros(5, int))},
        {"sample_key": npy(np.zeros(1, np.uint64))},
        {"sample_x": npy(np.zeros((40, 7)))},
        {"groups_0.sums": npy(np.zeros((1, 6, 4), int))},
        {"times_grid.keys": npy(np.zeros(0, int))},
        {"losses_rows": npy(np.zeros(9, int)).replace(b"(9,), }      ", b"(999999999,)}")},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_damaged_states_are_said(tmp_path, saved, changes):
    assert "truncated or damaged" in refusal(tmp_path / "a.xent", rewritten(saved, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"header": lambda told: told["files"].__setitem__(0, ["other", 40])},
        {"header": lambda told: told["parts"]["losses"].update(infinite=3)},
        {"sample_target": npy(np.full(40, 7, np.int32))},
        {"digest": None},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_what_was_written_by_hand_is_no_state(tmp_path, saved, changes):
    """Each of them would be read, and give a wrong report or none."""
    assert "its digest is not that of its contents" in refusal(
        tmp_path / "a.xent", rewritten(saved, signed=False, **changes)
    )
    assert content(State.load(_put(tmp_path / "b.xent", rewritten(saved)))) == content(
        State.load(_put(tmp_path / "c.xent", saved))
    )


def test_states_cut_short_or_with_a_wrong_byte_are_never_taken_for_others(tmp_path, saved):
    path = tmp_path / "a.xent"
    for length in np.linspace(5, len(saved) - 1, 40).astype(int):
        assert "truncated or damaged" in refusal(path, saved[:length])
    whole = content(State.load(_put(path, saved)))
    refused = 0
    for at in np.random.default_rng(0).integers(4, len(saved), 150):
        wrong = bytearray(saved)
        wrong[at] ^= 1 << (at % 8)
        try:
            assert content(State.load(_put(path, bytes(wrong)))) == whole  # a date, a flag: nothing of ours
        except BadInput as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 100


def _put(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"by": "age"}, "by (town and age)"),
        ({"cluster": "age", "by": "town"}, "cluster (none and age)"),
        ({"renormalize": True, "by": "town"}, "renormalize (False and True)"),
        ({"compat": "torch", "by": "town"}, "compat (none and torch)"),
        ({"sample_weight": "none", "by": "town"}, "weighted (True and False)"),
        ({"confidence": 0.5, "by": "town"}, "confidence (0.95 and 0.5)"),
        ({"rows": 3, "by": "town"}, "rows (10 and 3)"),
        ({"seed": 3, "by": "town"}, "seed (0 and 3)"),
        ({"classes": ["no", "yes"], "by": "town"}, "--classes"),
        ({}, "--quick"),
    ],
)
def test_states_of_different_problems_or_options_say_in_what(tmp_path, change, said):
    data = table("binary", N)
    gather(data, by="town").save(tmp_path / "a.xent")
    gather(data, **change).save(tmp_path / "b.xent")
    for order in (("a.xent", "b.xent"), ("b.xent", "a.xent")):
        with pytest.raises(BadInput) as caught:
            load_all([tmp_path / name for name in order])
        assert all(str(tmp_path / name) in str(caught.value) for name in order)
    with pytest.raises(BadInput) as caught:
        load_all([tmp_path / "a.xent", tmp_path / "b.xent"])
    assert said in str(caught.value), caught.value
