// The softmax family: fixed blocks of rows, each row sent to the fast tile or to the general row.
#pragma once
#include "softmax_activation.hpp"
#include "softmax_general.hpp"

namespace xent {
namespace {

// The arrays that general_row needs for this job, out of the thread's scratch.
inline RowArrays row_arrays(const SoftmaxJob& job, double* base) {
  const i64 pitch = (job.classes + 15) / 8 * 8;
  const bool priced = job.law.kind != law_log, spread = job.kind != Targets::ids || job.smoothing != 0;
  double* next = base;
  auto take = [&](bool wanted) {
    double* here = wanted ? next : nullptr;
    if (wanted) next += pitch;
    return here;
  };
  RowArrays a;
  a.z = take(true);
  a.e = take(true);
  a.u = take(spread);
  a.bend = take(spread && priced);
  a.z_lo = take(job.pipe.on);
  a.first = take(job.pipe.on);
  a.second = take(job.pipe.on);
  a.v = take(bool(job.v));
  a.g = take(priced || job.grad || job.hess);
  a.h = take(bool(job.hess));
  return a;
}
inline i64 row_bytes(const SoftmaxJob& job) { return 10 * ((job.classes + 15) / 8 * 8) * i64(sizeof(double)); }

inline void store_row(const double* x, const Array& out, i64 r, const SoftmaxJob& job) {
  if (out) store(x, cube_row(out, r, job.inner), out.type, out.stride[1], job.classes);
}

inline void zero_row(const Array& out, i64 r, const SoftmaxJob& job) {
  if (!out) return;
  const double nothing[64] = {};
  char* p = cube_row(out, r, job.inner);
  for (i64 k = 0; k < job.classes; k += 64)
    store(nothing, p + k * out.stride[1], out.type, out.stride[1], job.classes - k < 64 ? job.classes - k : 64);
}

// Rows one at a time; loss[i] receives the loss of row first + i.
inline void general_one(const SoftmaxJob& job, i64 r, const RowTargets& t, int i, const RowArrays& a, double* loss) {
  if (t.effective[i] == 0) {
    loss[i] = 0;
    zero_row(job.grad, r, job);
    zero_row(job.hess, r, job);
    return;
  }
  loss[i] = general_row(job, r, {t.weight[i] * job.scale, t.effective[i] * job.scale, t.mass[i], t.y[i]}, a);
  store_row(a.g, job.grad, r, job);
  store_row(a.h, job.hess, r, job);
}

inline Result softmax(const SoftmaxJob& job) {
  Result out;
  Cut cut(job.outer, job.inner, job.classes, job.threads);
  if (cut.rows == 0 || job.classes == 0) return out;
  Scratch partials(cut.blocks * i64(sizeof(double)));
  double* partial = partials.at<double>();
  i64 bad = -1;
  bool ok = partial && softmax_blocks(cut.blocks, cut.threads, row_bytes(job), [&](i64 b, const Scratch& scratch) {
    RowArrays a = row_arrays(job, scratch.at<double>());
    RowTargets t;
    double total = 0;
    alignas(64) double loss[rows_most];
    for (i64 first = cut.first(b); first < cut.end(b); first += rows_most) {
      int n = int(cut.end(b) - first < rows_most ? cut.end(b) - first : rows_most);
      read_targets(job, first, n, t, &bad);
      for (int i = 0; i < n; ++i) general_one(job, first + i, t, i, a, loss);
      for (int i = 0; i < n; ++i) total += loss[i];
      if (job.loss) store_rows(loss, job.loss, job.inner, first, n);
    }
    partial[b] = total;
  });
  out.bad = bad;
  out.total = ok ? tree_sum(partial, cut.blocks) : __builtin_nan("");
  return out;
}

inline Weighed weigh_softmax(const SoftmaxJob& job) {
  Weighed out;
  Cut cut(job.outer, job.inner, job.kind == Targets::ids ? 1 : job.classes, job.threads);
  if (cut.rows == 0 || job.classes == 0) return out;
  Scratch partials(2 * cut.blocks * i64(sizeof(double)));
  double *weight = partials.at<double>(), *count = weight + cut.blocks;
  if (!weight) return out.weight = __builtin_nan(""), out;
  i64 bad = -1;
  parallel_blocks(cut.blocks, cut.threads, [&](i64 b) {
    RowTargets t;
    weight[b] = count[b] = 0;
    for (i64 first = cut.first(b); first < cut.end(b); first += rows_most) {
      int n = int(cut.end(b) - first < rows_most ? cut.end(b) - first : rows_most);
      read_targets(job, first, n, t, &bad);
      for (int i = 0; i < n; ++i) {
        weight[b] += t.weight[i] != 0 ? t.effective[i] : 0.0;
        count[b] += t.weight[i] != 0 && t.effective[i] > 0 ? 1.0 : 0.0;
      }
    }
  });
  out.bad = bad;
  out.weight = tree_sum(weight, cut.blocks);
  out.count = tree_sum(count, cut.blocks);
  return out;
}

}  // namespace
}  // namespace xent
