"""What every test file shares: a seeded generator, every option of both families, and how close is close."""

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("xent", deadline=None, derandomize=True, max_examples=60, database=None)
settings.load_profile("xent")

LABELS, CLASSES = 3, 4

SHARED = {
    "plain": {},
    "smoothing": {"label_smoothing": 0.1},
    "focal": {"gamma": 2.0},
    "focal below 1": {"gamma": 0.5},
    "poly": {"poly": 1.5},
    "generalised": {"gce": 0.7},
    "temperature": {"temperature": 0.5},
    "softcap": {"softcap": 3.0},
    "count": {"denominator": "count"},
    "elements": {"denominator": "elements"},
    "number": {"denominator": 7.0},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
}

SIGMOID = SHARED | {
    "pair": {"gamma": (0.5, 3.0)},
    "alpha": {"gamma": 2.0, "alpha": 0.25},
    "alphas": {"alpha": (0.25, 0.5, 0.0)},
    "pos_weight": {"pos_weight": 3.0},
    "pos_weights": {"pos_weight": (3.0, 0.5, 1.0)},
    "class_weights": {"class_weight": (3.0, 0.5, 0.0)},
    "class pairs": {"class_weight": ((3.0, 0.5), (1.0, 0.0), (1.0, 2.0))},
    "prior": {"label_smoothing": 0.2, "prior": 0.9},
    "priors": {"label_smoothing": 0.2, "prior": (0.9, 0.0, 1.0)},
    "bias": {"bias": 0.7},
    "biases": {"bias": (0.7, 0.0, -3.0)},
    "positives": {"denominator": "positives"},
    "ignore": {"ignore_index": 0},
    "all": {
        "gamma": (0.5, 2.0), "alpha": (0.25, 0.5, 0.1), "pos_weight": (3.0, 0.5, 1.0), "label_smoothing": 0.2,
        "prior": (0.9, 0.5, 0.3), "class_weight": ((3.0, 0.5), (1.0, 0.0), (1.0, 2.0)), "bias": (0.7, 0.0, -3.0),
        "softcap": 3.0, "temperature": 0.5, "denominator": "positives",
    },
}  # fmt: skip

SOFTMAX = SHARED | {
    "alpha": {"gamma": 2.0, "alpha": 0.25},
    "alphas": {"alpha": (0.25, 0.5, 0.0, 2.0)},
    "class_weights": {"class_weight": (3.0, 0.5, 0.0, 1.0)},
    "prior": {"label_smoothing": 0.2, "prior": (0.5, 0.25, 0.25, 0.0)},
    "z_loss": {"z_loss": 0.01},
    "bias": {"bias": (0.7, 0.0, -3.0, 0.1)},
    "ignore": {"ignore_index": 1},
    "ignore several": {"ignore_index": (-100, 2)},
    "all": {
        "gamma": 1.5, "alpha": (0.25, 0.5, 1.0, 2.0), "label_smoothing": 0.2, "prior": (0.5, 0.25, 0.25, 0.0),
        "class_weight": (3.0, 0.5, 0.1, 1.0), "bias": (0.7, 0.0, -3.0, 0.1), "softcap": 3.0, "temperature": 0.5,
        "z_loss": 0.01, "ignore_index": 2, "denominator": "count",
    },
}  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(2024)


@pytest.fixture(params=SIGMOID, ids=str)
def sigmoid_options(request):
    """Every option of the sigmoid family on its own, and all at once; per label for three labels."""
    return SIGMOID[request.param]


@pytest.fixture(params=SOFTMAX, ids=str)
def softmax_options(request):
    """Every option of the softmax family on its own, and all at once; per class for four classes."""
    return SOFTMAX[request.param]
