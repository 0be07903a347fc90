// The fast path of a tile or a long row: exponentials, sums without the target, per-row numbers, gradient.
#pragma once
#include "laws.hpp"
#include "softmax_soft.hpp"

namespace xent {
namespace {

// All that a plain row needs: loss and the two numbers of its gradient. coef = scale * weight * class_loss.
inline void finish_plain(Tile& t, int n) {
  int padded = (n + 7) / 8 * 8;
#pragma omp simd
  for (int i = 0; i < padded; ++i) {
    double sum = t.sum[i], e_y = t.e_y[i], inverse = inverse_of(sum + e_y), coef = t.coef[i];
    double share = coef * inverse;
    t.k[i] = float(share);
    t.g_y[i] = 0.0 - share * sum;
    t.loss[i] = coef * log_one_plus(sum * inverse_of(e_y));
  }
}

// The same for any law, z-loss and smoothing. lift: scale * weight * z-loss; share: scale * weight.
template <int Kind>
inline void finish_rows(double exponent, double tilt_sum, Tile& t, int n) {
#pragma omp simd
  for (int i = 0; i < n; ++i) {
    double sum = t.sum[i], e_y = t.e_y[i], inverse = 1 / (sum + e_y), nll = log_one_plus(sum / e_y), p = e_y * inverse, q = sum * inverse;
    double nlq = Kind == law_focal ? log_one_plus(e_y / sum) : 0.0;
    Price here = price<Kind>(exponent, nll, p, q, nlq);
    double coef = t.coef[i], share = t.share[i], lift = t.lift[i], lse = nll + t.z_y[i];
    double slope = coef * here.slope, more = share * tilt_sum + 2 * lift * lse;
    t.loss[i] = coef * here.cost + share * (tilt_sum * lse - t.z_sum[i]) + lift * lse * lse;
    t.share_all[i] = slope + more;
    t.k[i] = float((slope + more) * inverse);
    t.s[i] = float(share);
    t.g_y[i] = (0.0 - slope * q) + more * p - share * t.tilt_y[i];
  }
}

inline void finish_priced(const SoftmaxJob& job, const FastPlan& plan, Tile& t, int n) {
  const double a = job.law.a;
  const int padded = (n + 7) / 8 * 8;
  for (int i = n; i < padded; ++i) t.z_y[i] = t.z_sum[i] = t.tilt_y[i] = t.share[i] = t.lift[i] = 0;
  if (job.law.kind == law_focal) finish_rows<law_focal>(a, plan.tilt_sum, t, padded);
  else if (job.law.kind == law_poly) finish_rows<law_poly>(a, plan.tilt_sum, t, padded);
  else if (job.law.kind == law_generalised) finish_rows<law_generalised>(a, plan.tilt_sum, t, padded);
  else finish_rows<law_log>(a, plan.tilt_sum, t, padded);
  int weak = 0;  // the factor leaves float32's normal range: entries would lose digits
  for (int i = 0; i < n; ++i) weak |= int(magnitude(t.k[i]) < 1e-36f) & int(t.share_all[i] != 0);
  for (int i = 0; weak && i < n; ++i)
    if (magnitude(t.k[i]) < 1e-36f && t.share_all[i] != 0 && !t.soft[i]) t.special[i] = t.any_special = true;
}

// What the tile is told of its rows: coefficients, and which it must leave alone (soft, or weighed out of float32's range).
inline void prepare(const SoftmaxJob& job, const FastPlan& plan, const RowTargets& rows, int from, Tile& t, int n) {
  const double keep = 1 - job.smoothing, scale = job.scale, lift = job.scale * job.z_loss;
  const double *effective = rows.effective + from, *weight = rows.weight + from, *mass = rows.mass + from;
  const i64* y = rows.y + from;
  for (int i = 0; i < n; ++i) {
    t.share[i] = effective[i] != 0 ? weight[i] * scale : 0.0;
    t.coef[i] = t.share[i] * keep * mass[i];
    t.lift[i] = effective[i] * lift;
  }
  if (job.class_loss)
    for (int i = 0; i < n; ++i) t.coef[i] *= y[i] >= 0 ? job.class_loss[y[i]] : 0.0;
  i64 any = 0, any_soft = 0;
  for (int i = 0; i < n; ++i) {
    double size = y[i] < 0 ? t.share[i] : t.coef[i];
    bool outside = (size != 0) & !((size > 1e-14) & (size < 1e14));
    any |= i64((effective[i] != 0) & (((y[i] < 0) & !plan.soft) | outside));
    any_soft |= i64((y[i] < 0) & (effective[i] != 0));
    t.pivot[i] = y[i] < 0 ? 0 : y[i];
  }
  t.any_special = any != 0;
  t.any_soft = any_soft != 0 && plan.soft;
  for (int i = 0; i < n; ++i) t.special[i] = t.soft[i] = false;
  for (int i = 0; (any | any_soft) && i < n; ++i) {
    double size = y[i] < 0 ? t.share[i] : t.coef[i];
    bool outside = size != 0 && !(size > 1e-14 && size < 1e14);
    t.special[i] = effective[i] != 0 && (outside || (y[i] < 0 && !plan.soft));
    t.soft[i] = y[i] < 0 && effective[i] != 0 && !t.special[i];
    if (y[i] < 0) t.coef[i] = 0;
  }
}

// Soft rows leave their top out of the sum.
inline void find_pivots(const SoftmaxJob& job, const float* z, Tile& t, int n) {
  for (int i = 0; i < n; ++i) {
    if (!t.soft[i]) continue;
    const float* row = z + i * job.classes;
    float least = __builtin_inff(), most = -__builtin_inff();
    bool masked = false, sane = find_shift(row, job.classes, least, most, masked);
    t.pivot[i] = sane ? top_of(row, job.classes, most) : 0;
    t.z_y[i] = double(most);
  }
}

// Masked classes (-inf) stay on the fast path where they only drop out of the sum.
inline bool may_mask(const SoftmaxJob& job, const Tile& t, int i, float z_y) {
  return job.smoothing == 0 && !t.soft[i] && z_y > -__builtin_inff();
}

// Rows that leave [-40, 40], one by one: shifted, or left to the general row.
inline void exp_careful(const SoftmaxJob& job, const RowTargets& rows, int from, const float* z, Tile& t, int n) {
  const i64 classes = job.classes;
  for (int i = 0; i < n; ++i) {
    const float* row = z + i * classes;
    float least = __builtin_inff(), most = -__builtin_inff(), *e = t.e + i * classes;
    bool masked = false, idle = rows.effective[from + i] == 0;
    bool sane = find_shift(row, classes, least, most, masked) && !idle;
    sane = sane && (!masked || may_mask(job, t, i, row[t.pivot[i]]));
    const bool near = most <= plain_most && least >= -plain_most;
    if (sane && near && !masked) continue;
    if (sane && float_range(least, most)) {
      const float shifted = Real<float>::round - (near ? 0 : shift_of(most));
      if (masked) exp_masked(row, e, classes, shifted);
      else exp_pass(row, e, classes, shifted);
      continue;
    }
    if (!idle) t.special[i] = t.any_special = true;
    for (i64 k = 0; k < classes; ++k) e[k] = 1;
  }
}

// Sums of every row of the tile, y taken out and kept in e_y.
inline void sum_tile(const SoftmaxJob& job, Tile& t, int n) {
  const i64 classes = job.classes;
  for (int i = 0; i < n; ++i) {
    float* y = t.e + i * classes + t.pivot[i];
    t.e_y[i] = double(*y);
    *y = 0;
  }
  if (classes <= transposed_most) {
    for (i64 k = n * classes; k < rows_most * classes; ++k) t.e[k] = 0;
    sum_rows_64(t.e, classes, t.a, t.sum);
  } else {
    for (int i = 0; i < n; ++i) t.sum[i] = sum_pass(t.e + i * classes, classes);
  }
  for (int i = n; i < (n + 7) / 8 * 8; ++i) t.sum[i] = 0, t.e_y[i] = 1, t.coef[i] = 0;
}

inline void tilt_tile(const SoftmaxJob& job, const FastPlan& plan, const float* z, Tile& t, int n) {
  for (int i = 0; i < n; ++i) {
    const float* row = z + i * job.classes;
    const bool idle = t.share[i] == 0;  // such a row may hold anything
    t.z_y[i] = idle ? 0.0 : double(row[t.pivot[i]]);
    t.z_sum[i] = !plan.tilt || idle ? 0.0 : dot_pass(row, plan.tilt_exact, job.classes);
    t.tilt_y[i] = plan.tilt ? plan.tilt_exact[t.pivot[i]] : 0.0;
  }
}

// The gradient of the tile's rows from its exponentials.
inline void scale_tile(const SoftmaxJob& job, const FastPlan& plan, Tile& t, float* g, int n) {
  const i64 classes = job.classes;
  if (plan.tilt || classes >= 16) {
    for (int i = 0; i < n; ++i) scale_pass(t.e + i * classes, g + i * classes, classes, t.k[i], plan.tilt, t.s[i]);
  } else if (classes > 8) {
    scale_short_rows<16>(t.e, g, classes, n, t.k);
  } else {
    scale_short_rows<8>(t.e, g, classes, n, t.k);
  }
  for (int i = 0; i < n; ++i) g[i * classes + t.pivot[i]] = float(t.g_y[i]);
}

// Rows [first, first + n), entries [from, from + n) of `rows`. Fills t.loss and t.special, and the gradient of the rest.
inline void run_tile(const SoftmaxJob& job, const FastPlan& plan, const RowTargets& rows, int from, i64 first, Tile& t, int n) {
  float* g = job.grad && plan.direct_g ? reinterpret_cast<float*>(cube_row(job.grad, first, job.inner)) : t.g;
  // Exponentials wait in the gradient where rows may be scaled in place: its cache lines arrive during the arithmetic.
  const bool in_place = g != t.g && job.classes >= 16 && n == plan.rows;
  t.e = in_place ? g : t.own_e;
  const float* z = t.z;
  if (plan.direct_z) z = reinterpret_cast<const float*>(cube_row(job.z, first, job.inner));
  else pack_rows(job.z, job, first, n, t.z);
  prepare(job, plan, rows, from, t, n);
  std::uint32_t most = exp_pass(z, t.e, n * job.classes, Real<float>::round);
  if (most > bit_cast<std::uint32_t>(plain_most)) exp_careful(job, rows, from, z, t, n);
  if (t.any_soft) find_pivots(job, z, t, n);
  sum_tile(job, t, n);
  if (plan.plain) {
    finish_plain(t, n);
  } else {
    tilt_tile(job, plan, z, t, n);
    finish_priced(job, plan, t, n);
  }
  for (int i = 0; t.any_soft && i < n; ++i)
    if (t.soft[i]) t.k[i] = 1, t.s[i] = 0, t.g_y[i] = 0;  // the exponentials pass through
  if (job.grad) scale_tile(job, plan, t, g, n);
  for (int i = 0; t.any_soft && i < n; ++i)
    if (t.soft[i] && !t.special[i])
      finish_soft(job, plan, first + i, i, [&](i64 k, i64) { return z + i * job.classes + k; }, job.grad ? g + i * job.classes : nullptr, t);
  if (!job.grad) return;
  if (!plan.direct_g) unpack_rows(g, job.grad, job, first, n);
}

// One row of many classes, in chunks: exponentials go to the gradient where there is one.
struct LongRow {
  const SoftmaxJob& job;
  const FastPlan& plan;
  i64 r;
  float *chunk, *e;
  bool keep;  // e holds the whole row

  const float* logits(i64 k, i64 n) const {
    const char* p = cube_row(job.z, r, job.inner) + k * job.z.stride[1];
    if (plan.direct_z) return reinterpret_cast<const float*>(p);
    load(chunk, p, job.z.type, job.z.stride[1], n);
    return chunk;
  }
  template <class F>
  void chunks(const F& f) const {
    for (i64 k = 0; k < job.classes; k += row_chunk) f(k, job.classes - k < row_chunk ? job.classes - k : row_chunk);
  }
  // e^z 2^-N of the row, its sum without y; the bits of the largest |z|.
  std::uint32_t sum(float shifted, bool masked, i64 y, double& rest, double& e_y) const {
    std::uint32_t most = 0;
    rest = 0;
    chunks([&](i64 k, i64 n) {
      float* here = keep ? e + k : e;
      std::uint32_t bits = masked ? exp_masked(logits(k, n), here, n, shifted) : exp_pass(logits(k, n), here, n, shifted);
      most = bits > most ? bits : most;
      if (y >= k && y < k + n) e_y = double(here[y - k]), here[y - k] = 0;
      rest += sum_pass(here, n);
    });
    return most;
  }
};

// The top of a soft row: its pivot.
inline i64 find_long_pivot(const LongRow& row, Tile& t) {
  float least = __builtin_inff(), most = -__builtin_inff();
  bool sane = true, masked = false;
  row.chunks([&](i64 k, i64 n) { sane = find_shift(row.logits(k, n), n, least, most, masked) && sane; });
  i64 top = row.job.classes;
  row.chunks([&](i64 k, i64 n) {
    i64 at = top == row.job.classes ? top_of(row.logits(k, n), n, most) : n;
    if (at < n) top = k + at;
  });
  t.z_y[0] = double(most);
  return sane && top < row.job.classes ? top : 0;
}

// Exponentials and sums of a long row, shifted or masked where it must be; false: the general row's business.
inline bool sum_long(const LongRow& row, i64 y, Tile& t) {
  if (row.sum(Real<float>::round, false, y, t.sum[0], t.e_y[0]) <= bit_cast<std::uint32_t>(plain_most)) return true;
  float least = __builtin_inff(), most = -__builtin_inff();
  bool sane = true, masked = false;
  row.chunks([&](i64 k, i64 n) { sane = sane && find_shift(row.logits(k, n), n, least, most, masked); });
  if (!sane || !float_range(least, most) || (masked && !may_mask(row.job, t, 0, *row.logits(y, 1)))) return false;
  const bool near = most <= plain_most && least >= -plain_most;
  row.sum(Real<float>::round - (near ? 0 : shift_of(most)), masked, y, t.sum[0], t.e_y[0]);
  return true;
}

// Row r, entry `from` of `rows`. Rows of weight 0 go to the general row too, which writes the zeros.
inline void run_long(const SoftmaxJob& job, const FastPlan& plan, const RowTargets& rows, int from, i64 r, Tile& t) {
  prepare(job, plan, rows, from, t, 1);
  float* g = job.grad && plan.direct_g ? reinterpret_cast<float*>(cube_row(job.grad, r, job.inner)) : t.e;
  LongRow row{job, plan, r, t.b, g, bool(job.grad)};
  bool fits = rows.effective[from] != 0 && !t.special[0];
  if (fits && t.soft[0]) t.pivot[0] = find_long_pivot(row, t);
  const i64 y = t.pivot[0];
  fits = fits && sum_long(row, y, t);
  if (!fits) { t.special[0] = t.any_special = true; return; }
  for (int i = 1; i < 8; ++i) t.sum[i] = 0, t.e_y[i] = 1, t.coef[i] = 0;
  if (t.soft[0]) {
    finish_soft(job, plan, r, 0, [&](i64 k, i64 n) { return row.logits(k, n); }, job.grad ? g : nullptr, t);
  } else if (plan.plain) {
    finish_plain(t, 1);
  } else {
    t.z_sum[0] = 0;
    t.z_y[0] = double(*row.logits(y, 1));
    t.tilt_y[0] = plan.tilt ? plan.tilt_exact[y] : 0.0;
    if (plan.tilt) row.chunks([&](i64 k, i64 n) { t.z_sum[0] += dot_pass(row.logits(k, n), plan.tilt_exact + k, n); });
    finish_priced(job, plan, t, 1);
  }
  if (job.grad && !t.soft[0]) {
    scale_pass(g, g, job.classes, t.k[0], plan.tilt, t.s[0]);
    g[y] = float(t.g_y[0]);
  }
  if (job.grad && !plan.direct_g) store(g, cube_row(job.grad, r, job.inner), job.grad.type, job.grad.stride[1], job.classes);
}

}  // namespace
}  // namespace xent
