// Fixed blocks over threads: who computes a block never shows in the bits.
#pragma once
#include <cstdint>
#include <cstdlib>

#include "arrays.hpp"

namespace xent {
namespace {

// f(block) for every block, over at most `threads` OpenMP threads. Handed out as they are asked for: a thread whose core
// is taken away for a while holds up nobody else.
template <class F>
void parallel_blocks(i64 blocks, int threads, const F& f) {
  if (threads <= 1 || blocks <= 1) {
    for (i64 b = 0; b < blocks; ++b) f(b);
    return;
  }
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
  for (i64 b = 0; b < blocks; ++b) f(b);
}

// Sum in a fixed binary tree (pairs, pairs of pairs ...); overwrites `x`.
inline double tree_sum(double* x, i64 n) {
  if (n <= 0) return 0;
  for (; n > 1; n = (n + 1) / 2) {
    for (i64 i = 0; i < n / 2; ++i) x[i] = x[2 * i] + x[2 * i + 1];
    if (n & 1) x[n / 2] = x[n - 1];
  }
  return x[0];
}

// Heap memory of one call or thread, 64-byte aligned, freed on scope exit. `data` is null when memory ran out.
struct Scratch {
  void* data;
  explicit Scratch(i64 bytes) : data(std::aligned_alloc(64, std::size_t((bytes + 127) / 64 * 64))) {}
  ~Scratch() { std::free(data); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* at(i64 offset_bytes = 0) const {
    return reinterpret_cast<T*>(static_cast<char*>(data) + offset_bytes);
  }
};

// Keeps the smallest flat index of a bad target, whichever thread finds it.
XENT_INLINE void note_bad(i64* bad, i64 index) {
  i64 seen = __atomic_load_n(bad, __ATOMIC_RELAXED);
  while ((seen < 0 || index < seen) &&
         !__atomic_compare_exchange_n(bad, &seen, index, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

XENT_INLINE bool is_ignored(const Ignore& ignore, double value) {
  for (int i = 0; i < ignore.count; ++i)
    if (value == ignore.values[i]) return true;
  return false;
}

}  // namespace
}  // namespace xent
