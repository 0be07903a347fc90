// What a mean of the sigmoid family divides by: effective weights, gathered before the pass.
#pragma once
#include "sigmoid_targets.hpp"

namespace xent {
namespace {

// Effective weights of one block: their sum, how many count, the sum of targets where they do.
struct Sums {
  double weight = 0, count = 0, positives = 0;
};

template <bool Wide, class T>
inline Sums weigh_block(const T* __restrict t, const T* __restrict w, const Table& table, i64 phase, int n) {
  const double *__restrict W0 = table.row(4) + phase, *__restrict W1 = table.row(5) + phase;
  alignas(64) double weight[fast_block], count[fast_block], positives[fast_block];
  for (int i = 0; i < n; ++i) {
    double target = t[i], effective = double(w[i]) * mad(1 - target, W0[Wide ? i : 0], target * W1[Wide ? i : 0]);
    weight[i] = effective;
    count[i] = effective > 0 ? 1.0 : 0.0;
    positives[i] = effective > 0 ? target : 0.0;
  }
  return {block_sum(weight, n), block_sum(count, n), block_sum(positives, n)};
}

template <class T>
inline Sums weigh_block(const T* t, const T* w, const Table& table, i64 phase, int n) {
  return table.wide ? weigh_block<true>(t, w, table, phase, n) : weigh_block<false>(t, w, table, 0, n);
}

inline bool all_targets(const float* __restrict t, int n) {
  int bad = 0;
  for (int i = 0; i < n; ++i) bad |= int(!(t[i] >= 0)) | int(t[i] > 1);
  return bad == 0;
}

// Where targets do not matter: the weights alone.
inline Sums weigh_plain(const float* __restrict w, double factor, int n) {
  int counts = 0;
  for (int i = 0; i < n; ++i) counts += int(w[i] > 0);
  return {block_sum(w, n) * factor, factor > 0 ? double(counts) : 0.0, 0.0};
}

inline Sums weigh_range(const SigmoidJob& job, const Table& table, i64 first, int n, Weighed& result) {
  const i64 phase = first % job.labels;
  if (job.t.type != Type::f64 && (!job.w || job.w.type == Type::f32) && !job.where && !job.ignore.count) {
    alignas(64) float t_buffer[fast_block], w_buffer[fast_block];
    if (!job.w) for (int i = 0; i < n; ++i) w_buffer[i] = 1;
    const float* w = job.w ? Range<float>::get(job.w, job.rows, job.labels, first, n, w_buffer) : w_buffer;
    if (!job.t && !table.wide && first_bad_weight(w, n) == n) return weigh_plain(w, *table.row(4), n);
    if (!job.t) for (int i = 0; i < n; ++i) t_buffer[i] = 0;
    const float* t = job.t ? Range<float>::get(job.t, job.rows, job.labels, first, n, t_buffer) : t_buffer;
    if (all_targets(t, n) && first_bad_weight(w, n) == n) return weigh_block(t, w, table, phase, n);
  }
  Loaded in;
  load_targets(job, first, n, in);
  if (in.bad_weight >= 0) note_bad(&result.bad_weight, in.bad_weight);
  if (in.bad >= 0) note_bad(&result.bad, in.bad);
  return weigh_block(in.t, in.w, table, phase, n);
}

// What a mean divides by, before the pass.
Weighed weigh_sigmoid(const SigmoidJob& job) {
  Weighed out;
  i64 n = job.rows * job.labels, chunks = (n + sigmoid_chunk - 1) / sigmoid_chunk;
  if (n == 0) return out;
  Table table(job);
  Scratch memory(3 * chunks * i64(sizeof(double)));
  if (!table.memory.data || !memory.data) return out.starved = true, out;
  double *weight = memory.at<double>(), *count = weight + chunks, *positives = count + chunks;
  parallel_blocks(chunks, n < parallel_from ? 1 : job.threads, [&](i64 c) {
    Sums sum;
    i64 end = (c + 1) * sigmoid_chunk < n ? (c + 1) * sigmoid_chunk : n;
    for (i64 first = c * sigmoid_chunk; first < end; first += fast_block) {
      Sums s = weigh_range(job, table, first, int(end - first < fast_block ? end - first : fast_block), out);
      sum.weight += s.weight, sum.count += s.count, sum.positives += s.positives;
    }
    weight[c] = sum.weight, count[c] = sum.count, positives[c] = sum.positives;
  });
  out.weight = tree_sum(weight, chunks);
  out.count = tree_sum(count, chunks);
  out.positives = tree_sum(positives, chunks);
  return out;
}

}  // namespace
}  // namespace xent
