// The order of tensors that a C library wants: argv[1] is the store's path, argv[2] "processor" or
// "caller".
#include <numeric>

#include "check.hpp"

using sdp_dal::dense_view;
using sdp_dal::output;
using sdp_dal::tensor_view;
using namespace std::string_literals;
using std::chrono::minutes;

// ---- stand-ins for C libraries, which know no strides ----

static double by_rows(std::size_t rows, std::size_t columns, const double *elements) {
    double sum = 0;
    for (std::size_t i = 0; i < rows; i++)
        for (std::size_t j = 0; j < columns; j++)
            sum += static_cast<double>(1 + 10 * i + 100 * j) * elements[i * columns + j];
    return sum;
}

static double by_columns(std::size_t rows, std::size_t columns, const double *elements) {
    double sum = 0;
    for (std::size_t i = 0; i < rows; i++)
        for (std::size_t j = 0; j < columns; j++)
            sum += static_cast<double>(1 + 10 * i + 100 * j) * elements[j * rows + i];
    return sum;
}

// ---- the processor ----

static std::size_t size(const tensor_view<const double, 2> &f, std::size_t dim) {
    return static_cast<std::size_t>(f.shape(dim));
}

static void rows(dense_view<const double, 2> f, output<double, 0> sum) {
    sum.create({})() = by_rows(size(f, 0), size(f, 1), f.data());
}

static void maybe(std::optional<dense_view<const double, 2>> f, output<double, 0> sum) {
    sum.create({})() = f ? by_rows(size(*f, 0), size(*f, 1), f->data()) : -1;
}

static void columns(tensor_view<const double, 2> f, output<double, 0> sum) {
    sum.create({})() = by_columns(size(f, 0), size(f, 1), f.first());
}

static void strides(tensor_view<const double, 2> f, output<double, 0> sum,
                    output<std::int64_t, 1> of) {
    auto dense = f.to_vector();
    sum.create({})() = by_rows(size(f, 0), size(f, 1), dense.data());
    of.put(f.strides());
}

static void checked(tensor_view<const double, 2> f, output<double, 0> sum) {
    sum.create({})() = by_rows(size(f, 0), size(f, 1), dense_view<const double, 2>(f).data());
}

static void made(tensor_view<const double, 2> f, output<double, 2> c, output<double, 2> g,
                 output<double, 2> h, output<double, 2> k) {
    auto fill = [&](const tensor_view<double, 2> &to) {
        for (std::int64_t i = 0; i < f.shape(0); i++)
            for (std::int64_t j = 0; j < f.shape(1); j++) to(i, j) = f(i, j);
        return to.strides();
    };
    CHECK(fill(c.create(f.shape()))[1] == 8);
    CHECK(fill(g.create(f.shape()))[0] == 8);
    h.put(f);
    CHECK(fill(k.create(f.shape(), false, SDP_DAL_ORDER_C))[1] == 8);
}

// By name, of a function that asks for no order, and for F order.
static void by_name(sdp_dal::call &call) {
    auto stored = call.get<tensor_view<const double, 2>>("f");
    auto dense = call.get<dense_view<const double, 2>>("f");
    CHECK((dense.data() == call.get<dense_view<const double, 2>>("f").data()));
    CHECK(stored.is_c_contiguous() == (dense.data() == stored.first()));
    auto copy = call.copy<double, 2>("f");
    CHECK(copy.strides() == stored.strides() && copy.first() != stored.first());
    CHECK(copy.first() == (call.copy<double, 2>("f").first()));

    auto fortran = call.get<tensor_view<const double, 2>>("g");
    CHECK(fortran.stride(0) == 8 && fortran.stride(1) == 8 * fortran.shape(0));
    CHECK((call.get<std::optional<tensor_view<const double, 2>>>("g")->first() == fortran.first()));
    auto scribbled = call.copy<double, 2>("g");
    CHECK(scribbled.stride(0) == 8);
    scribbled(0, 0) = 1e9;
    auto kept = call.hold<double, 2>("g");
    CHECK(kept.view().first() == fortran.first() && kept(0, 0) == fortran(0, 0));

    // What the C interface says of both orders.
    auto view = sdp_dal::detail::sized<sdp_dal_tensor_view>();
    for (std::int32_t order : {SDP_DAL_ORDER_C, SDP_DAL_ORDER_F}) {
        for (const char *name : {"f", "g"}) {
            CHECK(sdp_dal_call_get_tensor(call.raw(), name, order, &view) == SDP_DAL_OK);
            CHECK(view.order == order);
            const double *elements = static_cast<const double *>(view.data);
            auto rows = static_cast<std::size_t>(view.shape[0]),
                 columns = static_cast<std::size_t>(view.shape[1]);
            double sum = order == SDP_DAL_ORDER_C ? by_rows(rows, columns, elements)
                                                  : by_columns(rows, columns, elements);
            CHECK(sum == by_rows(rows, columns, dense.data()));
        }
    }
    CHECK(sdp_dal_call_get_tensor(call.raw(), "g", SDP_DAL_ORDER_ANY, &view) == SDP_DAL_OK);
    CHECK(view.data == fortran.first());
    CHECK(sdp_dal_call_get_tensor(call.raw(), "g", 3, &view) == SDP_DAL_INVALID_ARGUMENT &&
          view.data == nullptr);
    call.output<double, 0>("sum").create({})() =
        by_rows(size(dense, 0), size(dense, 1), dense.data());
    // A tensor of the program's own outlives the call.
    static std::optional<sdp_dal::tensor<double, 2>> last;
    last.emplace(std::move(kept));
}

static const std::vector<std::string> made_params = {"f[n,m]", "c[n,m]", "g[n,m] F", "h[n,m] F",
                                                     "k[n,m] F"};
static const char by_name_signature[] =
    "by_name(f: float64[n,m], g: float64[n,m] F) -> (sum: float64[])";

static void processor(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Order");
    processor.add<rows>("rows", {"f[n,m]", "sum[]"});
    processor.add<maybe>("maybe", {"f[n,m]", "sum[]"});
    processor.add<columns>("columns", {"f[n,m] F", "sum[]"});
    processor.add<strides>("strides", {"f[n,m]", "sum[]", "of[2]"});
    processor.add<checked>("checked", {"f[n,m]", "sum[]"});
    processor.add<made>("made", made_params);
    processor.add(sdp_dal::schema::parse(by_name_signature), by_name);
    bool on = true;
    processor.add("stop", {"done[]"}, [&on](output<std::int64_t, 0> done) {
        done.create({})() = 1;
        on = false;
    });
    while (on) CHECK(processor.process(minutes(1)));
}

// ---- the caller ----

static void signatures() {
    using sdp_dal::signature_of;
    CHECK(signature_of<rows>("rows", {"f[n,m]", "sum[]"}) ==
          "rows(in f: float64[n,m] C, out sum: float64[])");
    CHECK(signature_of<rows>("rows", {"f[n,m] C", "sum[]"}) ==
          "rows(in f: float64[n,m] C, out sum: float64[])");
    CHECK(signature_of<maybe>("maybe", {"f[n,m]", "sum[]"}) ==
          "maybe(in f: float64[n,m] C?, out sum: float64[])");
    CHECK(signature_of<columns>("columns", {"f[n,m] F", "sum[] C"}) ==
          "columns(in f: float64[n,m] F, out sum: float64[] C)");
    THROWS(sdp_dal::invalid_argument, "a dense_view or a span is in C order",
           signature_of<rows>("rows", {"f[n,m] F", "sum[]"}));
    THROWS(sdp_dal::invalid_argument, "'G' after the dimensions is not an order",
           signature_of<columns>("columns", {"f[n,m] G", "sum[]"}));
    auto built = sdp_dal::schema("f").add_tensor<double>("x", {"n"}, false, false, SDP_DAL_ORDER_F);
    CHECK(built.text() == "f(x: float64[n] F)" && built.param(0).order == SDP_DAL_ORDER_F);
}

static void views() {
    double elements[6] = {0, 1, 2, 3, 4, 5};
    tensor_view<double, 2> turned(elements, {3, 2}, {8, 24});
    THROWS(sdp_dal::invalid_argument, "are not in C order", turned.data());
    CHECK(turned.first() == elements &&
          (turned.to_vector() == std::vector<double>{0, 3, 1, 4, 2, 5}));
    THROWS(sdp_dal::invalid_argument, "are not in C order", dense_view<double, 2>{turned});
    tensor_view<const double, 1> backwards(elements + 5, {6}, {-8});
    THROWS(sdp_dal::invalid_argument, "are not in C order", backwards.data());
    CHECK(backwards.to_vector().front() == 5);
    CHECK((tensor_view<double, 2>(elements, {2, 3}).data() == elements));
    CHECK((tensor_view<const double, 0>(elements, {}).to_vector() == std::vector<double>{0}));
    CHECK((tensor_view<const double, 2>(nullptr, {0, 4}).to_vector().empty()));
}

static void caller(sdp_dal::store &store) {
    sdp_dal::caller_options options;
    options.wait = minutes(1);
    sdp_dal::caller caller(store,
                           {"rows(f: float64[n,m]) -> (sum: float64[])",
                            "maybe(f: float64[n,m]?) -> (sum: float64[])",
                            "columns(f: float64[n,m]) -> (sum: float64[])",
                            "strides(f: float64[n,m] C) -> (sum: float64[], of: int64[2])",
                            "checked(f: float64[n,m]) -> (sum: float64[])",
                            sdp_dal::signature_of<made>("made", made_params), by_name_signature,
                            "stop() -> (done: int64[])"},
                           options);
    constexpr std::int64_t n = 5, m = 7;
    std::vector<double> memory(3 * n * m);
    std::iota(memory.begin(), memory.end(), 1.0);
    auto sum = [&](const char *function, const auto &...arguments) {
        return caller.call(function, arguments...)["sum"].template get<double, 0>(minutes(1))();
    };
    // In C order, in F order (what numpy's asfortranarray gives), transposed, and with gaps.
    const tensor_view<const double, 2> views[] = {{memory.data(), {n, m}},
                                                  {memory.data(), {n, m}, {8, 8 * n}},
                                                  {memory.data(), {m, n}, {8, 8 * m}},
                                                  {memory.data(), {n, m}, {16 * m, 16}}};
    for (const auto &view : views) {
        auto dense = view.to_vector();
        double right = by_rows(size(view, 0), size(view, 1), dense.data());
        auto stored = store.put(view);
        auto held = stored.get<double, 2>();
        CHECK(sum("rows", stored) == right && sum("rows", view) == right &&
              sum("rows", held) == right);
        CHECK(sum("maybe", stored) == right && sum("maybe", std::nullopt) == -1);
        CHECK(sum("columns", stored) == right && sum("columns", view) == right);
        CHECK(sum("by_name", stored, stored) == right && sum("by_name", view, stored) == right);
        CHECK(sum("strides", stored) == right);

        auto lies = [&](const sdp_dal::results &results) {
            auto of = results["of"].get<std::int64_t, 1>(minutes(1));
            return of(0) < of(1) ? SDP_DAL_ORDER_F : SDP_DAL_ORDER_C;
        };
        bool fortran = !held.view().is_c_contiguous();
        CHECK((lies(caller.call("strides", stored)) == SDP_DAL_ORDER_F) == fortran);
        // The caller's own signature asks for C: what it gives by value is put so.
        CHECK(lies(caller.call("strides", view)) == SDP_DAL_ORDER_C);
        if (fortran)
            THROWS(sdp_dal::error, "are not in C order", sum("checked", stored));
        else
            CHECK(sum("checked", stored) == right);

        auto results = caller.call("made", stored);
        for (const char *name : {"c", "g", "h", "k"}) {
            auto out = results[name].get<double, 2>(minutes(1));
            CHECK(out.to_vector() == dense);
            CHECK(out.view().is_c_contiguous() == (*name == 'c' || *name == 'k'));
        }
    }
    caller.call("stop")["done"].wait(minutes(1));
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    if (argv[2] == "processor"s) {
        processor(store);
    } else {
        signatures();
        views();
        caller(store);
    }
    return 0;
}
