// Python's door to the exact sums: `accumulate` for any float64 array.
#include "accumulator.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "logarithm.hpp"

namespace nb = nanobind;

namespace xent {
namespace {

template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;

void accumulate(Out<int64_t, nb::ndim<1>> digits, Out<const double, nb::ndim<1>> x) {
    if (digits.shape(0) != DIGITS) throw std::invalid_argument("accumulate: a register has 68 digits");
    int64_t *to = digits.data();
    const double *from = x.data();
    for (size_t i = 0; i < x.shape(0); ++i)
        if (!(std::fabs(from[i]) < std::numeric_limits<double>::infinity())) throw std::invalid_argument("accumulate: only finite numbers have an exact sum");
    nb::gil_scoped_release released;
    for (size_t i = 0; i < x.shape(0); ++i) {
        add(to, from[i]);
        if (i % ADDITIONS == ADDITIONS - 1) carry(to);
    }
    carry(to);
}

void settle(Out<int64_t> digits) {
    for (size_t i = 0; i < digits.size(); i += DIGITS) carry(digits.data() + i);
}

double apply(int which, double x) { return which == 0 ? natural_log(x) : which == 1 ? natural_log1p(x) : exponential(x); }

}  // namespace
}  // namespace xent

void bind_accumulator(nb::module_ &m) {
    using namespace xent;
    m.def("accumulate", &accumulate, nb::arg("digits").noconvert(), nb::arg("x"), "digits += sum of x, exactly (int64[68], canonical).");
    m.def("settle", &settle, nb::arg("digits").noconvert(), "Bring registers (int64[..., 68]) into canonical form.");
    m.def("natural", &apply, nb::arg("which"), nb::arg("x"), "The tally's own log (0), log1p (1) or exp (2) of one number.");
}
