// The softmax family: fixed blocks of rows, each row sent to the fast tile or to the general row.
#pragma once
#include "softmax_activation.hpp"
#include "softmax_fast.hpp"
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

// Row r, entry i of the targets, by the general path.
inline void general_one(const SoftmaxJob& job, i64 r, const RowTargets& t, int i, const RowArrays& a, double& loss) {
  if (t.effective[i] == 0) {
    loss = 0;
    zero_row(job.grad, r, job);
    zero_row(job.hess, r, job);
    return;
  }
  loss = general_row(job, r, {t.weight[i] * job.scale, t.effective[i] * job.scale, t.mass[i], t.y[i]}, a);
  store_row(a.g, job.grad, r, job);
  store_row(a.h, job.hess, r, job);
}

// The smoothing's weights of the classes, in both precisions.
struct Tilt {
  Scratch memory;
  explicit Tilt(const SoftmaxJob& job, FastPlan& plan) : memory(plan.possible && job.smoothing != 0 ? 12 * job.classes : 1) {
    if (!plan.possible || job.smoothing == 0 || !memory.data) return;
    double* exact = memory.at<double>();
    float* rounded = memory.at<float>(8 * job.classes);
    for (i64 k = 0; k < job.classes; ++k) {
      exact[k] = job.smoothing * (job.prior ? job.prior[k] : 1 / double(job.classes)) * (job.class_loss ? job.class_loss[k] : 1.0);
      rounded[k] = float(exact[k]);
    }
    plan.tilt = rounded;
    plan.tilt_exact = exact;
    plan.tilt_sum = lane_sum(job.classes, [&](i64 k) { return exact[k]; });
  }
};

// Rows [first, first + n) of one group: tiles where the plan allows, the general row for what they leave.
inline void fast_group(const SoftmaxJob& job, const FastPlan& plan, const RowTargets& rows, i64 first, Tile& t, const RowArrays& a, double* loss) {
  for (int from = 0; from < rows.n; from += int(plan.rows)) {
    int n = rows.n - from < plan.rows ? rows.n - from : int(plan.rows);
    if (plan.rows == 1) run_long(job, plan, rows, from, first + from, t);
    else run_tile(job, plan, rows, from, first + from, t, n);
    for (int i = 0; i < n; ++i) loss[from + i] = t.loss[i];
    for (int i = 0; t.any_special && i < n; ++i)
      if (t.special[i]) general_one(job, first + from + i, rows, from + i, a, loss[from + i]);
  }
}

inline double softmax_block(const SoftmaxJob& job, const FastPlan& plan, i64 begin, i64 end, const Scratch& scratch, i64* bad) {
  RowArrays a = row_arrays(job, scratch.at<double>());
  Tile t;
  t.place(scratch.at<float>(row_bytes(job)), plan, job);
  RowTargets rows;
  alignas(64) double loss[rows_most];
  double total[8] = {};
  for (i64 first = begin; first < end; first += rows_most) {
    int n = int(end - first < rows_most ? end - first : rows_most);
    read_targets(job, first, n, rows, bad);
    if (plan.possible) fast_group(job, plan, rows, first, t, a, loss);
    else for (int i = 0; i < n; ++i) general_one(job, first + i, rows, i, a, loss[i]);
    for (int i = n; i & 7; ++i) loss[i] = 0;
    for (int i = 0; i < n; i += 8)
      for (int l = 0; l < 8; ++l) total[l] += loss[i + l];
    if (job.loss) store_rows(loss, job.loss, job.inner, first, n);
  }
  return ((total[0] + total[4]) + (total[2] + total[6])) + ((total[1] + total[5]) + (total[3] + total[7]));
}

inline Result softmax(const SoftmaxJob& job) {
  Result out;
  Cut cut(job.outer, job.inner, job.classes, job.threads);
  if (cut.rows == 0 || job.classes == 0) return out;
  FastPlan plan(job);
  Tilt tilt(job, plan);
  Scratch partials(cut.blocks * i64(sizeof(double)));
  double* partial = partials.at<double>();
  i64 bad = -1;
  bool ok = partial && tilt.memory.data;
  ok = ok && softmax_blocks(cut.blocks, cut.threads, row_bytes(job) + Tile::bytes(plan, job), [&](i64 b, const Scratch& scratch) {
    partial[b] = softmax_block(job, plan, cut.first(b), cut.end(b), scratch, &bad);
  });
  out.bad = bad;
  out.starved = !ok;
  if (ok) out.total = tree_sum(partial, cut.blocks);
  return out;
}

inline Weighed weigh_softmax(const SoftmaxJob& job) {
  Weighed out;
  Cut cut(job.outer, job.inner, job.kind == Targets::ids ? 1 : job.classes, job.threads);
  if (cut.rows == 0 || job.classes == 0) return out;
  Scratch partials(2 * cut.blocks * i64(sizeof(double)));
  double *weight = partials.at<double>(), *count = weight + cut.blocks;
  if (!weight) return out.starved = true, out;
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
