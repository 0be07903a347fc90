// The exact sum of a block of doubles in a few vector instructions, for values in {0} and [2^-111, 2^10).
//
// Adding and subtracting 1.5 * 2^(52+g) rounds y to a multiple of 2^g, and what is left over is a double again. Four
// such grids, 43 bits apart, take y to pieces without remainder (its last bit is worth at least 2^-163). Pieces of one
// grid are at most 2^44 units, so up to 256 of them add up below 2^53 units: without rounding, in any order. The few
// partial sums then go into the register. (The idea of binned sums: Demmel & Nguyen, ARITH 2013; here made exact.)
#pragma once

#include <cstdint>

#include "accumulator.hpp"

namespace xent {

inline constexpr int GRIDS = 4, BLOCK_ROWS = 256;
inline constexpr double FITS_FROM = 0x1p-111, FITS_BELOW = 0x1p10;

inline bool fits(double y) { return (y == 0.0) | ((y >= FITS_FROM) & (y < FITS_BELOW)); }

// Sums of all values that fit, and of those with second[r] != 0, by grid; returns how many values do not fit.
XENT_CLONES inline int64_t sum_block(int64_t n, const double *x, const int32_t *second, double *all, double *some) {
    double a0 = 0, a1 = 0, a2 = 0, a3 = 0, s0 = 0, s1 = 0, s2 = 0, s3 = 0, misfits = 0;
#pragma omp simd reduction(+ : a0, a1, a2, a3, s0, s1, s2, s3, misfits)
    for (int64_t r = 0; r < n; ++r) {
        const bool good = fits(x[r]), in = second[r] != 0;
        const double y = good ? x[r] : 0.0;
        const double p0 = (y + 0x1.8p18) - 0x1.8p18, r0 = y - p0;          // multiples of 2^-34
        const double p1 = (r0 + 0x1.8p-25) - 0x1.8p-25, r1 = r0 - p1;      // 2^-77
        const double p2 = (r1 + 0x1.8p-68) - 0x1.8p-68, p3 = r1 - p2;      // 2^-120; the rest is of 2^-163
        a0 += p0; a1 += p1; a2 += p2; a3 += p3;
        s0 += in ? p0 : 0.0; s1 += in ? p1 : 0.0; s2 += in ? p2 : 0.0; s3 += in ? p3 : 0.0;
        misfits += good ? 0.0 : 1.0;
    }
    all[0] = a0; all[1] = a1; all[2] = a2; all[3] = a3;
    some[0] = s0; some[1] = s1; some[2] = s2; some[3] = s3;
    return int64_t(misfits);
}

}  // namespace xent
