// The sigmoid family: blocks of a flat (rows, labels) array, loaded, classified, sent to the fast or the general kernel.
//
// A block whose targets are all 0 or 1 goes through float32 arithmetic where that is exact; soft targets go through
// double. An element's value depends on its own logit, target and weight alone, never on its neighbours.
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

// What a call needs of the table, expanded so that any block reads `phase` onwards without wrapping.
struct Table {
  Scratch memory;
  i64 length, labels;
  bool unit, wide, positive = true;
  explicit Table(const SigmoidJob& job)
      : memory(8 * (job.table_len == 1 ? 1 : job.labels + sigmoid_chunk) * i64(sizeof(double))),
        length(job.table_len == 1 ? 1 : job.labels + sigmoid_chunk), labels(job.labels), unit(job.table_len == 1), wide(job.table_len > 1) {
    for (int r = 0; r < 6; ++r) {
      const double* source = job.table + r * job.table_len;
      for (i64 i = 0; i < length; ++i) row(r)[i] = source[wide ? i % labels : 0];
    }
    static const double plain[6] = {0, 1, 1, 0, 1, 1};
    for (int r = 0; r < 6; ++r) unit = unit && job.table[r * job.table_len] == plain[r];
    for (int r = 0; r < 4; ++r)  // weights of hard targets, class weight and scale folded in
      for (i64 i = 0; i < length; ++i) hard(r)[i] = float(row(r)[i] * row(r & 1 ? 5 : 4)[i] * job.scale);
    for (i64 i = 0; i < length; ++i)
      positive = positive && hard(0)[i] + hard(2)[i] > 0 && hard(1)[i] + hard(3)[i] > 0;
  }
  double* row(int r) const { return memory.at<double>() + r * length; }                        // P0 P1 Q0 Q1 W0 W1
  float* hard(int r) const { return memory.at<float>(6 * length * i64(sizeof(double))) + r * length; }  // P0 P1 Q0 Q1
};

// Targets and weights of one block, after masks; counts what the block holds.
struct Loaded {
  alignas(64) double t[fast_block], w[fast_block];
  bool soft = false, hard = false;
  i64 bad = -1;
};

inline void load_targets(const SigmoidJob& job, i64 first, int n, Loaded& out) {
  if (job.t) Range<double>::segments(job.t, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) {
      load(out.t + at, p, job.t.type, stride, run); });
  else for (int i = 0; i < n; ++i) out.t[i] = 0;
  if (job.w) Range<double>::segments(job.w, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) {
      load(out.w + at, p, job.w.type, stride, run); });
  else for (int i = 0; i < n; ++i) out.w[i] = 1;
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
  int soft = 0, hard = 0, bad = 0;
  for (int i = 0; i < n; ++i) {
    out.t[i] = out.w[i] == 0 && !(out.t[i] >= 0 && out.t[i] <= 1) ? 0.0 : out.t[i];  // unseen
    double t = out.t[i];
    int sharp = int(t == 0) | int(t == 1);
    hard |= sharp;
    soft |= 1 - sharp;
    bad |= int(!(t >= 0)) | int(t > 1);
  }
  out.soft = soft != 0;
  out.hard = hard != 0;
  for (int i = 0; bad && i < n; ++i)
    if (!(out.t[i] >= 0 && out.t[i] <= 1)) { out.bad = first + i; break; }
}

// P, Q and their low parts in double for any target; scale and weights folded in.
inline void general_weights(const Table& table, double scale, i64 phase, int n, const double* __restrict t, const double* __restrict w, GeneralBlock& b) {
  i64 step = table.wide ? 1 : 0, at = table.wide ? phase : 0;
  const double *P0 = table.row(0) + at, *P1 = table.row(1) + at, *Q0 = table.row(2) + at, *Q1 = table.row(3) + at;
  const double *W0 = table.row(4) + at, *W1 = table.row(5) + at;
  for (int i = 0; i < n; ++i) {
    i64 k = i * step;
    double rest = 1 - t[i];
    double weight = w[i] * scale * mad(rest, W0[k], t[i] * W1[k]);
    b.P[i] = weight * mad(rest, P0[k], t[i] * P1[k]);
    b.Q[i] = weight * mad(rest, Q0[k], t[i] * Q1[k]);
    b.P_lo[i] = 0;
    b.Q_lo[i] = table.unit ? weight * ((1 - rest) - t[i]) : 0.0;  // 1 - t is P = t's exact complement
  }
}

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
  double sum[8] = {0};
  for (int i = 0; i < n; ++i) sum[i & 7] += b.loss[i];
  put_double(b.loss, job.loss, job, first, n);
  put_double(b.slope, job.grad, job, first, n);
  if (job.v) {
    alignas(64) double v[general_block];
    Range<double>::segments(job.v, job.labels, first, n, [&](int at, const char* p, i64 stride, i64 run) { load(v + at, p, job.v.type, stride, run); });
    for (int i = 0; i < n; ++i) b.curve[i] = b.curve[i] == 0 ? 0.0 : b.curve[i] * v[i];
  }
  put_double(b.curve, job.hess, job, first, n);
  return tree_sum(sum, 8);
}

inline double sum_floats(const float* __restrict x, int n) {
  double lane[16] = {0};
  int i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) lane[j] += double(x[i + j]);
  for (; i < n; ++i) lane[i & 15] += double(x[i]);
  return tree_sum(lane, 16);
}

// Buffers of the fast path.
struct FastBuffers {
  alignas(64) float z[fast_block], t[fast_block], P[fast_block], Q[fast_block], loss[fast_block], grad[fast_block];
};

template <bool Wide>
inline void fast_weights(const Table& table, i64 phase, int n, const float* __restrict t, const float* __restrict w, FastBuffers& f) {
  const float *__restrict P0 = table.hard(0) + phase, *__restrict P1 = table.hard(1) + phase;
  const float *__restrict Q0 = table.hard(2) + phase, *__restrict Q1 = table.hard(3) + phase;
  for (int i = 0; i < n; ++i) {
    int k = Wide ? i : 0;
    f.P[i] = t[i] == 1 ? P1[k] : P0[k];
    f.Q[i] = t[i] == 1 ? Q1[k] : Q0[k];
  }
  if (!w) return;
  for (int i = 0; i < n; ++i) {
    f.P[i] *= w[i];
    f.Q[i] *= w[i];
  }
}

// The loss array a mean does not ask for still needs its sum: it lives in the buffer.
template <bool Unit>
inline void dispatch_fast(const SigmoidJob& job, const FastBlock& block, int n) {
  if (job.law.kind == law_focal) {
    if (block.grad) fast_focal2<true>(block, n); else fast_focal2<false>(block, n);
  } else {
    if (block.grad) fast_log<Unit, true>(block, n); else fast_log<Unit, false>(block, n);
  }
}

// Asks for the next block while this one computes: its passes are too long for the processor to look past them.
XENT_INLINE void prefetch(const float* p, int n) {
  for (int i = 0; i < n; i += 16) __builtin_prefetch(p + i);
}

inline bool all_hard(const float* __restrict t, int n) {
  int other = 0;
  for (int i = 0; i < n; ++i) {
    std::uint32_t bits = bit_cast<std::uint32_t>(t[i]);
    other |= int(bits != 0) & int(bits != 0x3f800000u);
  }
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
  bool direct_z, direct_t, direct_grad, direct_loss;
  explicit SigmoidPlan(const SigmoidJob& j) : job(j), table(j) {
    bool law = j.law.kind == law_log || (j.law.kind == law_focal && j.law.a == 2 && j.law.b == 2);
    bool masked = j.where || j.ignore.count;
    fast = j.z.type != Type::f64 && law && !j.pipe.on && !j.hess;
    unit = table.unit && !masked && !j.w && j.law.kind == law_log && (j.scale == 1 || !j.loss);
    quick = fast && !masked && j.t && j.t.type != Type::f64;
    zeros = masked || j.w || !table.positive;
    direct_z = Range<float>::direct(j.z, j.rows, j.labels);
    direct_t = Range<float>::direct(j.t, j.rows, j.labels);
    direct_grad = j.grad && Range<float>::direct(j.grad, j.rows, j.labels);
    direct_loss = j.loss && Range<float>::direct(j.loss, j.rows, j.labels);
  }
  void weights(i64 first, int n, const float* t, const float* w, FastBuffers& f) const {
    if (unit) return;
    if (table.wide) fast_weights<true>(table, first % job.labels, n, t, w, f);
    else fast_weights<false>(table, 0, n, t, w, f);
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

// A block with hard and soft targets: both kernels, each element keeps the one its own target asks for.
inline double run_mixed(const SigmoidPlan& plan, i64 first, int n, const Loaded& in, FastBuffers& f) {
  const SigmoidJob& job = plan.job;
  GeneralBlock b;
  alignas(64) float loss[fast_block], grad[fast_block];
  alignas(64) double both_loss[fast_block], both_grad[fast_block];
  alignas(64) double sums[fast_block];
  FastBlock block{f.z, f.t, plan.unit ? nullptr : f.P, f.Q, loss, grad, plan.unit ? float(job.scale) : 1.0f};
  if (plan.unit) dispatch_fast<true>(job, block, n); else dispatch_fast<false>(job, block, n);
  SigmoidJob quiet = job;
  quiet.loss = quiet.grad = Array{};
  for (int at = 0; at < n; at += general_block) {
    int m = n - at < general_block ? n - at : general_block;
    run_general(quiet, plan.table, first + at, m, in.t + at, in.w + at, b);
    for (int i = 0; i < m; ++i) {
      bool hard = in.t[at + i] == 0 || in.t[at + i] == 1;
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
  if (plan.direct_t) prefetch(*t + fast_block, n);
  if (plan.direct_z) prefetch(reinterpret_cast<const float*>(job.z.data) + first + fast_block, n);
  if (!all_hard(*t, n)) return false;
  alignas(64) float buffer[fast_block];
  const float* w = job.w ? Range<float>::get(job.w, job.rows, job.labels, first, n, buffer) : nullptr;
  plan.weights(first, n, *t, w, f);
  return true;
}

inline double run_fast(const SigmoidPlan& plan, i64 first, int n, const float* z, const float* t, FastBuffers& f) {
  const SigmoidJob& job = plan.job;
  float* loss = plan.direct_loss ? reinterpret_cast<float*>(job.loss.data) + first : f.loss;
  float* grad = plan.direct_grad ? reinterpret_cast<float*>(job.grad.data) + first : job.grad ? f.grad : nullptr;
  FastBlock block{z, t, f.P, f.Q, loss, grad, plan.unit ? float(job.scale) : 1.0f};
  if (plan.unit) dispatch_fast<true>(job, block, n); else dispatch_fast<false>(job, block, n);
  if (!plan.unit && plan.zeros) {  // weight 0: exactly 0, whatever the logit holds
    for (int i = 0; i < n; ++i) loss[i] = f.P[i] == 0 && f.Q[i] == 0 ? 0.0f : loss[i];
    if (grad) for (int i = 0; i < n; ++i) grad[i] = f.P[i] == 0 && f.Q[i] == 0 ? 0.0f : grad[i];
  }
  if (job.loss && !plan.direct_loss) Range<float>::put(loss, job.loss, job.labels, first, n);
  if (job.grad && !plan.direct_grad) Range<float>::put(grad, job.grad, job.labels, first, n);
  double sum = sum_floats(loss, n);
  return plan.unit ? sum * job.scale : sum;
}

inline double run_block(const SigmoidPlan& plan, i64 first, int n, i64* bad) {
  const SigmoidJob& job = plan.job;
  FastBuffers f;
  const float* t = f.t;
  bool quick = load_quick(plan, first, n, f, &t);
  const float* z = plan.fast ? Range<float>::get(job.z, job.rows, job.labels, first, n, f.z) : nullptr;
  if (quick) return run_fast(plan, first, n, z, t, f);
  Loaded in;
  load_targets(job, first, n, in);
  if (in.bad >= 0) return note_bad(bad, in.bad), 0.0;
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
  parallel_blocks(chunks, n < parallel_from ? 1 : job.threads, [&](i64 c) {
    double sum = 0;
    i64 end = (c + 1) * sigmoid_chunk < n ? (c + 1) * sigmoid_chunk : n;
    for (i64 first = c * sigmoid_chunk; first < end; first += fast_block)
      sum += run_block(plan, first, int(end - first < fast_block ? end - first : fast_block), &out.bad);
    partial[c] = sum;
  });
  out.total = tree_sum(partial, chunks);
  return out;
}

// Effective weights before the pass: their sum, how many count, the sum of targets where they do.
Weighed weigh_sigmoid(const SigmoidJob& job) {
  Weighed out;
  i64 n = job.rows * job.labels, chunks = (n + sigmoid_chunk - 1) / sigmoid_chunk;
  if (n == 0) return out;
  Table table(job);
  Scratch memory(3 * chunks * i64(sizeof(double)));
  double *weight = memory.at<double>(), *count = weight + chunks, *positives = count + chunks;
  parallel_blocks(chunks, n < parallel_from ? 1 : job.threads, [&](i64 c) {
    Loaded in;
    double sums[3] = {0, 0, 0};
    i64 end = (c + 1) * sigmoid_chunk < n ? (c + 1) * sigmoid_chunk : n;
    for (i64 first = c * sigmoid_chunk; first < end; first += fast_block) {
      int m = int(end - first < fast_block ? end - first : fast_block);
      load_targets(job, first, m, in);
      if (in.bad >= 0) note_bad(&out.bad, in.bad);
      i64 step = table.wide ? 1 : 0, at = table.wide ? first % job.labels : 0;
      const double *W0 = table.row(4) + at, *W1 = table.row(5) + at;
      double lane[3][8] = {};
      for (int i = 0; i < m; ++i) {
        double w = in.w[i] * mad(1 - in.t[i], W0[i * step], in.t[i] * W1[i * step]);
        lane[0][i & 7] += w;
        lane[1][i & 7] += w > 0 ? 1.0 : 0.0;
        lane[2][i & 7] += w > 0 ? in.t[i] : 0.0;
      }
      for (int s = 0; s < 3; ++s) sums[s] += tree_sum(lane[s], 8);
    }
    weight[c] = sums[0], count[c] = sums[1], positives[c] = sums[2];
  });
  out.weight = tree_sum(weight, chunks);
  out.count = tree_sum(count, chunks);
  out.positives = tree_sum(positives, chunks);
  return out;
}

}  // namespace
}  // namespace xent
