// The fast path: float32 (and half) logits, hard targets, no pipe, no Hessian. Tiles of up to 64 rows whose
// exponentials stay in L1, or one long row in chunks; per-row numbers in double, 64 rows at a time.
#pragma once
#include "laws.hpp"
#include "softmax_blocks.hpp"
#include "softmax_rows.hpp"

namespace xent {
namespace {

constexpr i64 tile_floats = 8192;    // exponentials of a tile: 32 KB
constexpr i64 transposed_most = 40;  // up to so many classes the 64 rows of a tile are summed in lanes
constexpr i64 row_chunk = 2048;

// What is asked of every row of the job.
struct FastPlan {
  bool possible, plain;  // plain: log law, no z-loss, no smoothing
  bool direct_z, direct_g;
  i64 rows;              // of a tile
  const float* tilt = nullptr;         // smoothing * prior_k * class_loss_k
  const double* tilt_exact = nullptr;
  double tilt_sum = 0;
  bool soft;             // dense rows with several classes are done here too

  explicit FastPlan(const SoftmaxJob& job) {
    const bool narrow = job.z.type == Type::f32 || job.z.type == Type::f16 || job.z.type == Type::bf16;
    const bool log = job.law.kind == law_log;
    possible = narrow && (job.classes > 1 || job.smoothing == 0) && !job.pipe.on && !job.hess && !job.v && (job.smoothing == 0 || (log && job.smoothing <= 0.5));
    soft = log && job.kind == Targets::dense;
    plain = log && job.z_loss == 0 && job.smoothing == 0;
    rows = job.classes <= tile_floats / rows_most ? rows_most : tile_floats / job.classes;
    // Logits that lie row beside row are read along the rows: eight at a time at least.
    const bool across = (job.inner == 1 ? job.z.stride[0] : job.z.stride[2]) < job.z.stride[1];
    if (across && rows < 8 && job.classes <= 2 * tile_floats) rows = 8;
    if (rows < 1) rows = 1;
    direct_z = direct(job.z, job, rows == 1);
    direct_g = direct(job.grad, job, rows == 1);
  }
  static bool direct(const Array& a, const SoftmaxJob& job, bool one_row) {
    return a && a.type == Type::f32 && (a.stride[1] == 4 || job.classes == 1) && reinterpret_cast<std::uintptr_t>(a.data) % 4 == 0 &&
           (one_row || (job.inner == 1 && a.stride[0] == 4 * job.classes)) &&
           (job.inner == 1 || a.stride[2] % 4 == 0) && a.stride[0] % 4 == 0;
  }
};

// Per-row numbers of a tile, and its floats: z and g packed where the caller's arrays are not rows of float32.
struct Tile {
  alignas(64) double sum[64], e_y[64], z_y[64], z_sum[64], tilt_y[64], share_all[64], coef[64], lift[64], share[64], loss[64], g_y[64];
  alignas(64) float k[64], s[64];
  i64 pivot[64];                  // the class left out of the sum: the target, of a soft row the top
  bool special[64], any_special;  // to be done by the general row
  bool soft[64], any_soft;
  float *e, *own_e, *b, *z = nullptr, *g = nullptr, *a = nullptr;
  static i64 floats(const FastPlan& plan, const SoftmaxJob& job) {
    i64 n = plan.rows > 1 || job.grad ? plan.rows * job.classes : row_chunk;
    return (n + 63) / 16 * 16;
  }
  // A tile has five arrays of its size; a long row the exponentials and one chunk.
  static i64 bytes(const FastPlan& plan, const SoftmaxJob& job) {
    return 4 * (plan.rows > 1 ? 5 * floats(plan, job) : floats(plan, job) + row_chunk);
  }
  void place(float* base, const FastPlan& plan, const SoftmaxJob& job) {
    const i64 step = floats(plan, job);
    e = own_e = base;
    b = base + step;
    if (plan.rows == 1) return;
    g = base + 2 * step;
    z = base + 3 * step;
    a = base + 4 * step;
  }
};

// Rows [first, first + n) of a cube as contiguous float32 rows.
inline void pack_rows(const Array& x, const SoftmaxJob& job, i64 first, int n, float* dst) {
  if (job.inner == 1 && x.stride[1] == item_size(x.type) && x.stride[0] == job.classes * x.stride[1])
    return load(dst, x.data + first * x.stride[0], x.type, x.stride[1], n * job.classes);
  if (job.inner == 1 && x.stride[1] <= x.stride[0]) {
    for (int i = 0; i < n; ++i) load(dst + i * job.classes, x.data + (first + i) * x.stride[0], x.type, x.stride[1], job.classes);
    return;
  }
  alignas(64) float lines[16][64];  // rows are closer together than classes: read along them, write across
  for (i64 k = 0; k < job.classes; k += 16) {
    int m = int(job.classes - k < 16 ? job.classes - k : 16);
    for (int j = 0; j < m; ++j) {
      if (job.inner == 1) load(lines[j], x.data + first * x.stride[0] + (k + j) * x.stride[1], x.type, x.stride[0], n);
      else stretches(job.inner, first, n, [&](i64 at, i64 o, i64 i, i64 run) {
        load(lines[j] + at, x.data + o * x.stride[0] + (k + j) * x.stride[1] + i * x.stride[2], x.type, x.stride[2], run);
      });
    }
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < m; ++j) dst[i * job.classes + k + j] = lines[j][i];
  }
}

inline void unpack_rows(const float* src, const Array& x, const SoftmaxJob& job, i64 first, int n) {
  if (job.inner == 1 && x.stride[1] == item_size(x.type) && x.stride[0] == job.classes * x.stride[1])
    return store(src, x.data + first * x.stride[0], x.type, x.stride[1], n * job.classes);
  if (job.inner == 1 && x.stride[1] <= x.stride[0]) {
    for (int i = 0; i < n; ++i) store(src + i * job.classes, x.data + (first + i) * x.stride[0], x.type, x.stride[1], job.classes);
    return;
  }
  alignas(64) float lines[16][64];
  for (i64 k = 0; k < job.classes; k += 16) {
    int m = int(job.classes - k < 16 ? job.classes - k : 16);
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < m; ++j) lines[j][i] = src[i * job.classes + k + j];
    for (int j = 0; j < m; ++j) {
      if (job.inner == 1) store(lines[j], x.data + first * x.stride[0] + (k + j) * x.stride[1], x.type, x.stride[0], n);
      else stretches(job.inner, first, n, [&](i64 at, i64 o, i64 i, i64 run) {
        store(lines[j] + at, x.data + o * x.stride[0] + (k + j) * x.stride[1] + i * x.stride[2], x.type, x.stride[2], run);
      });
    }
  }
}

// The finite range of a row and whether classes are masked (-inf), added to what is known; false where NaN is found.
inline bool find_shift(const float* __restrict z, i64 n, float& least, float& most, bool& masked) {
  float low = least, high = most;
  int strange = 0, hidden = 0;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(| : strange, hidden)
  for (i64 k = 0; k < n; ++k) {
    float x = z[k], seen = x > -__builtin_inff() ? x : __builtin_inff();
    low = seen < low ? seen : low;
    high = x > high ? x : high;
    strange |= x != x ? 1 : 0;
    hidden |= x == -__builtin_inff() ? 1 : 0;
  }
  least = low, most = high;
  masked = masked || hidden;
  return !strange;
}
XENT_INLINE bool float_range(float least, float most) { return most <= 700 && least >= -700 && most - least < 86; }
XENT_INLINE float shift_of(float most) { return float(i64(most * Real<float>::log2e + (most < 0 ? -0.5f : 0.5f))); }

}  // namespace
}  // namespace xent
