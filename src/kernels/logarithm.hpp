// log, log1p and exp in float64 for the evaluation tally: branch-free, so that compilers vectorise them. Without FMA
// numerics.hpp is made of + - * / only: every machine and every vector width then gives the same bits (the C library
// promises neither). Compile with -ffp-contract=off, and never with FMA switched on for the whole file.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "numerics.hpp"

#ifdef __FMA__
#error "the tally promises the same bits everywhere: compile it without FMA"
#endif

namespace xent {

// Natural logarithm. float64; x in [0, inf); log(0) = -inf; worst error 1 ulp (tests/evaluate/test_logarithm.py).
// x = 2^k (1 + f), 1 + f in [0.75, 1.5): k log 2 + f - f^2/2 + f^3 g(f), the halves of ln 2 and of f - f^2/2 kept apart.
inline double natural_log(double x) {
    const uint64_t lowest = 0x3fe8000000000000ULL;                                  // 0.75
    const bool tiny = x < 0x1p-1022;
    const uint64_t u = std::bit_cast<uint64_t>(tiny ? x * 0x1p54 : x);
    const uint64_t offset = u - lowest + (uint64_t(1024) << 52);
    const uint64_t exponent = (offset >> 52) + 0x4330000000000000ULL;               // as a double: 2^52 + k + 1024
    const double k = std::bit_cast<double>(exponent) - (0x1p52 + 1024.0) - (tiny ? 54.0 : 0.0);
    const double f = std::bit_cast<double>((offset & 0xfffffffffffffULL) + lowest) - 1.0;
    const double square = f * f;
    const Pair<double> head = fast_two_sum(f, -0.5 * square), sum = two_sum(k * coef::ln2_hi_f64, head.hi);
    const double rest = square * f * log1p_g(f) + (head.lo + k * coef::ln2_lo_f64);
    return x == 0.0 ? -std::numeric_limits<double>::infinity() : sum.hi + (sum.lo + rest);
}

// log(1 + x). float64; x in [-1, inf); worst error 2 ulp. 1 + x rounds to u; what was lost comes back as (x - (u-1))/u.
inline double natural_log1p(double x) {
    const double u = 1.0 + x;
    const double lost = u > 0.0 ? (x - (u - 1.0)) / u : 0.0;
    return natural_log(u) + lost;
}

// exp(x). float64; x in [-inf, 0]; worst error 1 ulp, 0 below -745.2.
inline double exponential(double x) { return exp_tail(x); }

}  // namespace xent
