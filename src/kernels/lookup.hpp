// Scores to cells: exact ones by hashing, many of them by a fixed grid on the logit.
#pragma once

#include <nanobind/nanobind.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace xent::lookup {
namespace {

// The grid: `fine` cells (a power of two) of equal width on [-32, 32), where a float64 probability of yes still differs from
// 0 and 1; one cell an octave beyond, the last from 2^16 on; one for each infinity. In increasing order.
inline constexpr int64_t OCTAVES = 12;
inline constexpr int64_t BEYOND = 2 * OCTAVES + 2;

inline int64_t octave(double size) {   // of 32 = 2^5: 0; of infinity: OCTAVES
    const int64_t from = int64_t(std::bit_cast<uint64_t>(size) >> 52) - (1023 + 5);
    return std::isinf(size) ? OCTAVES : from < OCTAVES ? from : OCTAVES - 1;
}

inline int64_t cell(double z, int64_t fine, double per_logit) {
    if (z >= -32.0 && z < 32.0) {
        const double place = z * per_logit;   // exact: a power of two
        const int64_t towards_zero = int64_t(place);
        return OCTAVES + 1 + fine / 2 + towards_zero - (double(towards_zero) > place);
    }
    return z < 0.0 ? OCTAVES - octave(-z) : OCTAVES + 1 + fine + octave(z);
}

// splitmix64's last steps (Steele, Lea & Flood 2014): every bit of a score reaches every bit of its place.
inline uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

// Slots of scores in order of arrival; `places` (a power of two, at least twice the room) hold slot + 1, 0 where empty.
struct Slots {
    double *scores; int64_t room, count; int32_t *places; uint64_t mask;
    // -1 where there is no room for one more.
    int64_t find(double given) {
        const double score = given == 0.0 ? 0.0 : given;   // -0 is 0
        const uint64_t bits = std::bit_cast<uint64_t>(score);
        for (uint64_t at = mixed(bits) & mask;; at = (at + 1) & mask) {
            const int32_t slot = places[at] - 1;
            if (slot >= 0) {
                if (std::bit_cast<uint64_t>(scores[slot]) == bits) return slot;
                continue;
            }
            if (count == room) return -1;
            scores[count] = score;
            places[at] = int32_t(count + 1);
            return count++;
        }
    }
};

}  // namespace
}  // namespace xent::lookup

void bind_lookup(nanobind::module_ &m);
