// Log loss of Bernoulli forecasts: -t log p - (1 - t) log(1 - p) and its gradient with respect to p, in double.
// Never clipped: p = 0 on the truth is +inf. 1 - p is never trusted: what it rounds away comes back as a correction.
#pragma once
#include "sigmoid_targets.hpp"

namespace xent {
namespace {

struct Forecasts {
  alignas(64) double p[fast_block], loss[fast_block], slope[fast_block];
};

// Hard targets: one logarithm an element.
inline void hard_forecasts(Forecasts& f, const double* __restrict t, const double* __restrict w, int n) {
  const double* __restrict p = f.p;
  double *__restrict loss = f.loss, *__restrict slope = f.slope;
  for (int i = 0; i < n; ++i) {
    double target = t[i], weight = w[i], forecast = p[i];
    double right = target == 1 ? forecast : 1 - forecast;
    double lost = (-forecast - (right - 1)) / right;
    lost = target == 1 ? 0.0 : lost;
    lost = right == 0 ? 0.0 : lost;
    double cost = 0 - weight * (log_of(right) + lost), rate = weight / right;
    rate = target == 1 ? -rate : rate;
    loss[i] = weight == 0 ? 0.0 : cost;
    slope[i] = weight == 0 ? 0.0 : rate;
  }
}

inline void soft_forecasts(Forecasts& f, const double* __restrict t, const double* __restrict w, int n) {
  for (int i = 0; i < n; ++i) {
    double p = f.p[i], yes = t[i], no = 1 - yes, weight = w[i];
    double cost = (yes > 0 ? -yes * log_of(p) : 0.0) + (no > 0 ? -no * log1p_of(-p) : 0.0);
    double slope = (no > 0 ? no / (1 - p) : 0.0) - (yes > 0 ? yes / p : 0.0);
    f.loss[i] = weight == 0 ? 0.0 : weight * cost + 0.0;
    f.slope[i] = weight == 0 ? 0.0 : weight * slope;
  }
}

// w becomes weight * W(t) * scale; the first probability outside [0, 1] that counts is noted.
inline void weigh_forecasts(const SigmoidJob& job, const Table& table, i64 first, int n, Loaded& in, const double* __restrict p, i64* bad) {
  const double *W0 = table.row(4), *W1 = table.row(5);
  const i64 phase = table.wide ? first % job.labels : 0;
  for (int i = 0; i < n; ++i) {
    i64 k = table.wide ? phase + i : 0;
    in.w[i] *= mad(1 - in.t[i], W0[k], in.t[i] * W1[k]) * job.scale;
  }
  int wrong = 0;
  for (int i = 0; i < n; ++i) wrong |= int(!(p[i] >= 0)) | int(p[i] > 1);
  for (int i = 0; wrong && i < n; ++i)
    if (in.w[i] != 0 && !(p[i] >= 0 && p[i] <= 1)) { note_bad(bad, first + i); break; }
}

inline double forecast_block(const SigmoidJob& job, const Table& table, i64 first, int n, Forecast& result) {
  Loaded in;
  Forecasts f;
  load_targets(job, first, n, in);
  if (in.bad >= 0) return note_bad(&result.bad_target, in.bad), 0.0;
  Range<double>::segments(job.z, job.labels, first, n, [&](int at, const char* x, i64 stride, i64 run) { load(f.p + at, x, job.z.type, stride, run); });
  weigh_forecasts(job, table, first, n, in, f.p, &result.bad_probability);
  if (in.soft) soft_forecasts(f, in.t, in.w, n);
  else hard_forecasts(f, in.t, in.w, n);
  if (job.loss) Range<double>::put(f.loss, job.loss, job.labels, first, n);
  if (job.grad) Range<double>::put(f.slope, job.grad, job.labels, first, n);
  return block_sum(f.loss, n);
}

// The job's z holds probabilities, its table the class weights.
Forecast log_loss(const SigmoidJob& job) {
  Forecast out;
  i64 n = job.rows * job.labels, chunks = (n + sigmoid_chunk - 1) / sigmoid_chunk;
  if (n == 0) return out;
  Table table(job);
  Scratch memory(chunks * i64(sizeof(double)));
  double* partial = memory.at<double>();
  if (!table.memory.data || !partial) return out.starved = true, out;
  parallel_blocks(chunks, n < parallel_from / 4 ? 1 : job.threads, [&](i64 c) {
    double sum = 0;
    i64 end = (c + 1) * sigmoid_chunk < n ? (c + 1) * sigmoid_chunk : n;
    for (i64 first = c * sigmoid_chunk; first < end; first += fast_block)
      sum += forecast_block(job, table, first, int(end - first < fast_block ? end - first : fast_block), out);
    partial[c] = sum;
  });
  out.total = tree_sum(partial, chunks);
  return out;
}

}  // namespace
}  // namespace xent
