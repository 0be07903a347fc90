// The binding: Python buffers -> jobs. Types and shapes of one call are checked here against each other; what the
// numbers mean was decided in Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "accumulator.hpp"
#include "buffers.hpp"
#include "dispatch.hpp"
#include "fixed.hpp"
#include "histograms.hpp"
#include "lookup.hpp"
#include "outside.hpp"
#include "pav.hpp"
#include "temperature.hpp"
#include "xla.hpp"

namespace nb = nanobind;

namespace xent {
namespace {

// Keeps the exported buffers and copied numbers of one call alive.
struct Call {
  Buffers buffers;
  std::vector<double> ignored;

  Ignore ignore(nb::handle values) {
    if (!values.is_none())
      for (nb::handle v : nb::cast<nb::tuple>(values)) ignored.push_back(nb::cast<double>(v));
    return {ignored.data(), int(ignored.size())};
  }
  Law law(nb::handle t) {
    nb::tuple x = nb::cast<nb::tuple>(t);
    return {nb::cast<int>(x[0]), nb::cast<double>(x[1]), nb::cast<double>(x[2])};
  }
  Pipe pipe(nb::handle t, std::int64_t labels) {
    Pipe out;
    if (t.is_none()) return out;
    nb::tuple x = nb::cast<nb::tuple>(t);
    out.on = true;
    if (!x[0].is_none()) out.bias = buffers.numbers(x[0], "bias", &out.bias_len);
    if (out.bias && out.bias_len != 1 && out.bias_len != labels) throw nb::value_error("`bias` must hold 1 number or one per class");
    out.softcap = nb::cast<double>(x[1]);
    out.temperature = nb::cast<double>(x[2]);
    return out;
  }
  const double* numbers(nb::handle x, const char* name, std::int64_t expected) {
    if (x.is_none()) return nullptr;
    std::int64_t length = 0;
    const double* data = buffers.numbers(x, name, &length);
    if (length != expected) throw nb::value_error((std::string("`") + name + "` has the wrong length").c_str());
    return data;
  }
};

void masks_and_table(SigmoidJob& job, Call& c, nb::handle where, nb::handle ignore, nb::handle table) {
  std::int64_t shape[3] = {job.rows, job.labels, 1};
  job.where = c.buffers.array(where, "where", 2, shape, Shape::same, Kind::number);
  job.ignore = c.ignore(ignore);
  job.table = c.buffers.numbers(table, "table", &job.table_len);
  job.table_len /= 6;
  if (job.table_len != 1 && job.table_len != job.labels) throw nb::value_error("`table` must be (6, 1) or (6, labels)");
}

SigmoidJob sigmoid_job(Call& c, nb::handle z, nb::handle t, nb::handle w, nb::handle where, nb::handle ignore, nb::handle table) {
  SigmoidJob job;
  std::int64_t shape[3] = {};
  job.z = c.buffers.array(z, "logits", 2, shape, Shape::read, Kind::floating);
  job.rows = shape[0], job.labels = shape[1];
  job.t = c.buffers.array(t, "targets", 2, shape, Shape::same, Kind::number);
  job.w = c.buffers.array(w, "weight", 2, shape, Shape::same, Kind::number);
  masks_and_table(job, c, where, ignore, table);
  return job;
}

template <class Out, class Job>
Out run(Out (*kernel)(const Job&), const Job& job) {
  Out out;
  {
    Outside outside;
    out = kernel(job);
  }
  if (out.starved) throw std::bad_alloc();
  return out;
}

// What Python sees of a bad input: the flat index of a target, -2 - the flat index of a weight, or -1.
std::int64_t code(std::int64_t bad, std::int64_t bad_weight) { return bad_weight >= 0 ? -2 - bad_weight : bad; }

nb::tuple sigmoid(nb::handle z, nb::handle t, nb::handle w, nb::handle where, nb::handle ignore, nb::handle table, nb::handle law,
                  nb::handle pipe, double scale, nb::handle loss, nb::handle grad, nb::handle hess, nb::handle v, int threads) {
  Call c;
  SigmoidJob job = sigmoid_job(c, z, t, w, where, ignore, table);
  std::int64_t shape[3] = {job.rows, job.labels, 1};
  job.law = c.law(law);
  job.pipe = c.pipe(pipe, job.labels);
  job.scale = scale;
  job.loss = c.buffers.array(loss, "loss", 2, shape, Shape::same, Kind::output);
  job.grad = c.buffers.array(grad, "grad", 2, shape, Shape::same, Kind::output);
  job.hess = c.buffers.array(hess, "hess", 2, shape, Shape::same, Kind::output);
  job.v = c.buffers.array(v, "v", 2, shape, Shape::same, Kind::floating);
  job.threads = threads > 0 ? threads : max_threads();
  Result r = run(kernels().sigmoid, job);
  return nb::make_tuple(r.total, code(r.bad, r.bad_weight));
}

nb::tuple log_loss(nb::handle p, nb::handle t, nb::handle w, nb::handle where, nb::handle ignore, nb::handle table, double scale,
                   nb::handle loss, nb::handle grad, int threads) {
  Call c;
  SigmoidJob job = sigmoid_job(c, p, t, w, where, ignore, table);
  std::int64_t shape[3] = {job.rows, job.labels, 1};
  job.scale = scale;
  job.loss = c.buffers.array(loss, "loss", 2, shape, Shape::same, Kind::output);
  job.grad = c.buffers.array(grad, "grad", 2, shape, Shape::same, Kind::output);
  job.threads = threads > 0 ? threads : max_threads();
  Forecast r = run(kernels().log_loss, job);
  return nb::make_tuple(r.total, r.bad_target, r.bad_probability);
}

nb::tuple weigh_sigmoid(nb::handle t, nb::handle w, nb::handle where, nb::handle ignore, nb::handle table, int threads) {
  Call c;
  SigmoidJob job;
  std::int64_t shape[3] = {};
  job.t = c.buffers.array(t, "targets", 2, shape, Shape::read, Kind::number);
  job.w = c.buffers.array(w, "weight", 2, shape, job.t ? Shape::same : Shape::read, Kind::number);
  if (!job.t && !job.w) throw nb::value_error("`targets` or `weight` must be given");
  job.rows = shape[0], job.labels = shape[1];
  masks_and_table(job, c, where, ignore, table);
  job.threads = threads > 0 ? threads : max_threads();
  Weighed r = run(kernels().weigh_sigmoid, job);
  return nb::make_tuple(r.weight, r.count, r.positives, code(r.bad, r.bad_weight));
}

void softmax_targets(SoftmaxJob& job, Call& c, nb::handle target, nb::handle w, nb::handle where, nb::handle ignore, nb::handle class_weight) {
  std::int64_t cube[3] = {job.outer, job.classes, job.inner}, rows[3] = {job.outer, job.inner, 1};
  if (nb::isinstance<nb::tuple>(target)) {
    nb::tuple pair = nb::cast<nb::tuple>(target);
    std::int64_t sparse[3] = {};
    job.kind = Targets::sparse;
    job.sparse_ids = c.buffers.array(pair[0], "targets[0]", 3, sparse, Shape::read, Kind::integer);
    if (sparse[0] != job.outer || sparse[2] != job.inner) throw nb::value_error("`targets` ids must be (outer, S, inner)");
    job.sparse_len = sparse[1];
    job.t = c.buffers.array(pair[1], "targets[1]", 3, sparse, Shape::same, Kind::number);
  } else if (PyObject_HasAttrString(target.ptr(), "ndim") && nb::cast<int>(target.attr("ndim")) == 2) {
    job.kind = Targets::ids;
    job.t = c.buffers.array(target, "targets", 2, rows, Shape::same, Kind::integer);
  } else {
    job.kind = Targets::dense;
    job.t = c.buffers.array(target, "targets", 3, cube, Shape::same, Kind::number);
  }
  job.w = c.buffers.array(w, "weight", 2, rows, Shape::same, Kind::number);
  job.where = c.buffers.array(where, "where", 2, rows, Shape::same, Kind::number);
  job.ignore = c.ignore(ignore);
  job.class_weight = c.numbers(class_weight, "class_weight", job.classes);
}

nb::tuple softmax(nb::handle z, nb::handle target, nb::handle w, nb::handle where, nb::handle ignore, nb::handle class_loss,
                  nb::handle class_weight, double smoothing, nb::handle prior, double z_loss, nb::handle law, nb::handle pipe, double scale,
                  nb::handle loss, nb::handle grad, nb::handle hess, nb::handle v, int threads) {
  Call c;
  SoftmaxJob job;
  std::int64_t cube[3] = {};
  job.z = c.buffers.array(z, "logits", 3, cube, Shape::read, Kind::floating);
  job.outer = cube[0], job.classes = cube[1], job.inner = cube[2];
  std::int64_t rows[3] = {job.outer, job.inner, 1};
  softmax_targets(job, c, target, w, where, ignore, class_weight);
  job.class_loss = c.numbers(class_loss, "class_loss", job.classes);
  job.smoothing = smoothing;
  job.prior = c.numbers(prior, "prior", job.classes);
  job.z_loss = z_loss;
  job.law = c.law(law);
  job.pipe = c.pipe(pipe, job.classes);
  job.scale = scale;
  job.loss = c.buffers.array(loss, "loss", 2, rows, Shape::same, Kind::output);
  job.grad = c.buffers.array(grad, "grad", 3, cube, Shape::same, Kind::output);
  job.hess = c.buffers.array(hess, "hess", 3, cube, Shape::same, Kind::output);
  job.v = c.buffers.array(v, "v", 3, cube, Shape::same, Kind::floating);
  job.threads = threads > 0 ? threads : max_threads();
  Result r = run(kernels().softmax, job);
  return nb::make_tuple(r.total, r.bad);
}

nb::tuple weigh_softmax(std::int64_t classes, nb::handle target, nb::handle w, nb::handle where, nb::handle ignore, nb::handle class_weight, int threads) {
  Call c;
  SoftmaxJob job;
  job.classes = classes;
  nb::handle first = nb::isinstance<nb::tuple>(target) ? nb::handle(nb::cast<nb::tuple>(target)[0]) : target;
  nb::tuple shape = nb::cast<nb::tuple>(first.attr("shape"));
  job.outer = nb::cast<std::int64_t>(shape[0]);
  job.inner = nb::cast<std::int64_t>(shape[nb::len(shape) - 1]);
  softmax_targets(job, c, target, w, where, ignore, class_weight);
  job.threads = threads > 0 ? threads : max_threads();
  Weighed r = run(kernels().weigh_softmax, job);
  return nb::make_tuple(r.weight, r.count, r.bad);
}

void activation(int kind, nb::handle z, nb::handle out, int threads) {
  Call c;
  ActivationJob job;
  job.kind = Activation(kind);
  std::int64_t cube[3] = {};
  job.z = c.buffers.array(z, "logits", 3, cube, Shape::read, Kind::floating);
  job.outer = cube[0], job.classes = cube[1], job.inner = cube[2];
  std::int64_t rows[3] = {job.outer, job.inner, 1};
  bool reduced = job.kind == Activation::logsumexp;
  job.out = c.buffers.array(out, "out", reduced ? 2 : 3, reduced ? rows : cube, Shape::same, Kind::output);
  job.threads = threads > 0 ? threads : max_threads();
  Outside outside;
  kernels().activation(job);
}

std::vector<std::string> level_names() {
  std::vector<std::string> names;
  for (int i = 0; i < level_count(); ++i) names.push_back(level_at(i).name);
  return names;
}

void choose_level() {
  const char* wanted = std::getenv("XENT_ISA");
  if (!wanted || !*wanted || pick_level(wanted)) return;
  std::string names;
  for (const std::string& name : level_names()) names += (names.empty() ? "" : ", ") + name;
  throw nb::import_error(("XENT_ISA must be one of " + names + " on this processor; got " + wanted).c_str());
}

}  // namespace
}  // namespace xent

NB_MODULE(_kernels, m) {
  using namespace xent;
  choose_level();
  m.def("sigmoid", &sigmoid, nb::arg("logits"), nb::arg("targets").none(), nb::arg("weight").none(), nb::arg("where").none(), nb::arg("ignore").none(),
        nb::arg("table"), nb::arg("law"), nb::arg("pipe").none(), nb::arg("scale"), nb::arg("loss").none(), nb::arg("grad").none(), nb::arg("hess").none(),
        nb::arg("v").none(), nb::arg("threads"));
  m.def("softmax", &softmax, nb::arg("logits"), nb::arg("targets"), nb::arg("weight").none(), nb::arg("where").none(), nb::arg("ignore").none(),
        nb::arg("class_loss").none(), nb::arg("class_weight").none(), nb::arg("smoothing"), nb::arg("prior").none(), nb::arg("z_loss"), nb::arg("law"),
        nb::arg("pipe").none(), nb::arg("scale"), nb::arg("loss").none(), nb::arg("grad").none(), nb::arg("hess").none(), nb::arg("v").none(), nb::arg("threads"));
  m.def("weigh_sigmoid", &weigh_sigmoid, nb::arg("targets").none(), nb::arg("weight").none(), nb::arg("where").none(), nb::arg("ignore").none(), nb::arg("table"), nb::arg("threads"));
  m.def("weigh_softmax", &weigh_softmax, nb::arg("classes"), nb::arg("targets"), nb::arg("weight").none(), nb::arg("where").none(), nb::arg("ignore").none(),
        nb::arg("class_weight").none(), nb::arg("threads"));
  m.def("log_loss", &log_loss, nb::arg("probs"), nb::arg("targets"), nb::arg("weight").none(), nb::arg("where").none(), nb::arg("ignore").none(),
        nb::arg("table"), nb::arg("scale"), nb::arg("loss").none(), nb::arg("grad").none(), nb::arg("threads"));
  m.def("activation", &activation, nb::arg("kind"), nb::arg("logits"), nb::arg("out"), nb::arg("threads"));
  m.def("level", [] { return std::string(kernels().name); });
  m.def("levels", &level_names);
  m.def("max_threads", &max_threads);
  bind_accumulator(m);
  bind_tally(m);
  bind_soft(m);
  bind_pav(m);
  bind_histograms(m);
  bind_lookup(m);
  bind_temperature(m);
  bind_fixed(m);
  bind_xla(m);
}
