// Soft rows on the fast path: dense targets with several classes under the log law, float32 exponentials.
#pragma once
#include "softmax_tile.hpp"

namespace xent {
namespace {

// t'_k class_loss_k of classes [k, k + n) of a dense row.
inline void soft_chunk(const SoftmaxJob& job, const FastPlan& plan, i64 r, i64 k, i64 n, double* __restrict u) {
  load(u, cube_row(job.t, r, job.inner) + k * job.t.stride[1], job.t.type, job.t.stride[1], n);
  const double keep = 1 - job.smoothing;
  if (job.class_loss) for (i64 j = 0; j < n; ++j) u[j] *= keep * job.class_loss[k + j];
  else if (keep != 1) for (i64 j = 0; j < n; ++j) u[j] *= keep;
  if (plan.tilt) for (i64 j = 0; j < n; ++j) u[j] += plan.tilt_exact[k + j];
}

constexpr i64 soft_most = 512;

// A soft row i of the tile, row r of the job, under the log law: sum_k u_k (nll_top + z_top - z_k), every term >= 0.
// `logits(k, n)` gives chunks of the row; g holds the exponentials and receives the gradient, null: no gradient.
template <class Logits>
inline void finish_soft(const SoftmaxJob& job, const FastPlan& plan, i64 r, int i, const Logits& logits, float* g, Tile& t) {
  alignas(64) double u[soft_most];
  const double z_top = t.z_y[i], sum = t.sum[i], e_top = t.e_y[i], inverse = 1 / (sum + e_top), w = t.share[i];
  double mass = 0, gap = 0, u_top = 0;
  for (i64 k = 0; k < job.classes; k += soft_most) {
    i64 n = job.classes - k < soft_most ? job.classes - k : soft_most;
    soft_chunk(job, plan, r, k, n, u);
    if (t.pivot[i] >= k && t.pivot[i] < k + n) u_top = u[t.pivot[i] - k];
    const float* z = logits(k, n);
    double some = 0, far = 0;
#pragma omp simd reduction(+ : some, far)
    for (i64 j = 0; j < n; ++j) {
      some += u[j];
      far += u[j] * (z_top - double(z[j]));
    }
    mass += some;
    gap += far;
  }
  const double nll = log_one_plus(sum / e_top), lse = nll + z_top, pull = 2 * t.lift[i] * lse;
  t.loss[i] = w * (mass * nll + gap) + t.lift[i] * lse * lse;
  if (!g) return;
  const float k_all = float((w * mass + pull) * inverse);
  for (i64 k = 0; k < job.classes; k += soft_most) {
    i64 n = job.classes - k < soft_most ? job.classes - k : soft_most;
    soft_chunk(job, plan, r, k, n, u);
    float* here = g + k;
    for (i64 j = 0; j < n; ++j) here[j] = mad(here[j], k_all, -float(w * u[j]));
  }
  g[t.pivot[i]] = float(w * ((mass - u_top) * e_top - u_top * sum) * inverse + pull * e_top * inverse);
}

// The class on top of a row of float32, the first of several.
inline i64 top_of(const float* __restrict z, i64 n, float most) {
  std::int32_t top = std::int32_t(n);
#pragma omp simd reduction(min : top)
  for (std::int32_t k = 0; k < std::int32_t(n); ++k) {
    std::int32_t at = z[k] == most ? k : std::int32_t(n);
    top = at < top ? at : top;
  }
  return top;
}

}  // namespace
}  // namespace xent
