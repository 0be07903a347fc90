// The sigmoid family: blocks of a flat (rows, labels) array, loaded, classified, sent to the fast or the general kernel.
//
// A block whose targets are all 0 or 1 goes through float32 arithmetic where that is exact; soft targets go through
// double. An element's value depends on its own logit, target and weight alone, never on its neighbours.
#pragma once
#include "sigmoid_targets.hpp"

namespace xent {
namespace {

inline void put_double(const double* x, const Array& out, const SigmoidJob& job, i64 first, int n) {
  if (out) Range<double>::put(x, out, job.labels, first, n);
}

// One block of at most general_block elements in double; returns its sum of losses.
inline double run_general(const SigmoidJob& job, const Table& table, i64 first, int n, const double* t, const double* w, GeneralBlock& b) {
  Range<double>::segments(job.z, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) {
    load(b.z + at, p, job.z.type, stride, run); });
  if (job.pipe.on) {
    alignas(64) double bias[general_block];
    for (int i = 0; i < n; ++i) bias[i] = !job.pipe.bias ? 0.0 : job.pipe.bias[job.pipe.bias_len == 1 ? 0 : (first + i) % job.labels];
    pipe_pass(b, bias, job.pipe.softcap, job.pipe.temperature, n);
  }
  general_weights(table, job.scale, first % job.labels, n, t, w, b);
  general_kernel(b, job.law, job.pipe.on, job.z.type != Type::f64, n);
  double sum = block_sum(b.loss, n);
  put_double(b.loss, job.loss, job, first, n);
  put_double(b.slope, job.grad, job, first, n);
  if (job.v) {
    alignas(64) double v[general_block];
    Range<double>::segments(job.v, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) { load(v + at, p, job.v.type, stride, run); });
    for (int i = 0; i < n; ++i) b.curve[i] = b.curve[i] == 0 ? 0.0 : b.curve[i] * v[i];
  }
  put_double(b.curve, job.hess, job, first, n);
  return sum;
}

// Buffers of the fast path.
struct FastBuffers {
  alignas(64) float z[fast_block], t[fast_block], P[fast_block], Q[fast_block], loss[fast_block], grad[fast_block];
};

// P and Q of hard targets: `at(r, i)` is row r of the table's hard weights.
template <class At>
XENT_INLINE void spread_hard(const At& at, int n, const float* __restrict t, const float* __restrict w, float* __restrict P, float* __restrict Q) {
  if (w) {
    for (int i = 0; i < n; ++i) {
      float p0 = at(0, i), p1 = at(1, i), q0 = at(2, i), q1 = at(3, i);
      P[i] = w[i] * (t[i] == 1 ? p1 : p0);
      Q[i] = w[i] * (t[i] == 1 ? q1 : q0);
    }
  } else {
    for (int i = 0; i < n; ++i) {
      float p0 = at(0, i), p1 = at(1, i), q0 = at(2, i), q1 = at(3, i);
      P[i] = t[i] == 1 ? p1 : p0;
      Q[i] = t[i] == 1 ? q1 : q0;
    }
  }
}

inline void fast_weights(const Table& table, i64 phase, int n, const float* t, const float* w, FastBuffers& f) {
  if (table.wide) {
    const float* rows[4] = {table.hard(0) + phase, table.hard(1) + phase, table.hard(2) + phase, table.hard(3) + phase};
    spread_hard([&](int r, int i) { return rows[r][i]; }, n, t, w, f.P, f.Q);
  } else {
    const float rows[4] = {*table.hard(0), *table.hard(1), *table.hard(2), *table.hard(3)};
    spread_hard([&](int r, int) { return rows[r]; }, n, t, w, f.P, f.Q);
  }
}

// The loss array that a mean does not ask for still lives in the buffer, for its sum.
template <bool Unit>
inline void dispatch_fast(const SigmoidJob& job, const FastBlock& block, int n) {
  if (job.law.kind == law_focal) {
    if (block.grad) fast_focal2<true>(block, n); else fast_focal2<false>(block, n);
  } else if (job.loss) {
    if (block.grad) fast_log<Unit, true, true>(block, n); else fast_log<Unit, false, true>(block, n);
  } else {
    if (block.grad) fast_log<Unit, true, false>(block, n); else fast_log<Unit, false, false>(block, n);
  }
}

inline bool all_hard(const float* __restrict t, int n) {
  int other = 0;
  for (int i = 0; i < n; ++i) {
    std::uint32_t bits = bit_cast<std::uint32_t>(t[i]);
    other |= int(bits != 0) & int(bits != 0x3f800000u);
  }
  return other == 0;
}

// Of weights read as float32: a 0 may be a small double, which load_targets sees.
inline bool all_moderate(const float* __restrict w, int n, Type type) {
  const bool exact = type == Type::f32;
  int other = 0;
  for (int i = 0; i < n; ++i) other |= int(!(w[i] >= 1e-15f && w[i] <= 1e15f)) & (int(w[i] != 0) | int(!exact));
  return other == 0;
}

// How one call runs; decided once.
struct SigmoidPlan {
  const SigmoidJob& job;
  Table table;
  bool fast;   // float32 arithmetic where targets are hard
  bool unit;   // P = t, Q = 1 - t, weight 1
  bool quick;  // targets and weights read as float32, no masks
  bool zeros;  // some weight may be 0
  bool direct_grad, direct_loss;
  explicit SigmoidPlan(const SigmoidJob& j) : job(j), table(j) {
    bool law = j.law.kind == law_log || (j.law.kind == law_focal && j.law.a == 2 && j.law.b == 2);
    bool masked = j.where || j.ignore.count;
    fast = j.z.type != Type::f64 && law && !j.pipe.on && !j.hess && table.sober;
    unit = table.unit && !masked && !j.w && j.law.kind == law_log && (j.scale == 1 || (j.scale < 1 && !j.loss));
    quick = fast && !masked && j.t && j.t.type != Type::f64;
    zeros = masked || j.w || !table.positive;
    direct_grad = j.grad && Range<float>::direct(j.grad, j.rows, j.labels);
    direct_loss = j.loss && Range<float>::direct(j.loss, j.rows, j.labels);
  }
  void weights(i64 first, int n, const float* t, const float* w, FastBuffers& f) const {
    if (unit) return;
    fast_weights(table, table.wide ? first % job.labels : 0, n, t, w, f);
  }
};

inline double run_soft(const SigmoidPlan& plan, i64 first, int n, const Loaded& in) {
  GeneralBlock b;
  double sum = 0;
  for (int at = 0; at < n; at += general_block) {
    int m = n - at < general_block ? n - at : general_block;
    sum += run_general(plan.job, plan.table, first + at, m, in.t + at, in.w + at, b);
  }
  return sum;
}

// The float32 kernels on a block, soft targets read as hard ones.
inline void run_hard(const SigmoidPlan& plan, const FastBlock& b, int n) {
  if (plan.unit) return dispatch_fast<true>(plan.job, b, n);
  dispatch_fast<false>(plan.job, b, n);
  if (!plan.zeros) return;
  const float *__restrict P = b.P, *__restrict Q = b.Q;
  float *__restrict loss = b.loss, *__restrict grad = b.grad;
  int some = 0;
  for (int i = 0; i < n; ++i) some |= int(P[i] + Q[i] == 0);
  if (!some) return;
  for (int i = 0; i < n; ++i) loss[i] = P[i] == 0 && Q[i] == 0 ? 0.0f : loss[i];  // weight 0: exactly 0, whatever the logit holds
  if (grad) for (int i = 0; i < n; ++i) grad[i] = P[i] == 0 && Q[i] == 0 ? 0.0f : grad[i];
}

// A block with hard and soft targets: both kernels, each element keeps the one its own target asks for.
inline double run_mixed(const SigmoidPlan& plan, i64 first, int n, const Loaded& in, FastBuffers& f) {
  const SigmoidJob& job = plan.job;
  GeneralBlock b;
  alignas(64) float loss[fast_block], grad[fast_block];
  alignas(64) double both_loss[fast_block], both_grad[fast_block];
  alignas(64) double sums[fast_block];
  FastBlock block{f.z, f.t, f.P, f.Q, loss, grad, plan.unit ? float(job.scale) : 1.0f};
  run_hard(plan, block, n);
  SigmoidJob quiet = job;
  quiet.loss = quiet.grad = Array{};
  for (int at = 0; at < n; at += general_block) {
    int m = n - at < general_block ? n - at : general_block;
    run_general(quiet, plan.table, first + at, m, in.t + at, in.w + at, b);
    for (int i = 0; i < m; ++i) {
      bool hard = is_hard(in.t[at + i], in.w[at + i]);
      both_loss[at + i] = hard ? double(loss[at + i]) : b.loss[i];
      both_grad[at + i] = hard ? double(grad[at + i]) : b.slope[i];
      sums[at + i] = hard && plan.unit ? both_loss[at + i] * job.scale : both_loss[at + i];
    }
  }
  put_double(both_loss, job.loss, job, first, n);
  put_double(both_grad, job.grad, job, first, n);
  return tree_sum(sums, n);
}

// Fast blocks whose targets turn out hard; false: the block needs load_targets.
inline bool load_quick(const SigmoidPlan& plan, i64 first, int n, FastBuffers& f, const float** t) {
  const SigmoidJob& job = plan.job;
  if (!plan.quick) return false;
  *t = Range<float>::get(job.t, job.rows, job.labels, first, n, f.t);
  if (!all_hard(*t, n)) return false;
  alignas(64) float buffer[fast_block];
  const float* w = job.w ? Range<float>::get(job.w, job.rows, job.labels, first, n, buffer) : nullptr;
  if (w && !all_moderate(w, n, job.w.type)) return false;
  plan.weights(first, n, *t, w, f);
  return true;
}

inline double run_fast(const SigmoidPlan& plan, i64 first, int n, const float* z, const float* t, FastBuffers& f) {
  const SigmoidJob& job = plan.job;
  float* loss = plan.direct_loss ? reinterpret_cast<float*>(job.loss.data) + first : f.loss;
  float* grad = plan.direct_grad ? reinterpret_cast<float*>(job.grad.data) + first : job.grad ? f.grad : nullptr;
  FastBlock block{z, t, f.P, f.Q, loss, grad, plan.unit ? float(job.scale) : 1.0f};
  run_hard(plan, block, n);
  if (job.loss && !plan.direct_loss) Range<float>::put(loss, job.loss, job.labels, first, n);
  if (job.grad && !plan.direct_grad) Range<float>::put(grad, job.grad, job.labels, first, n);
  double sum = block_sum(loss, n);
  return plan.unit ? sum * job.scale : sum;
}

inline double run_block(const SigmoidPlan& plan, i64 first, int n, Result& result) {
  const SigmoidJob& job = plan.job;
  FastBuffers f;
  const float* t = f.t;
  bool quick = load_quick(plan, first, n, f, &t);
  const float* z = plan.fast ? Range<float>::get(job.z, job.rows, job.labels, first, n, f.z) : nullptr;
  if (quick) return run_fast(plan, first, n, z, t, f);
  Loaded in;
  load_targets(job, first, n, in);
  if (in.bad_weight >= 0) note_bad(&result.bad_weight, in.bad_weight);
  if (in.bad >= 0) return note_bad(&result.bad, in.bad), 0.0;
  if (!plan.fast || !in.hard) return run_soft(plan, first, n, in);
  alignas(64) float w[fast_block];
  for (int i = 0; i < n; ++i) f.t[i] = in.t[i] == 1 ? 1.0f : 0.0f, w[i] = float(in.w[i]);
  plan.weights(first, n, f.t, w, f);
  if (!in.soft) return run_fast(plan, first, n, z, f.t, f);
  if (z != f.z) __builtin_memcpy(f.z, z, sizeof(float) * n);
  return run_mixed(plan, first, n, in, f);
}

Result sigmoid(const SigmoidJob& job) {
  Result out;
  i64 n = job.rows * job.labels, chunks = (n + sigmoid_chunk - 1) / sigmoid_chunk;
  if (n == 0) return out;
  SigmoidPlan plan(job);
  double one[1];
  Scratch memory(chunks > 1 ? chunks * i64(sizeof(double)) : 0);
  double* partial = chunks > 1 ? memory.at<double>() : one;
  if (!plan.table.memory.data || !partial) return out.starved = true, out;
  parallel_blocks(chunks, n < parallel_from ? 1 : job.threads, [&](i64 c) {
    double sum = 0;
    i64 end = (c + 1) * sigmoid_chunk < n ? (c + 1) * sigmoid_chunk : n;
    for (i64 first = c * sigmoid_chunk; first < end; first += fast_block)
      sum += run_block(plan, first, int(end - first < fast_block ? end - first : fast_block), out);
    partial[c] = sum;
  });
  out.total = tree_sum(partial, chunks);
  return out;
}

}  // namespace
}  // namespace xent
