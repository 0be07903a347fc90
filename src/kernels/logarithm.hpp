// log, log1p and exp in float64 for the evaluation tally: branch-free, so that compilers vectorise them. Without FMA
// numerics.hpp is made of + - * / only: every machine and every vector width then gives the same bits (the C library
// promises neither). Compile with -ffp-contract=off, and never with FMA switched on for the whole file.
#pragma once

#include "numerics.hpp"

#ifdef __FMA__
#error "the tally promises the same bits everywhere: compile it without FMA"
#endif

namespace xent {

// Natural logarithm. float64; x in [0, inf]; log(0) = -inf; worst error 1 ulp (tests/evaluate/test_logarithm.py).
inline double natural_log(double x) { return log_of(x); }

// log(1 + x). float64; x in [-1, inf); worst error 2 ulp.
inline double natural_log1p(double x) { return log1p_of(x); }

// exp(x). float64; x in [-inf, 0]; worst error 1 ulp, 0 below -745.2.
inline double exponential(double x) { return exp_tail(x); }

}  // namespace xent
