"""Repair: maps from scores to calibrated logits, fitted by maximum likelihood, and what they buy out of sample."""

from .affine import Matrix, Vector
from .estimator import Calibrator
from .faults import CalibrationWarning, NoFiniteOptimum
from .gain import Gain, cross_fitted_gain
from .isotonic import Isotonic
from .logistic import Beta, Platt
from .maps import Map, from_json
from .temperature import Temperature

__all__ = [
    "Beta",
    "CalibrationWarning",
    "Calibrator",
    "Gain",
    "Isotonic",
    "Map",
    "Matrix",
    "NoFiniteOptimum",
    "Platt",
    "Temperature",
    "Vector",
    "cross_fitted_gain",
    "from_json",
]
