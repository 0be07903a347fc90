// Exact sums of float64: a fixed-point register wide enough for every double.
//
// Three facts forced this shape:
// - A double is mantissa * 2^(e-1075) with a 53-bit mantissa, so the sum of any 2^64 doubles is an integer multiple of
//   2^-1074 below 2^1088: 68 digits of 32 bits hold it. Integer addition is associative, so any batch size, file
//   split, row order or number of threads gives the same digits (R. M. Neal, arXiv:1505.05571, "small superaccumulator").
// - Each addition touches two digits: the low 32 bits of the shifted mantissa, and the rest (at most 53 bits).
//   An int64 digit therefore has room for 2^10 additions before carries must be passed on.
// - Canonical form (digits 0..66 in [0, 2^32), the last one signed) makes equal sums equal bytes, and lets Python read
//   a register as one integer.
#pragma once

#include <bit>
#include <cstdint>

namespace nanobind { class module_; }

// Vector code for this processor, chosen when the module is loaded; every choice gives the same bits.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define XENT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define XENT_CLONES
#endif

namespace xent {

inline constexpr int DIGITS = 68;              // 32-bit digits, stored in int64 so that carries can wait
inline constexpr int ADDITIONS = 1000;         // additions between two calls of `carry`; the room is 2^10 = 1024

// register += x, exactly. x must be finite. At most ADDITIONS calls between two calls of `carry`.
inline void add(int64_t *digits, double x) {
    const uint64_t bits = std::bit_cast<uint64_t>(x);
    const uint64_t field = (bits >> 52) & 0x7ff;
    const uint64_t position = field - (field != 0);                 // of the lowest mantissa bit, in units of 2^-1074
    const uint64_t mantissa = (bits & 0xfffffffffffffULL) | (uint64_t(field != 0) << 52);
    const unsigned shift = position & 31;
    const int64_t sign = int64_t(bits) >> 63;                       // 0 or -1: (v ^ sign) - sign negates
    const int64_t low = int64_t((mantissa << shift) & 0xffffffffULL);
    const int64_t high = int64_t((mantissa >> 1) >> (31 - shift));
    int64_t *digit = digits + (position >> 5);
    digit[0] += (low ^ sign) - sign;
    digit[1] += (high ^ sign) - sign;
}

// Brings a register into canonical form.
inline void carry(int64_t *digits) {
    int64_t over = 0;
    for (int i = 0; i < DIGITS - 1; ++i) {
        const int64_t value = digits[i] + over;
        over = value >> 32;
        digits[i] = value & 0xffffffffLL;
    }
    digits[DIGITS - 1] += over;
}

}  // namespace xent

void bind_accumulator(nanobind::module_ &m);
void bind_tally(nanobind::module_ &m);
void bind_soft(nanobind::module_ &m);
