// What is in the store is passed and not put again: argv[1] is the store's path, argv[2]
// "processor" or "caller".
#include <cinttypes>
#include <numeric>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "check.hpp"

using sdp_dal::output;
using sdp_dal::tensor_view;
using std::chrono::minutes;

// The file and the offset in it at which memory begins: the same page, wherever it is mapped.
static std::vector<std::int64_t> place(const void *memory) {
    auto start = reinterpret_cast<std::uintptr_t>(memory);
    std::FILE *maps = std::fopen("/proc/self/maps", "r");
    CHECK(maps != nullptr);
    char line[4096];
    std::vector<std::int64_t> found;
    while (std::fgets(line, sizeof line, maps)) {
        std::uintptr_t first, last, offset;
        std::int64_t inode;
        if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNxPTR " %*s %" SCNd64, &first,
                        &last, &offset, &inode) == 4 &&
            first <= start && start < last)
            found = {inode, static_cast<std::int64_t>(offset + (start - first))};
    }
    std::fclose(maps);
    CHECK(!found.empty());
    return found;
}

// By the index of each element, so that no two orders have the same sum.
static double weighted(const tensor_view<const double, 2> &values) {
    double sum = 0, weight = 0;
    for (double value : values.to_vector()) sum += value * weight++;
    return sum;
}

static void total(tensor_view<const double, 2> values, output<double, 0> sum,
                  output<std::int64_t, 1> where) {
    sum.create({})() = weighted(values);
    where.put(place(values.first()));
}

static void line(tensor_view<const double, 1> values, output<double, 0> sum,
                 output<std::int64_t, 1> where) {
    double weight = 0, all = 0;
    for (double value : values.to_vector()) all += value * weight++;
    sum.create({})() = all;
    where.put(place(values.first()));
}

static void rows(const sdp_dal::table &values, output<double, 0> sum,
                 output<std::int64_t, 1> where) {
    auto flux = values.column<double>("flux");
    sum.create({})() = std::accumulate(flux.first(), flux.first() + flux.shape(0), 0.0);
    where.put(place(flux.first()));
}

static void processor(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Totals");
    processor.add<total>("total", {"values[row,chan]", "sum[]", "where[what]"});
    processor.add<line>("line", {"values[row]", "sum[]", "where[what]"});
    processor.add<rows>("rows", {"values", "sum[]", "where[what]"});
    bool on = true;
    processor.add("stop", {"done[]"}, [&on](output<std::int64_t, 0> done) {
        done.create({})() = 1;
        on = false;
    });
    while (on) CHECK(processor.process(minutes(1)));
}

static std::uint64_t copied(const sdp_dal::store &store) {
    auto stat = sdp_dal::detail::sized<sdp_dal_store_stat>();
    CHECK(sdp_dal_store_get_stat(store.raw(), &stat) == SDP_DAL_OK);
    return stat.copied;
}

static void caller(sdp_dal::store &store) {
    sdp_dal::caller_options options;
    options.wait = minutes(1);
    sdp_dal::caller caller(
        store,
        {"total(values: float64[row,chan]) -> (sum: float64[], where: int64[what])",
         "line(values: float64[row]) -> (sum: float64[], where: int64[what])",
         "rows(values: table) -> (sum: float64[], where: int64[what])",
         "stop() -> (done: int64[])"},
        options);
    // Whether the function saw the memory at `first`, with the right sum; how many bytes were
    // copied.
    auto sent = [&](const char *function, const auto &value, const void *first, double right,
                    std::uint64_t bytes) {
        auto before = copied(store);
        auto results = caller.call(function, value);
        CHECK((results["sum"].template get<double, 0>(minutes(1))() == right));
        auto where = results["where"].template get<std::int64_t, 1>(minutes(1)).to_vector();
        CHECK((where == place(first)) == (bytes == 0));
        CHECK(copied(store) - before == bytes);
    };
    constexpr std::int64_t n = 120, m = 100;
    constexpr std::uint64_t all = n * m * sizeof(double);
    std::vector<double> memory(n * m);
    std::iota(memory.begin(), memory.end(), 1.0);
    const tensor_view<const double, 2> view(memory.data(), {n, m});
    const double right = weighted(view);

    auto stored = store.put(view);
    auto held = stored.get<double, 2>(minutes(1));
    const double *first = held.view().first();
    sent("total", stored, first, right, 0);
    sent("total", held, first, right, 0);
    sent("total", held.view(), first, right, 0);
    sent("total", tensor_view<const double, 2>(first, {n, m}), first, right, 0);
    CHECK(store.put(held.view()).id() == stored.id());
    // Slices: rows, every third channel backwards, turned.
    const tensor_view<const double, 2> slices[] = {{first + 10 * m, {50, m}},
                                                   {first + m - 1, {n, m / 3}, {8 * m, -24}},
                                                   {first, {m, n}, {8, 8 * m}}};
    for (const auto &slice : slices) sent("total", slice, slice.first(), weighted(slice), 0);
    CHECK(store.put(slices[0]).id() != stored.id());
    // What is elsewhere is copied, in whatever order it is.
    sent("total", view, memory.data(), right, all);
    const tensor_view<const double, 2> turned(memory.data(), {m, n}, {8, 8 * m});
    sent("total", turned, memory.data(), weighted(turned), all);
    const tensor_view<const double, 2> backwards(memory.data() + n * m - 1, {n, m}, {-8 * m, -8});
    sent("total", backwards, memory.data(), weighted(backwards), all);
    // In F order, as it was put.
    auto stored_in_f = store.put(turned);
    auto fortran = stored_in_f.get<double, 2>(minutes(1));
    sent("total", fortran, fortran.view().first(), weighted(turned), 0);
    // A vector and a span of one that is in the store.
    auto stored_vector = store.put(memory);
    auto vector = stored_vector.get<double, 1>(minutes(1));
    double sum = 0;
    for (std::size_t i = 0; i < memory.size(); i++) sum += memory[i] * static_cast<double>(i);
    sent("line", memory, memory.data(), sum, all);
    sent("line", vector, vector.view().first(), sum, 0);
#if __cplusplus >= 202002L
    sent("line", std::span(vector.view().first(), memory.size()), vector.view().first(), sum, 0);
#endif
    // What was written in place, by the address at which it was written.
    auto written = store.create<double, 2>({n, m});
    double *at = written.view().data();
    std::copy(memory.begin(), memory.end(), at);
    auto sealed = written.seal();
    sent("total", tensor_view<const double, 2>(at, {n, m}), at, right, 0);
    CHECK(sealed.exists());
    // A table, whole.
    auto table = store.put(sdp_dal::table_builder()
                               .column("flux", std::vector<double>(memory))
                               .column("name", std::vector<std::string>(memory.size(), "source"))
                               .build());
    auto got = table.get_table(minutes(1));
    const double total = std::accumulate(memory.begin(), memory.end(), 0.0);
    sent("rows", got, got.column<double>("flux").first(), total, 0);
    CHECK(store.put(got).id() == table.id());
    caller.call("stop")["done"].wait(minutes(1));
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    sdp_dal::store store(argv[1]);
    if (std::strcmp(argv[2], "processor") == 0) {
        processor(store);
    } else {
        caller(store);
    }
    return 0;
}
