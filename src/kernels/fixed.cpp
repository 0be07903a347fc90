// Python's door to sums in fixed point: values scattered over slots, and the sums of two tables.
#include "fixed.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

#include "outside.hpp"

namespace nb = nanobind;

namespace xent::fixed {
namespace {

template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;

template <class Sum>
void spread(int64_t *sums, const int32_t *at, const double *x, size_t rows, size_t columns) {
    Sum *to = reinterpret_cast<Sum *>(sums);
    for (size_t r = 0; r < rows; ++r)
        for (size_t j = 0; j < columns; ++j) add(to[size_t(at[r]) * columns + j], x[r * columns + j]);
}

template <class Sum>
void together(int64_t *sums, const int64_t *other, size_t n) {
    for (size_t i = 0; i < n; ++i) merge(reinterpret_cast<Sum *>(sums)[i], reinterpret_cast<const Sum *>(other)[i]);
}

void scatter(Out<int64_t, nb::ndim<3>> sums, Out<const int32_t, nb::ndim<1>> index, Out<const double, nb::ndim<2>> x) {
    const size_t rows = x.shape(0), columns = x.shape(1), slots = sums.shape(0), words = sums.shape(2);
    if (sums.shape(1) != columns || (words != 2 && words != 4) || index.shape(0) != rows)
        throw std::invalid_argument("scatter: arrays do not fit together");
    const int32_t *at = index.data();
    const double *from = x.data(), most = words == 2 ? MOST : HUGE_VAL;
    for (size_t r = 0; r < rows; ++r)
        if (at[r] < 0 || size_t(at[r]) >= slots) throw std::invalid_argument("scatter: index out of range");
    for (size_t i = 0; i < rows * columns; ++i)
        if (!(std::fabs(from[i]) < most)) throw std::invalid_argument("scatter: only finite numbers, narrow: below 2^62, can be summed");
    Outside outside;
    (words == 2 ? spread<Narrow> : spread<Wide>)(sums.data(), at, from, rows, columns);
}

void combine(Out<int64_t> sums, Out<const int64_t> other) {
    const size_t words = sums.ndim() ? sums.shape(sums.ndim() - 1) : 0;
    if (sums.ndim() != other.ndim() || sums.size() != other.size() || (words != 2 && words != 4) || other.shape(other.ndim() - 1) != words)
        throw std::invalid_argument("combine: arrays do not fit together");
    (words == 2 ? together<Narrow> : together<Wide>)(sums.data(), other.data(), sums.size() / words);
}

void collect(Out<int64_t, nb::ndim<3>> sums, Out<const int32_t, nb::ndim<1>> index, Out<const int64_t, nb::ndim<3>> other) {
    const size_t rows = index.shape(0), columns = sums.shape(1), words = sums.shape(2);
    if (other.shape(0) != rows || other.shape(1) != columns || other.shape(2) != words || (words != 2 && words != 4))
        throw std::invalid_argument("collect: arrays do not fit together");
    for (size_t r = 0; r < rows; ++r)
        if (index.data()[r] < 0 || size_t(index.data()[r]) >= sums.shape(0)) throw std::invalid_argument("collect: index out of range");
    const size_t row = columns * words;
    for (size_t r = 0; r < rows; ++r)
        (words == 2 ? together<Narrow> : together<Wide>)(sums.data() + size_t(index.data()[r]) * row, other.data() + r * row, columns);
}

}  // namespace
}  // namespace xent::fixed

void bind_fixed(nb::module_ &m) {
    using namespace xent::fixed;
    m.def("scatter", &scatter, nb::arg("sums").noconvert(), nb::arg("index"), nb::arg("x"),
          "sums[index[r], j] += x[r, j] in fixed point (int64[slots, columns, 2 or 4]: the highest word first).");
    m.def("collect", &collect, nb::arg("sums").noconvert(), nb::arg("index"), nb::arg("other").noconvert(),
          "sums[index[r], j] += other[r, j], sums in fixed point.");
    m.def("combine", &combine, nb::arg("sums").noconvert(), nb::arg("other"), "sums += other, tables of one shape.");
}
