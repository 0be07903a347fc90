// NumPy arrays through the buffer protocol: any strides, read-only, no copy, a few dozen nanoseconds each.
#pragma once
#include <nanobind/nanobind.h>

#include <string>

#include "jobs.hpp"

namespace xent {

enum class Shape { read, same };                         // take the shape from this array, or require the given one
enum class Kind { floating, integer, number, output };  // what the elements may be

// The buffers of one call, released together.
class Buffers {
 public:
  Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() {
    for (int i = 0; i < count_; ++i) PyBuffer_Release(&views_[i]);
  }

  // A `ndim`-dimensional array; None gives an absent one.
  Array array(nanobind::handle object, const char* name, int ndim, std::int64_t* shape, Shape rule, Kind kind) {
    Array out;
    if (object.is_none()) return out;
    const Py_buffer& view = open(object, name, kind == Kind::output ? PyBUF_FULL : PyBUF_FULL_RO);
    if (view.ndim != ndim) fail(name, "has the wrong number of dimensions");
    for (int i = 0; i < ndim; ++i) {
      if (rule == Shape::read) shape[i] = view.shape[i];
      else if (view.shape[i] != shape[i]) fail(name, "has the wrong shape");
      out.stride[i] = view.strides[i];
    }
    out.data = static_cast<char*>(view.buf);
    out.type = type_of(view, kind);
    if (out.type == Type::none) fail(name, "has a dtype that the kernels do not read");
    static char nothing[8];
    if (!out.data) out.data = nothing;  // an empty array, which is not an absent one
    return out;
  }

  // A contiguous float64 array of any shape, as a flat list.
  const double* numbers(nanobind::handle object, const char* name, std::int64_t* length) {
    const Py_buffer& view = open(object, name, PyBUF_FULL_RO);
    if (type_of(view, Kind::number) != Type::f64 || !PyBuffer_IsContiguous(&view, 'C')) fail(name, "must be a contiguous float64 array");
    *length = view.len / view.itemsize;
    return static_cast<const double*>(view.buf);
  }

 private:
  static constexpr int most = 16;
  Py_buffer views_[most];
  int count_ = 0;

  const Py_buffer& open(nanobind::handle object, const char* name, int flags) {
    if (count_ == most) fail(name, "is one array too many");
    if (PyObject_GetBuffer(object.ptr(), &views_[count_], flags) != 0) nanobind::raise_python_error();
    return views_[count_++];
  }

  [[noreturn]] static void fail(const char* name, const char* what) {
    throw nanobind::value_error((std::string("`") + name + "` " + what).c_str());
  }

  static Type integer(Py_ssize_t size, bool is_signed) {
    switch (size) {
      case 1: return is_signed ? Type::i8 : Type::u8;
      case 2: return is_signed ? Type::i16 : Type::u16;
      case 4: return is_signed ? Type::i32 : Type::u32;
      case 8: return is_signed ? Type::i64 : Type::u64;
      default: return Type::none;
    }
  }

  // bfloat16 has no buffer format: it comes as uint16 where only floating types may stand.
  static Type type_of(const Py_buffer& view, Kind kind) {
    const char* f = view.format ? view.format : "B";
    if (*f == '@' || *f == '=' || *f == '<') ++f;
    if (!*f || f[1]) return Type::none;
    bool floating = kind == Kind::floating || kind == Kind::output;
    switch (*f) {
      case 'e': return kind == Kind::integer ? Type::none : Type::f16;
      case 'f': return kind == Kind::integer ? Type::none : Type::f32;
      case 'd': return kind == Kind::integer ? Type::none : Type::f64;
      case '?': return floating ? Type::none : Type::b8;
      case 'H': return floating ? Type::bf16 : Type::u16;
      case 'b': case 'h': case 'i': case 'l': case 'q': return floating ? Type::none : integer(view.itemsize, true);
      case 'B': case 'I': case 'L': case 'Q': return floating ? Type::none : integer(view.itemsize, false);
      default: return Type::none;
    }
  }
};

}  // namespace xent
