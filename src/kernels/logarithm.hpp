// log, log1p and exp in float64 for the evaluation tally: branch-free, so that compilers vectorise them, and made of
// + - * / only, so that every machine and every vector width gives the same bits (the C library promises neither).
// Compile with -ffp-contract=off.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace xent {

inline double from_bits(uint64_t u) { return std::bit_cast<double>(u); }
inline uint64_t to_bits(double x) { return std::bit_cast<uint64_t>(x); }

// Natural logarithm. float64; x in [0, inf); log(0) = -inf; worst error 1 ulp (tests/evaluate/test_logarithm.py).
// Formula and constants: FreeBSD msun e_log.c (Sun Microsystems 1993): log(2^k (1+f)), s = f/(2+f), minimax in s^2.
inline double natural_log(double x) {
    const bool tiny = x < 0x1p-1022;
    const uint64_t u = to_bits(tiny ? x * 0x1p54 : x);
    const uint64_t offset = u - 0x3fe6a09e00000000ULL + (uint64_t(1024) << 52);     // mantissa into [sqrt(1/2), sqrt(2))
    const uint64_t exponent = (offset >> 52) + 0x4330000000000000ULL;               // as a double: 2^52 + k + 1024
    const double k = from_bits(exponent) - (0x1p52 + 1024.0) - (tiny ? 54.0 : 0.0);
    const double f = from_bits((offset & 0xfffffffffffffULL) + 0x3fe6a09e00000000ULL) - 1.0;
    const double s = f / (2.0 + f), z = s * s, w = z * z;
    const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01
                     + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half = 0.5 * f * f;
    const double value = k * 6.93147180369123816490e-01
                       - ((half - (s * (half + (even + odd)) + k * 1.90821492927058770002e-10)) - f);
    return x == 0.0 ? -std::numeric_limits<double>::infinity() : value;
}

// log(1 + x). float64; x in [-1, inf); worst error 2 ulp. 1 + x rounds to u; what was lost comes back as (x - (u-1))/u.
inline double natural_log1p(double x) {
    const double u = 1.0 + x;
    const double lost = u > 0.0 ? (x - (u - 1.0)) / u : 0.0;
    return natural_log(u) + lost;
}

// exp(x). float64; x in [-inf, 0]; worst error 1 ulp, 0 below -745.2.
// x = n log 2 + r, |r| <= 0.347: Taylor to r^13 (next term below 2^-57 of the result); 2^n in two steps when subnormal.
inline double exponential(double x) {
    const bool deep = x < -690.0, gone = x < -745.2;
    const double y = gone ? -745.2 : x;
    const double shifted = y * 1.44269504088896338700e+00 + 0x1.8p52;
    const double n = shifted - 0x1.8p52;
    const double r = (y - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    double tail = 1.0 / 6227020800.0;
    tail = tail * r + 1.0 / 479001600.0;
    tail = tail * r + 1.0 / 39916800.0;
    tail = tail * r + 1.0 / 3628800.0;
    tail = tail * r + 1.0 / 362880.0;
    tail = tail * r + 1.0 / 40320.0;
    tail = tail * r + 1.0 / 5040.0;
    tail = tail * r + 1.0 / 720.0;
    tail = tail * r + 1.0 / 120.0;
    tail = tail * r + 1.0 / 24.0;
    tail = tail * r + 1.0 / 6.0;
    tail = tail * r + 0.5;
    const double value = 1.0 + (r + r * r * tail);
    const uint64_t raise = deep ? 128 : 0;
    const double power = from_bits((to_bits(shifted) + 1023 + raise) << 52);
    const double scaled = value * power * (deep ? 0x1p-128 : 1.0);
    return gone ? 0.0 : scaled;
}

}  // namespace xent
