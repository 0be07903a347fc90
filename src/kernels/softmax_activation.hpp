// softmax, log_softmax and logsumexp of rows; sigma and log sigma elementwise. Double arithmetic, rounded once.
#pragma once
#include "softmax_blocks.hpp"
#include "softmax_statistics.hpp"

namespace xent {
namespace {

inline void activate_row(const ActivationJob& job, i64 r, double* __restrict z, double* __restrict e) {
  const i64 n = job.classes;
  load(z, cube_row(job.z, r, job.inner), job.z.type, job.z.stride[1], n);
  RowArrays a{};
  a.z = z, a.e = e;
  Statistics s = find_top(z, nullptr, n);
  const double nan = __builtin_nan("");
  if (!s.lost) sum_row(a, n, -1, s);
  if (job.kind == Activation::logsumexp) {
    double strange = 0;
    for (i64 k = 0; s.lost && k < n; ++k) strange += z[k] != z[k] ? 1.0 : 0.0;
    double lse = strange > 0 ? nan : s.m - s.m == 0 ? s.m + s.log_sum : s.m;
    return store(&lse, flat_row(job.out, r, job.inner), job.out.type, 0, 1);
  }
  if (s.lost) {
    for (i64 k = 0; k < n; ++k) e[k] = nan;
  } else if (job.kind == Activation::softmax) {
    const double inverse = 1 / (1 + s.others);
    for (i64 k = 0; k < n; ++k) e[k] *= inverse;
  } else {
    for (i64 k = 0; k < n; ++k) {
      Pair<double> d = below_top(z[k], 0.0, s.m, 0.0);
      e[k] = d.hi + (d.lo - s.log_sum);
    }
  }
  store(e, cube_row(job.out, r, job.inner), job.out.type, job.out.stride[1], n);
}

// sigma(z) and log sigma(z), z in place. Worst error: 1.5 ulp of a double.
inline void activate_elements(Activation kind, double* z, i64 n) {
  for (i64 k = 0; k < n; ++k) {
    double x = z[k], e = exp_tail(-magnitude(x)), d = 1 / (1 + e);
    Pair<double> l = log1p_pair(e, 0.0, d);
    double below = x < 0 ? x : 0.0, log_sigma = below == -__builtin_inf() ? below : below - (l.hi + l.lo);
    double value = kind == Activation::sigmoid ? (x < 0 ? e : 1.0) / (1 + e) : log_sigma;
    z[k] = x == x ? value : x;
  }
}

inline void activation(const ActivationJob& job) {
  Cut cut(job.outer, job.inner, job.classes, job.threads);
  if (cut.rows == 0 || job.classes == 0) return;
  const i64 pitch = (job.classes + 15) / 8 * 8;
  const bool by_element = job.kind == Activation::sigmoid || job.kind == Activation::log_sigmoid;
  softmax_blocks(cut.blocks, cut.threads, 2 * pitch * i64(sizeof(double)), [&](i64 b, const Scratch& scratch) {
    double *z = scratch.at<double>(), *e = z + pitch;
    for (i64 r = cut.first(b); r < cut.end(b); ++r) {
      if (!by_element) { activate_row(job, r, z, e); continue; }
      load(z, cube_row(job.z, r, job.inner), job.z.type, job.z.stride[1], job.classes);
      activate_elements(job.kind, z, job.classes);
      store(z, cube_row(job.out, r, job.inner), job.out.type, job.out.stride[1], job.classes);
    }
  });
}

}  // namespace
}  // namespace xent
