// XLA's way in, on the CPU: one handler that lends XLA's buffers to a Python function as memoryviews, no copy.
// Compiled where jaxlib's headers are found (XENT_XLA); otherwise there are no handlers. What a call means is decided in
// Python, so checks, messages and digits are those of the NumPy face; the kernels release the interpreter's lock again.
#include "xla.hpp"

#ifdef XENT_XLA
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "xla/ffi/api/ffi.h"

namespace nb = nanobind;
namespace ffi = xla::ffi;

namespace xent {
namespace {

// Who is inside, so that the interpreter does not end under a call, and whether it may be entered at all.
std::atomic<int> inside{0};
std::atomic<bool> open{true};
const pid_t opened_in = getpid();

class Visit {
 public:
  Visit() { ++inside; }
  ~Visit() { --inside; }
  bool welcome() const { return open; }  // asked after entering: `close` sees the visit, or the visit sees it closed
};

PyObject* answer = nullptr;  // the Python function; kept for the life of the process

// XLA's threads flush denormals to zero, and threads born there inherit that: the smallest gradients would be lost.
class Gradual {
 public:
  Gradual() {
    std::fegetenv(&outside_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~Gradual() { std::fesetenv(&outside_); }

 private:
  std::fenv_t outside_;
};

// The struct module's letter; bfloat16 has none and travels as its 16 bits.
const char* format(ffi::DataType type) {
  switch (type) {
    case ffi::PRED: return "?";
    case ffi::S8: return "b";
    case ffi::S16: return "h";
    case ffi::S32: return "i";
    case ffi::S64: return "q";
    case ffi::U8: return "B";
    case ffi::U16: case ffi::BF16: return "H";
    case ffi::U32: return "I";
    case ffi::U64: return "Q";
    case ffi::F16: return "e";
    case ffi::F32: return "f";
    case ffi::F64: return "d";
    default: throw nb::type_error("XLA handed over a buffer of a type that the kernels do not read");
  }
}

// XLA's large results are fresh memory: in pages of 2 MB the first touch costs a fraction. NumPy asks the same of its own.
void in_large_pages(void* data, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = 4096, large = std::size_t(1) << 22;
  if (bytes < large) return;
  std::uintptr_t start = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

nb::object lend(const ffi::AnyBuffer& buffer, bool readonly) {
  static char nothing[8];
  ffi::AnyBuffer::Dimensions dims = buffer.dimensions();
  Py_ssize_t shape[64];
  if (dims.size() > 64) throw nb::value_error("XLA handed over a buffer of more than 64 axes");
  for (std::size_t i = 0; i < dims.size(); ++i) shape[i] = Py_ssize_t(dims[i]);
  Py_buffer view = {};
  view.format = const_cast<char*>(format(buffer.element_type()));
  view.buf = buffer.untyped_data() ? buffer.untyped_data() : nothing;
  view.itemsize = Py_ssize_t(ffi::ByteWidth(buffer.element_type()));
  view.len = Py_ssize_t(buffer.size_bytes());
  view.readonly = readonly;
  if (!readonly) in_large_pages(view.buf, buffer.size_bytes());
  view.ndim = int(dims.size());
  view.shape = shape;
  PyObject* made = PyMemoryView_FromBuffer(&view);  // copies shape, keeps the pointers
  if (!made) nb::raise_python_error();
  return nb::steal(made);
}

void ask(const ffi::RemainingArgs& args, const ffi::RemainingRets& rets, std::string_view call) {
  nb::list inputs, results;
  for (std::size_t i = 0; i < args.size(); ++i) inputs.append(lend(args.get<ffi::AnyBuffer>(i).value(), true));
  for (std::size_t i = 0; i < rets.size(); ++i) results.append(lend(*rets.get<ffi::AnyBuffer>(i).value(), false));
  nb::borrow(answer)(nb::str(call.data(), call.size()), inputs, results);
}

std::string words(nb::handle x) {
  nb::str made(x);
  const char* utf8 = made.c_str();
  if (!utf8) PyErr_Clear();
  return utf8 ? utf8 : "";
}

ffi::Error said(nb::python_error& error) {
  std::string message = words(error.value());
  if (error.matches(PyExc_ValueError) || error.matches(PyExc_TypeError)) return ffi::Error::InvalidArgument(message);
  if (error.matches(PyExc_MemoryError)) return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory " + message);
  return ffi::Error::Internal(words(error.type().attr("__name__")) + ": " + message);
}

ffi::Error within(const ffi::RemainingArgs& args, const ffi::RemainingRets& rets, std::string_view call) {
  nb::gil_scoped_acquire held;
  Gradual gradual;
  try {
    ask(args, rets, call);
    return ffi::Error::Success();
  } catch (nb::python_error& error) {
    return said(error);
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

ffi::Error run(ffi::RemainingArgs args, ffi::RemainingRets rets, std::string_view call) {
  Visit visit;
  if (!visit.welcome()) return ffi::Error(ffi::ErrorCode::kCancelled, "the interpreter is ending");
  return within(args, rets, call);
}

XLA_FFI_DEFINE_HANDLER(handler, run, ffi::Ffi::Bind().RemainingArgs().RemainingRets().Attr<std::string_view>("call"));

nb::dict handlers(nb::callable function) {
  Py_XDECREF(answer);
  answer = function.inc_ref().ptr();
  nb::dict found;
  found["xent"] = nb::capsule(reinterpret_cast<void*>(static_cast<XLA_FFI_Handler*>(handler)));
  return found;
}

// At the end of the interpreter. A forked child has none of the threads it would wait for.
void close() {
  open = false;
  nb::gil_scoped_release released;  // who is inside needs it to leave
  while (inside != 0 && getpid() == opened_in) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

void bind_xla(nb::module_& m) {
  m.def("xla_handlers", &handlers, nb::arg("answer"));
  m.def("xla_close", &close);
}

}  // namespace xent

#else

namespace xent {

void bind_xla(nanobind::module_& m) {
  m.def("xla_handlers", [](nanobind::callable) { return nanobind::dict(); }, nanobind::arg("answer"));
  m.def("xla_close", [] {});
}

}  // namespace xent
#endif
