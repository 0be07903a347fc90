// Sums in fixed point. Integer addition is associative, so any partition and order of the rows gives the same bits; each
// value is first rounded to a multiple of the last place.
//
// Two widths. Narrow: 128 bits, 64 of them behind the point, for bounded quantities (probabilities, entropies). Wide: 256
// bits, 128 behind the point, for losses (a logit may cost 1e300) and for all that weights and their squares multiply.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace nanobind { class module_; }

namespace xent::fixed {

// Of one value: a narrow sum has room for 2^63. A wide sum holds larger values at HELD: 2^27 of them fit.
inline constexpr double MOST = 0x1p62, HELD = 0x1p100;

struct Narrow { int64_t whole; uint64_t part; };   // whole + part 2^-64
struct Wide { uint64_t words[4]; };                // two's complement, the highest word first, in units of 2^-128

// sum += x, rounded towards 0 to a multiple of 2^-63.
inline void add(Narrow &sum, double x) {
    const double size = x < 0.0 ? -x : x;
    const int64_t whole = int64_t(size);
    const uint64_t part = uint64_t(int64_t((size - double(whole)) * 0x1p63)) << 1, before = sum.part;
    if (x < 0.0) {
        sum.part -= part;
        sum.whole -= whole + (sum.part > before);
    } else {
        sum.part += part;
        sum.whole += whole + (sum.part < before);
    }
}

// sum += x, rounded towards 0 to a multiple of 2^-128; |x| beyond HELD is HELD.
inline void add(Wide &sum, double x) {
    const double held = x > HELD ? HELD : x < -HELD ? -HELD : x;
    const uint64_t bits = std::bit_cast<uint64_t>(held), field = (bits >> 52) & 0x7ff;
    const uint64_t digits = (bits & 0xfffffffffffffULL) | (uint64_t(field != 0) << 52);
    const int place = int(field) - 1075 + 128;                        // of the lowest digit, in units of 2^-128
    const uint64_t kept = place >= 0 ? digits : place > -64 ? digits >> -place : 0;
    const unsigned at = place > 0 ? unsigned(place) : 0, word = 3 - at / 64, shift = at % 64;
    const uint64_t low = kept << shift, high = (kept >> 1) >> (63 - shift);
    uint64_t *to = sum.words + word, over;
    if (int64_t(bits) >= 0) {
        const unsigned __int128 first = (unsigned __int128)to[0] + low, next = (unsigned __int128)to[-1] + high + uint64_t(first >> 64);
        to[0] = uint64_t(first); to[-1] = uint64_t(next); over = uint64_t(next >> 64);
        for (int i = int(word) - 2; over && i >= 0; --i) over = ++sum.words[i] == 0;
    } else {
        const unsigned __int128 first = (unsigned __int128)to[0] - low;
        const unsigned __int128 next = (unsigned __int128)to[-1] - high - (uint64_t(first >> 64) & 1);
        to[0] = uint64_t(first); to[-1] = uint64_t(next); over = uint64_t(next >> 64) & 1;
        for (int i = int(word) - 2; over && i >= 0; --i) over = sum.words[i]-- == 0;
    }
}

inline void merge(Narrow &sum, const Narrow &other) {
    const uint64_t before = sum.part;
    sum.part += other.part;
    sum.whole += other.whole + (sum.part < before);
}

inline void merge(Wide &sum, const Wide &other) {
    uint64_t over = 0;
    for (int i = 3; i >= 0; --i) {
        const unsigned __int128 both = (unsigned __int128)sum.words[i] + other.words[i] + over;
        sum.words[i] = uint64_t(both); over = uint64_t(both >> 64);
    }
}

// Values rounded to the nearest multiple of 2^-PLACES, |x| <= FITS, as integers that vector code can add.
template <int PLACES>
struct Units {
    static constexpr double SHIFTER = 1.5 * double(int64_t(1) << (52 - PLACES)), FITS = SHIFTER / 3.0;
    static int64_t of(double x) { return std::bit_cast<int64_t>(x + SHIFTER) - std::bit_cast<int64_t>(SHIFTER); }
    static void add(Narrow &sum, int64_t units) {
        const __int128 whole = (__int128)units << (64 - PLACES);
        merge(sum, {int64_t(whole >> 64), uint64_t(whole)});
    }
    static void add(Wide &sum, int64_t units) {
        const __int128 whole = (__int128)units << (64 - PLACES);
        const uint64_t sign = units < 0 ? ~uint64_t(0) : 0;
        merge(sum, {{sign, uint64_t(whole >> 64), uint64_t(whole), 0}});
    }
};

}  // namespace xent::fixed

void bind_fixed(nanobind::module_ &m);
