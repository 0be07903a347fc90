// Python's door to sums in fixed point: values scattered over slots, and the sums of two tables.
#include "fixed.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

namespace nb = nanobind;

namespace xent::fixed {
namespace {

template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;

void scatter(Out<int64_t, nb::ndim<3>> sums, Out<const int32_t, nb::ndim<1>> index, Out<const double, nb::ndim<2>> x) {
    const size_t rows = x.shape(0), columns = x.shape(1), slots = sums.shape(0);
    if (sums.shape(1) != columns || sums.shape(2) != 2 || index.shape(0) != rows)
        throw std::invalid_argument("scatter: arrays do not fit together");
    const int32_t *at = index.data();
    const double *from = x.data();
    for (size_t r = 0; r < rows; ++r)
        if (at[r] < 0 || size_t(at[r]) >= slots) throw std::invalid_argument("scatter: index out of range");
    for (size_t i = 0; i < rows * columns; ++i)
        if (!(std::fabs(from[i]) < MOST)) throw std::invalid_argument("scatter: only numbers below 2^62 can be summed");
    Sum *to = reinterpret_cast<Sum *>(sums.data());
    nb::gil_scoped_release released;
    for (size_t r = 0; r < rows; ++r)
        for (size_t j = 0; j < columns; ++j) add(to[size_t(at[r]) * columns + j], from[r * columns + j]);
}

void combine(Out<int64_t> sums, Out<const int64_t> other) {
    if (sums.size() != other.size() || sums.size() % 2) throw std::invalid_argument("combine: arrays do not fit together");
    Sum *to = reinterpret_cast<Sum *>(sums.data());
    const Sum *from = reinterpret_cast<const Sum *>(other.data());
    for (size_t i = 0; i < sums.size() / 2; ++i) merge(to[i], from[i]);
}

}  // namespace
}  // namespace xent::fixed

void bind_fixed(nb::module_ &m) {
    using namespace xent::fixed;
    m.def("scatter", &scatter, nb::arg("sums").noconvert(), nb::arg("index"), nb::arg("x"),
          "sums[index[r], j] += x[r, j] in fixed point (int64[slots, columns, 2]: whole, 64 bits behind the point).");
    m.def("combine", &combine, nb::arg("sums").noconvert(), nb::arg("other"), "sums += other, tables of one shape.");
}
