// Sums in fixed point: 128 bits, of which 64 are behind the point. Integer addition is associative, so any partition and
// order of the rows gives the same bits; each value is first rounded down to a multiple of 2^-63.
#pragma once

#include <cmath>
#include <cstdint>

namespace nanobind { class module_; }

namespace xent::fixed {

inline constexpr double MOST = 0x1p62;   // of one value; a sum has room for 2^63

struct Sum { int64_t whole; uint64_t part; };   // whole + part 2^-64

// sum += x, rounded down to a multiple of 2^-63. x - floor(x) is exact unless x is a tiny negative number: then it is 1.
inline void add(Sum &sum, double x) {
    int64_t whole = int64_t(x);
    whole -= double(whole) > x;
    const double rest = x - double(whole);
    const bool full = rest >= 1.0;
    const uint64_t part = full ? 0 : uint64_t(int64_t(rest * 0x1p63)) << 1, after = sum.part + part;
    sum.whole += whole + full + (after < part);
    sum.part = after;
}

inline void merge(Sum &sum, const Sum &other) {
    const uint64_t before = sum.part;
    sum.part += other.part;
    sum.whole += other.whole + (sum.part < before);
}

}  // namespace xent::fixed

void bind_fixed(nanobind::module_ &m);
