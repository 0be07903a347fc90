// The sigmoid family's inputs: flat ranges of strided arrays, the table of weights, targets after masks.
#pragma once
#include "parallel.hpp"
#include "sigmoid_fast.hpp"
#include "sigmoid_general.hpp"

namespace xent {
namespace {

constexpr i64 sigmoid_chunk = 4096;       // elements per partial sum
constexpr i64 parallel_from = 64 * 1024;  // below it waking a thread costs more than it saves

// A flat range [first, first + n) of a (rows, labels) array as contiguous T; the array itself where it already is that.
template <class T>
struct Range {
  static constexpr Type own = sizeof(T) == 4 ? Type::f32 : Type::f64;
  static bool direct(const Array& a, i64 rows, i64 labels) {
    i64 size = sizeof(T);
    return a.type == own && reinterpret_cast<std::uintptr_t>(a.data) % sizeof(T) == 0 &&
           (labels == 1 || a.stride[1] == size) && (rows == 1 || a.stride[0] == labels * size);
  }
  template <class F>
  static void segments(const Array& a, i64 labels, i64 first, int n, F f) {
    for (int done = 0; done < n;) {
      i64 row = (first + done) / labels, column = (first + done) % labels;
      i64 run = labels - column < n - done ? labels - column : n - done;
      i64 stride = a.stride[1];
      if (labels == 1) run = n - done, stride = a.stride[0];
      f(done, a.data + row * a.stride[0] + column * a.stride[1], stride, run);
      done += int(run);
    }
  }
  static const T* get(const Array& a, i64 rows, i64 labels, i64 first, int n, T* buffer) {
    if (direct(a, rows, labels)) return reinterpret_cast<const T*>(a.data) + first;
    segments(a, labels, first, n, [&](int at, const char* p, i64 stride, i64 run) { load(buffer + at, p, a.type, stride, run); });
    return buffer;
  }
  static void put(const T* buffer, const Array& a, i64 labels, i64 first, int n) {
    segments(a, labels, first, n, [&](int at, char* p, i64 stride, i64 run) { store(buffer + at, p, a.type, stride, run); });
  }
};

// Weights with which float32 arithmetic is within its bounds; others are for the general kernel.
XENT_INLINE bool moderate(double w) { return w == 0 || (w >= 1e-15 && w <= 1e15); }
XENT_INLINE bool is_hard(double t, double w) { return (t == 0 || t == 1) && moderate(w); }

// What a call needs of the table, expanded so that any block reads `phase` onwards without wrapping.
struct Table {
  Scratch memory;
  i64 length, labels;
  bool unit, wide, positive = true, sober = true;  // sober: `hard` within float32's bounds
  explicit Table(const SigmoidJob& job)
      : memory(8 * (job.table_len == 1 ? 1 : job.labels + sigmoid_chunk) * i64(sizeof(double))),
        length(job.table_len == 1 ? 1 : job.labels + sigmoid_chunk), labels(job.labels), unit(job.table_len == 1), wide(job.table_len > 1) {
    if (!memory.data) return;
    for (int r = 0; r < 6; ++r) {
      const double* source = job.table + r * job.table_len;
      for (i64 i = 0; i < length; ++i) row(r)[i] = source[wide ? i % labels : 0];
    }
    static const double plain[6] = {0, 1, 1, 0, 1, 1};
    for (int r = 0; r < 6; ++r) unit = unit && job.table[r * job.table_len] == plain[r];
    for (int r = 0; r < 4; ++r)  // weights of hard targets, class weight and scale folded in
      for (i64 i = 0; i < length; ++i) hard(r)[i] = float(row(r)[i] * row(r & 1 ? 5 : 4)[i] * job.scale);
    for (int r = 0; r < 4; ++r)
      for (i64 i = 0; i < length; ++i) sober = sober && moderate(row(r)[i] * row(r & 1 ? 5 : 4)[i] * job.scale);
    for (i64 i = 0; i < length; ++i)
      positive = positive && hard(0)[i] + hard(2)[i] > 0 && hard(1)[i] + hard(3)[i] > 0;
  }
  double* row(int r) const { return memory.at<double>() + r * length; }                        // P0 P1 Q0 Q1 W0 W1
  float* hard(int r) const { return memory.at<float>(6 * length * i64(sizeof(double))) + r * length; }  // P0 P1 Q0 Q1
};

// Sum in double over sixteen lanes and a fixed tree.
template <class T>
inline double block_sum(const T* __restrict x, int n) {
  double lane[16] = {0};
  int i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) lane[j] += double(x[i + j]);
  for (; i < n; ++i) lane[i & 15] += double(x[i]);
  return tree_sum(lane, 16);
}

// Targets and weights of one block, after masks; counts what the block holds.
struct Loaded {
  alignas(64) double t[fast_block], w[fast_block];
  bool soft = false, hard = false;
  i64 bad = -1, bad_weight = -1;
};

// Where a sample weight is not finite or below 0; n if nowhere.
template <class T>
inline int first_bad_weight(const T* __restrict w, int n) {
  int wrong = 0;
  for (int i = 0; i < n; ++i) wrong |= int(!(w[i] >= 0)) | int(w[i] > Real<T>::largest);
  for (int i = 0; wrong && i < n; ++i)
    if (!(w[i] >= 0 && w[i] <= Real<T>::largest)) return i;
  return n;
}

inline void load_targets(const SigmoidJob& job, i64 first, int n, Loaded& out) {
  if (job.t) Range<double>::segments(job.t, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) {
      load(out.t + at, p, job.t.type, stride, run); });
  else for (int i = 0; i < n; ++i) out.t[i] = 0;
  if (job.w) Range<double>::segments(job.w, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) {
      load(out.w + at, p, job.w.type, stride, run); });
  else for (int i = 0; i < n; ++i) out.w[i] = 1;
  if (int at = job.w ? first_bad_weight(out.w, n) : n; at < n) out.bad_weight = first + at;
  if (job.where) {
    alignas(64) float keep[fast_block];
    Range<float>::segments(job.where, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) {
      load(keep + at, p, job.where.type, stride, run); });
    for (int i = 0; i < n; ++i) out.w[i] = keep[i] != 0 ? out.w[i] : 0.0;
  }
  for (int c = 0; c < job.ignore.count; ++c) {
    double value = job.ignore.values[c];
    for (int i = 0; i < n; ++i) out.w[i] = out.t[i] == value ? 0.0 : out.w[i];
  }
  double *__restrict targets = out.t, soft = 0, hard = 0, bad = 0;
  const double* __restrict weights = out.w;
#pragma omp simd reduction(+ : soft, hard, bad)
  for (int i = 0; i < n; ++i) {
    double t = targets[i], w = weights[i];
    double outside = t >= 0 ? 0.0 : 1.0;
    outside = t > 1 ? 1.0 : outside;
    t = w == 0 ? (outside != 0 ? 0.0 : t) : t;  // unseen
    double sharp = t == 0 ? 1.0 : 0.0;
    sharp = t == 1 ? 1.0 : sharp;
    sharp = moderate(w) ? sharp : 0.0;
    targets[i] = t;
    hard += sharp;
    soft += 1 - sharp;
    bad += w == 0 ? 0.0 : outside;
  }
  out.soft = soft != 0;
  out.hard = hard != 0;
  for (int i = 0; bad != 0 && i < n; ++i)
    if (!(out.t[i] >= 0 && out.t[i] <= 1)) { out.bad = first + i; break; }
}

// P, Q and their low parts in double for any target; scale and weights folded in.
template <class Row>
XENT_INLINE void spread_weights(const Row& row, bool unit, double scale, int n, const double* __restrict t, const double* __restrict w, GeneralBlock& b) {
  for (int i = 0; i < n; ++i) {
    double rest = 1 - t[i];
    double weight = w[i] * scale * mad(rest, row(4, i), t[i] * row(5, i));
    b.P[i] = weight * mad(rest, row(0, i), t[i] * row(1, i));
    b.Q[i] = weight * mad(rest, row(2, i), t[i] * row(3, i));
    b.P_lo[i] = 0;
    b.Q_lo[i] = unit ? weight * ((1 - rest) - t[i]) : 0.0;  // what 1 - t lost
  }
}

inline void general_weights(const Table& table, double scale, i64 phase, int n, const double* t, const double* w, GeneralBlock& b) {
  if (table.wide) {
    spread_weights([&](int r, int i) { return table.row(r)[phase + i]; }, false, scale, n, t, w, b);
  } else {
    const double row[6] = {*table.row(0), *table.row(1), *table.row(2), *table.row(3), *table.row(4), *table.row(5)};
    spread_weights([&](int r, int) { return row[r]; }, table.unit, scale, n, t, w, b);
  }
}

}  // namespace
}  // namespace xent
