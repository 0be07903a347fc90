"""The kernels' polynomials and constants are what their birth certificates say."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("mpmath")


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import coefficients
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return coefficients


@pytest.fixture(scope="module")
def header(script):
    return script.HEADER.read_text()


def test_every_stated_error_holds(script, header):
    assert list(script.faults(header)) == []


def test_the_check_can_fail(script, header):
    coefficient = header.replace("0x1.555486p-3f", "0x1.555496p-3f")
    claim = re.sub(r"(float; 2\^-28)\.\d\d\n", r"\1.99\n", header)
    constant = header.replace("-0x1.bd02p-13f", "-0x1.bd04p-13f")
    for broken in (coefficient, claim, constant, header.replace("log1p_h9_f32", "log1p_h9")):
        assert broken != header
        assert list(script.faults(broken))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_the_parts_of_ln2_add_up(script, header, dtype):
    value = {name: values[0] for name, (values, _) in script.parsed(header).items() if name.startswith("ln2")}
    splits = {
        "f32": (["ln2_l1_f32", "ln2_l2_f32", "ln2_l3_f32"], ["ln2_f32", "ln2_tail_f32"]),
        "f64": (["ln2_hi_f64", "ln2_lo_f64"], ["ln2_f64", "ln2_tail_f64"]),
    }[dtype]
    for names in splits:
        assert abs(sum(value[name] for name in names) - script.LN2) < 2.0 ** {"f32": -48, "f64": -80}[dtype]
    assert abs(value["ln2_l1_f32"] - value["ln2_l2_fma_f32"] - script.LN2) < 2.0**-37
