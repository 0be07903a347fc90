// Python's door to losses under scaled logits, by bucket.
#include "temperature.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include "batch.hpp"
#include "fixed.hpp"
#include "outside.hpp"

namespace nb = nanobind;

namespace xent::temperature {
namespace {

using fixed::Wide;
using tally::Array, tally::Batch, tally::Block;
template <class T, class... S> using Out = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, S...>;
template <class T> using Row = Out<T, nb::ndim<1>>;
// Of a block: d_y of every row, and the first powers of every class. Of a strip of it: [2 CHAIN][3][STRIP] sums.
struct Room {
    std::vector<double> first, second, most, truth;
    double sums[2 * CHAIN * 3 * STRIP], misfit[STRIP];
    explicit Room(const Block &b) : first(b.x.size()), second(b.x.size()), most(b.width), truth(b.width) {}
    double *at(int i) { return sums + i * 3 * STRIP; }   // loss, slope and curvature of beta i
};

double beta_of(int i) { return (i % 2 ? SECOND : FIRST) * double(1 << i / 2); }

void prepare_powers(Block &b, Room &room, bool logits) {
    double *x = b.x.data();
    if (!logits) logarithms(int64_t(b.x.size()), x);
    std::fill(room.most.begin(), room.most.end(), -INF);
    std::fill(b.best.begin(), b.best.end(), 0);
    largest(b.rows, b.classes, b.width, x, room.most.data(), b.best.data());
    for (int64_t r = 0; r < b.rows; ++r) room.truth[r] = x[b.target[r] * b.width + r] - room.most[r];
    distances(b.rows, b.classes, b.width, x, room.most.data(), b.best.data(), room.first.data(), room.second.data());
}

void judge_strip(const Block &b, Room &room, int64_t from, int64_t n) {
    powers(n, b.classes, b.width, b.x.data() + from, room.first.data() + from, room.at(0));    // betas 0, 2, 4 ...
    powers(n, b.classes, b.width, b.x.data() + from, room.second.data() + from, room.at(1));   // 1, 3, 5 ... and one too many
    for (int i = 0; i < BETAS; ++i)
        finish(n, beta_of(i), room.truth.data() + from, room.at(i), room.at(i) + STRIP, room.at(i) + 2 * STRIP);
}

// Sums by bucket. Rows of weight 1 are gathered in integers, as multiples of 2^-36 nats, and added up now and then.
class Ledger {
 public:
    Ledger(size_t slots, int64_t *rows, Wide *weights, Wide *sums)
        : rows_(rows), weights_(weights), sums_(sums), units_(slots * VALUES), since_(slots) {}
    ~Ledger() { for (size_t g = 0; g < since_.size(); ++g) if (since_[g]) settle(int32_t(g)); }

    // values: of one row, STRIP apart. plain: all of them fit.
    void row(int32_t bucket, const double *values, bool plain) {
        rows_[bucket] += 1;
        if (!plain) { weigh(bucket, values, 1.0); return; }
        int64_t *to = units_.data() + int64_t(bucket) * VALUES;
        for (int v = 0; v < VALUES; ++v) to[v] += Unit::of(values[v * STRIP]);
        if (++since_[bucket] == ADDITIONS) settle(bucket);
    }
    void weighted(int32_t bucket, const double *values, double w) {
        rows_[bucket] += 1;
        add(weights_[bucket], w);
        weigh(bucket, values, w);
    }

    using Unit = fixed::Units<36>;   // 2^15 nats fit, 255 times

 private:
    static constexpr int VALUES = BETAS * 3, ADDITIONS = 255;
    void weigh(int32_t bucket, const double *values, double w) {
        Wide *to = sums_ + int64_t(bucket) * VALUES;
        for (int v = 0; v < VALUES; ++v) add(to[v], w * values[v * STRIP]);
    }
    void settle(int32_t bucket) {
        int64_t *from = units_.data() + int64_t(bucket) * VALUES;
        for (int v = 0; v < VALUES; ++v) { Unit::add(sums_[int64_t(bucket) * VALUES + v], from[v]); from[v] = 0; }
        since_[bucket] = 0;
    }
    int64_t *rows_;
    Wide *weights_, *sums_;
    std::vector<int64_t> units_;
    std::vector<uint8_t> since_;
};

void enter_strip(Room &room, int64_t from, int64_t n, const int32_t *bucket, const double *weight, Ledger &to) {
    std::fill(room.misfit, room.misfit + STRIP, 0.0);
    for (int i = 0; i < BETAS * 3; ++i) find_misfits(n, room.sums + i * STRIP, Ledger::Unit::FITS, room.misfit);
    for (int64_t r = 0; r < n; ++r) {
        if (!(room.truth[from + r] > -INF)) continue;   // the truth is not there at any beta
        if (weight) to.weighted(bucket[r], room.sums + r, weight[r]);
        else to.row(bucket[r], room.sums + r, room.misfit[r] == 0.0);
    }
}

void temperatures(const Array &x, bool logits, const Row<const int32_t> &target, const Row<const int32_t> &bucket,
                  const std::optional<Row<const double>> &weight, const Row<int64_t> &rows, const Out<int64_t, nb::ndim<2>> &weights,
                  const Out<int64_t, nb::ndim<4>> &sums) {
    const size_t n = target.shape(0), slots = rows.shape(0);
    bool good = x.ndim() == 2 && x.shape(0) == n && x.shape(1) > 1 && (x.dtype() == nb::dtype<float>() || x.dtype() == nb::dtype<double>())
        && bucket.shape(0) == n && (!weight || weight->shape(0) == n) && weights.shape(0) == slots && weights.shape(1) == 4
        && sums.shape(0) == slots && sums.shape(1) == BETAS && sums.shape(2) == 3 && sums.shape(3) == 4;
    for (size_t r = 0; good && r < n; ++r)
        good = target.data()[r] >= 0 && size_t(target.data()[r]) < x.shape(1) && bucket.data()[r] >= 0 && size_t(bucket.data()[r]) < slots;
    if (!good) throw std::invalid_argument("temperatures: arrays do not fit together");
    const double *w = weight ? weight->data() : nullptr;
    const Batch in{tally::Matrix(x), target.data(), nullptr, nullptr, logits, false, {0.0, true, 0.0, 0.0, false, false}, {}};
    Outside outside;
    Block b(in.x.columns);
    Room room(b);
    tally::Verdict verdict;
    Ledger ledger(slots, rows.data(), reinterpret_cast<Wide *>(weights.data()), reinterpret_cast<Wide *>(sums.data()));
    for (int64_t from = 0; from < in.x.rows; from += b.width) {
        if (!prepare(in, from, b, verdict)) break;
        std::copy_n(in.target + from, b.rows, b.target.begin());
        prepare_powers(b, room, logits);
        for (int64_t r = 0; r < b.rows; r += STRIP) {
            const int64_t n = std::min(STRIP, b.rows - r);
            judge_strip(b, room, r, n);
            enter_strip(room, r, n, bucket.data() + from + r, w ? w + from + r : nullptr, ledger);
        }
    }
    if (verdict.fault) throw std::invalid_argument("temperatures: a row cannot be judged");
}

}  // namespace
}  // namespace xent::temperature

void bind_temperature(nb::module_ &m) {
    m.def("temperatures", &xent::temperature::temperatures, nb::arg("x"), nb::arg("logits"), nb::arg("target"), nb::arg("bucket"),
          nb::arg("weight").none(), nb::arg("rows").noconvert(), nb::arg("weights").noconvert(), nb::arg("sums").noconvert(),
          "By bucket and inverse temperature: sums of loss, slope and curvature of rows whose truth has a probability.");
}
