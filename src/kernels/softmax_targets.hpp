// Targets and weights of up to 64 rows, read once and checked: a row is a class id with a mass (hard), or soft.
//
// A dense or sparse row with exactly one nonzero entry is the class id with that mass: the same value and gradient,
// whatever its form.
#pragma once
#include "parallel.hpp"

namespace xent {
namespace {

constexpr int rows_most = 64;
constexpr i64 scan_chunk = 1024;

// weight: sample weight, 0 where masked or ignored; effective: weight * sum_k t_k class_weight_k.
struct RowTargets {
  alignas(64) double weight[rows_most], effective[rows_most], mass[rows_most];
  alignas(64) i64 y[rows_most];  // -1: soft
  int n = 0;
  bool soft = false;
};

// The row r = o*inner + i of an array (outer, classes, inner), and of an array (outer, inner).
XENT_INLINE char* cube_row(const Array& a, i64 r, i64 inner) {
  return inner == 1 ? a.data + r * a.stride[0] : a.data + r / inner * a.stride[0] + r % inner * a.stride[2];
}
XENT_INLINE char* flat_row(const Array& a, i64 r, i64 inner) {
  return inner == 1 ? a.data + r * a.stride[0] : a.data + r / inner * a.stride[0] + r % inner * a.stride[1];
}

// f(offset, o, i, run): the stretches of rows [first, first + n) that share an outer index.
template <class F>
XENT_INLINE void stretches(i64 inner, i64 first, i64 n, const F& f) {
  for (i64 done = 0; done < n;) {
    i64 o = (first + done) / inner, i = (first + done) % inner;
    i64 run = inner - i < n - done ? inner - i : n - done;
    f(done, o, i, run);
    done += run;
  }
}

template <class T>
void load_rows(T* dst, const Array& a, i64 inner, i64 first, i64 n) {
  if (inner == 1) return load(dst, a.data + first * a.stride[0], a.type, a.stride[0], n);
  stretches(inner, first, n, [&](i64 at, i64 o, i64 i, i64 run) {
    load(dst + at, a.data + o * a.stride[0] + i * a.stride[1], a.type, a.stride[1], run);
  });
}

inline void store_rows(const double* src, const Array& a, i64 inner, i64 first, i64 n) {
  if (inner == 1) return store(src, a.data + first * a.stride[0], a.type, a.stride[0], n);
  stretches(inner, first, n, [&](i64 at, i64 o, i64 i, i64 run) {
    store(src + at, a.data + o * a.stride[0] + i * a.stride[1], a.type, a.stride[1], run);
  });
}

inline void read_weights(const SoftmaxJob& job, i64 first, int n, RowTargets& out) {
  out.n = n;
  out.soft = false;
  if (job.w) load_rows(out.weight, job.w, job.inner, first, n);
  else for (int i = 0; i < n; ++i) out.weight[i] = 1;
  if (!job.where) return;
  alignas(64) double keep[rows_most];
  load_rows(keep, job.where, job.inner, first, n);
  for (int i = 0; i < n; ++i) out.weight[i] = keep[i] != 0 ? out.weight[i] : 0.0;
}

inline void read_ids(const SoftmaxJob& job, i64 first, int n, RowTargets& out, i64* bad) {
  load_rows(out.y, job.t, job.inner, first, n);
  for (int c = 0; c < job.ignore.count; ++c)
    for (int i = 0; i < n; ++i) out.weight[i] = double(out.y[i]) == job.ignore.values[c] ? 0.0 : out.weight[i];
  const std::uint64_t classes = std::uint64_t(job.classes);
  int wrong = 0;
  for (int i = 0; i < n; ++i) wrong |= std::uint64_t(out.y[i]) >= classes;
  for (int i = 0; wrong && i < n; ++i) {
    if (std::uint64_t(out.y[i]) < classes) continue;
    if (out.weight[i] != 0) note_bad(bad, first + i);
    out.y[i] = 0;
    out.weight[i] = 0;
  }
  for (int i = 0; i < n; ++i) out.mass[i] = 1;
  for (int i = 0; i < n; ++i) out.effective[i] = out.weight[i];
  for (int i = 0; job.class_weight && i < n; ++i) out.effective[i] *= job.class_weight[out.y[i]];
}

// What one pass over a dense row tells.
struct Scan {
  double least = __builtin_inf(), most = -__builtin_inf(), nonzero = 0, last = -1, sum = 0, wrong = 0;
};

inline Scan scan_dense(const SoftmaxJob& job, i64 r, double* __restrict buffer) {
  Scan s;
  const char* p = cube_row(job.t, r, job.inner);
  for (i64 k = 0; k < job.classes; k += scan_chunk) {
    int n = int(job.classes - k < scan_chunk ? job.classes - k : scan_chunk);
    load(buffer, p + k * job.t.stride[1], job.t.type, job.t.stride[1], n);
    double least = s.least, most = s.most, nonzero = 0, last = s.last, sum = 0, wrong = 0;
#pragma omp simd reduction(min : least) reduction(max : most, last) reduction(+ : nonzero, sum, wrong)
    for (int j = 0; j < n; ++j) {
      double t = buffer[j], at = double(j);
      least = t < least ? t : least;
      most = t > most ? t : most;
      nonzero += t != 0 ? 1.0 : 0.0;
      double here = t != 0 ? at + double(k) : -1.0;
      last = here > last ? here : last;
      wrong += t >= 0 ? 0.0 : 1.0;
      sum += t;
    }
    if (job.class_weight) {
      const double* weight = job.class_weight + k;
      sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int j = 0; j < n; ++j) sum += buffer[j] * weight[j];
    }
    s = {least, most, s.nonzero + nonzero, last, s.sum + sum, s.wrong + wrong};
  }
  return s;
}

inline void read_dense(const SoftmaxJob& job, i64 first, int n, RowTargets& out, i64* bad) {
  alignas(64) double buffer[scan_chunk];
  for (int i = 0; i < n; ++i) {
    out.y[i] = 0, out.mass[i] = 0, out.effective[i] = 0;
    if (out.weight[i] == 0) continue;
    Scan s = scan_dense(job, first + i, buffer);
    bool one_hot = s.nonzero == 1 && s.most == 1;
    bool uniform = s.least == s.most && s.sum == s.sum;
    if ((uniform && is_ignored(job.ignore, s.most)) || (one_hot && is_ignored(job.ignore, s.last))) { out.weight[i] = 0; continue; }
    if (s.wrong != 0 || s.most > 1) { note_bad(bad, first + i); out.weight[i] = 0; continue; }
    out.effective[i] = out.weight[i] * s.sum;
    if (s.nonzero <= 1) {
      out.y[i] = s.nonzero == 0 ? 0 : i64(s.last);
      out.mass[i] = s.nonzero == 0 ? 0.0 : s.most;
    } else {
      out.y[i] = -1;
      out.soft = out.soft || out.effective[i] != 0;
    }
  }
}

// Entry s of the sparse row r.
struct Sparse {
  i64 id;
  double prob;
};
inline Sparse sparse_at(const SoftmaxJob& job, i64 r, i64 s) {
  Sparse x;
  load(&x.id, cube_row(job.sparse_ids, r, job.inner) + s * job.sparse_ids.stride[1], job.sparse_ids.type, 0, 1);
  load(&x.prob, cube_row(job.t, r, job.inner) + s * job.t.stride[1], job.t.type, 0, 1);
  return x;
}

// All mass on one ignored id.
inline bool sparse_ignored(const SoftmaxJob& job, i64 r) {
  for (int c = 0; c < job.ignore.count; ++c) {
    bool hit = false, only = true;
    for (i64 s = 0; s < job.sparse_len; ++s) {
      Sparse x = sparse_at(job, r, s);
      bool same = double(x.id) == job.ignore.values[c];
      hit = hit || same;
      only = only && (same || x.prob == 0);
    }
    if (hit && only) return true;
  }
  return false;
}

inline void read_sparse(const SoftmaxJob& job, i64 first, int n, RowTargets& out, i64* bad) {
  for (int i = 0; i < n; ++i) {
    out.y[i] = 0, out.mass[i] = 0, out.effective[i] = 0;
    if (out.weight[i] == 0) continue;
    if (sparse_ignored(job, first + i)) { out.weight[i] = 0; continue; }
    bool wrong = false, several = false, any = false;
    double sum = 0, mass = 0;
    for (i64 s = 0; s < job.sparse_len; ++s) {
      Sparse x = sparse_at(job, first + i, s);
      bool inside = x.id >= 0 && x.id < job.classes;
      if (!(x.prob >= 0 && x.prob <= 1) || (!inside && !(x.prob == 0 && is_ignored(job.ignore, double(x.id))))) { wrong = true; break; }
      if (x.prob == 0) continue;
      several = several || (any && x.id != out.y[i]);
      any = true;
      out.y[i] = x.id;
      mass += x.prob;
      sum += x.prob * (job.class_weight ? job.class_weight[x.id] : 1.0);
    }
    if (wrong) { note_bad(bad, first + i); out.weight[i] = 0; out.y[i] = 0; continue; }
    out.effective[i] = out.weight[i] * sum;
    out.mass[i] = mass;
    if (several) out.y[i] = -1, out.soft = out.soft || out.effective[i] != 0;
  }
}

// Rows [first, first + n), n <= 64. Bad rows are noted and given weight 0.
inline void read_targets(const SoftmaxJob& job, i64 first, int n, RowTargets& out, i64* bad) {
  read_weights(job, first, n, out);
  if (job.kind == Targets::ids) read_ids(job, first, n, out, bad);
  else if (job.kind == Targets::dense) read_dense(job, first, n, out, bad);
  else read_sparse(job, first, n, out, bad);
}

// The raw target of a soft row as K numbers.
inline void fill_target(const SoftmaxJob& job, i64 r, double* t) {
  if (job.kind == Targets::dense) return load(t, cube_row(job.t, r, job.inner), job.t.type, job.t.stride[1], job.classes);
  for (i64 k = 0; k < job.classes; ++k) t[k] = 0;
  for (i64 s = 0; s < job.sparse_len; ++s) {
    Sparse x = sparse_at(job, r, s);
    if (x.prob != 0) t[x.id] += x.prob;
  }
}

}  // namespace
}  // namespace xent
