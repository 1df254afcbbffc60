// Tensors, calls, exceptions and optional parameters by the wrapper. argv[1]: the store's path.
#include <atomic>
#include <numeric>
#include <thread>

#include "check.hpp"

using sdp_dal::output;
using sdp_dal::tensor_view;
using namespace std::chrono_literals;

static void simple_fn(std::int64_t x, tensor_view<const std::int64_t, 1> ys,
                      output<std::int64_t, 1> &zs) {
    if (x == -1) throw std::runtime_error("x must not be -1");
    if (x == -2) throw 17;
    if (x == -3) zs.create({ys.shape(0) + 1});
    auto out = zs.create(ys.shape());
    for (std::int64_t i = 0; i < ys.shape(0); i++) out(i) = x + ys(i);
}

static void everything(bool flag, std::uint8_t small, float ratio, std::string_view name,
                       std::optional<double> scale,
                       std::optional<tensor_view<const std::complex<double>, 2>> vis,
                       output<double, 0> sum, std::optional<output<double, 2>> copy) {
    double total = scale.value_or(1) * (flag ? 1 : 0) * small * static_cast<double>(ratio) +
                   static_cast<double>(name.size());
    if (vis)
        for (std::int64_t i = 0; i < vis->shape(0); i++)
            for (std::int64_t j = 0; j < vis->shape(1); j++) total += (*vis)(i, j).imag();
    sum.create({})() = total;
    if (copy && vis) {
        auto out = copy->create(vis->shape(), true);
        out(0, 0) = 1;
    }
}

static const std::vector<std::string> simple_params = {"x", "ys[i]", "zs[i]"};
static const std::vector<std::string> everything_params = {
    "flag", "small", "ratio", "name", "scale", "vis[row,chan]", "sum[]", "copy[row,chan]"};

static void tensors(sdp_dal::store &store) {
    const std::int32_t values[6] = {0, 1, 2, 3, 4, 5};
    auto ref =
        store.put(tensor_view<const std::int32_t, 2>(values, {3, 2}, {8, 4}), {"row", "pol"});
    CHECK(ref.is_owning() && ref.exists() && ref.id().text().size() == 40);
    auto held = ref.get<std::int32_t, 2>(sdp_dal::poll);
    CHECK(held(2, 1) == 5 && held.shape(0) == 3 && held.size() == 6);
    tensor_view<const std::int32_t, 2> view = held;
    CHECK(view.is_c_contiguous());
    std::int32_t total = 0;
    for (std::int32_t one : ref.get<std::int32_t, 2>(sdp_dal::poll)) total += one;
    CHECK(total == 15);
    THROWS(sdp_dal::invalid_argument, "has 2 dimensions of int32, 1 of int32",
           ref.get<std::int32_t, 1>());
    THROWS(sdp_dal::invalid_argument, "2 of float32 were requested", ref.get<float, 2>());
    THROWS(sdp_dal::invalid_argument, "3 names", store.put(view, {"a", "b", "c"}));

    auto transposed = store.put(tensor_view<const std::int32_t, 2>(values + 5, {2, 3}, {-4, -8}));
    CHECK((transposed.get<std::int32_t, 2>()(1, 2) == 0));

    auto writer = store.create<float, 2>({2, 2}, {"x", "y"}, true);
    CHECK(writer.view()(1, 1) == 0);
    writer.view()(1, 1) = 2.5f;
    auto written = writer.seal();
    THROWS(sdp_dal::invalid_argument, "already sealed", writer.seal());
    CHECK((written.get<float, 2>()(1, 1) == 2.5f));
    { auto aborted = store.create<float, 1>({5}); }

    auto later = store.new_ref<double, 1>({"i"});
    CHECK(!later.exists());
    THROWS(sdp_dal::timeout_error, "", later.wait(1ms));
    const double one[1] = {1};
    later.put(tensor_view<const double, 1>(one, {1}));
    auto copy = later;
    later = written;
    CHECK((copy.get<double, 1>()(0) == 1));
}

static void calls(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "SimpleProcessor");
    int seen = 0;
    auto alive = std::make_shared<int>(1);
    std::weak_ptr<int> watch = alive;
    processor.add<simple_fn>("simple_fn", simple_params);
    processor.add<everything>("everything", everything_params);
    processor.add("count", {"tag[]"}, [&seen, alive](output<std::int64_t, 0> tag) {
        tag.create({})() = ++seen * *alive;
    });
    alive.reset();
    THROWS(sdp_dal::invalid_argument, "2 parameters",
           processor.add<simple_fn>("other", {"x", "ys[i]"}));
    THROWS(sdp_dal::error, "simple_fn", processor.add<simple_fn>("simple_fn", simple_params));
    processor.start();
    CHECK(processor.prefix().size() == 8 && processor.name() == "SimpleProcessor");
    CHECK(!processor.process(sdp_dal::poll));

    sdp_dal::caller caller(store,
                           {sdp_dal::signature_of<simple_fn>("simple_fn", simple_params),
                            sdp_dal::signature_of<everything>("everything", everything_params),
                            "count() -> (tag: int64[])"});
    CHECK(caller.num_processors() == 1 && caller.find_processors() == 1);
    CHECK(caller.processors()[0].name == "SimpleProcessor");
    CHECK(caller.processors()[0].prefix == processor.prefix());

    const std::int64_t values[3] = {1, 2, 3};
    tensor_view<const std::int64_t, 1> ys(values, {3});
    auto results = caller.call("simple_fn", {{"x", 10}, {"ys", ys}});
    CHECK(results.size() == 1 && results.name(0) == "zs");
    THROWS(sdp_dal::error, "ys", results["ys"]);
    CHECK(processor.process());
    auto zs = results["zs"];
    CHECK((zs.get<std::int64_t, 1>()(2) == 13));
    auto second = caller.call("simple_fn", {{"x", 100}, {"ys", zs}});
    CHECK(processor.process(1min));
    CHECK((second["zs"].get<std::int64_t, 1>()(0) == 111));

    auto fails = [&](int x, const char *text) {
        auto failed = caller.call("simple_fn", {{"x", x}, {"ys", ys}});
        CHECK(processor.process());
        try {
            failed["zs"].wait();
            CHECK(false);
        } catch (const sdp_dal::error &problem) {
            CHECK(problem.status() == SDP_DAL_FUNCTION_FAILED);
            CHECK(std::string(problem.what()).find(text) != std::string::npos);
        }
    };
    fails(-1, "x must not be -1");
    fails(-2, "not a std::exception");
    fails(-3, "zs");

    auto count = caller.call("count", {});
    CHECK(processor.process());
    CHECK((count["tag"].get<std::int64_t, 0>()() == 1 && seen == 1));
    CHECK(!watch.expired());

    std::complex<double> vis[4] = {{0, 1}, {0, 2}, {0, 3}, {0, 4}};
    auto full =
        caller.call("everything", {{"flag", true},
                                   {"small", 2u},
                                   {"ratio", 0.5f},
                                   {"name", "abc"},
                                   {"scale", 3.0},
                                   {"vis", tensor_view<std::complex<double>, 2>(vis, {2, 2})}});
    CHECK(processor.process());
    CHECK((full["sum"].get<double, 0>()() == 3 + 3 + 10));
    CHECK((full["copy"].get<double, 2>()(0, 0) == 1 && full["copy"].get<double, 2>()(1, 1) == 0));
    auto little = caller.call("everything", {{"flag", true},
                                             {"small", 2u},
                                             {"ratio", 0.5},
                                             {"name", std::string("abc")},
                                             {"scale", std::optional<double>()},
                                             {"vis", std::nullopt},
                                             {"copy", nullptr}});
    CHECK(processor.process());
    CHECK((little["sum"].get<double, 0>()() == 1 + 3));
    CHECK(!little.get("copy"));
    THROWS(sdp_dal::invalid_argument, "'copy' is null", little["copy"]);

    { sdp_dal::processor gone(std::move(processor)); }
    CHECK(watch.expired());
    THROWS(sdp_dal::error, "", caller.call("simple_fn", {{"x", 10}, {"ys", ys}})["zs"].wait());
}

static void sum(tensor_view<const double, 1> xs, output<double, 0> sum, output<double, 1> again) {
    double total = 0;
    for (std::int64_t i = 0; i < xs.shape(0); i++) total += xs(i);
    sum.create({})() = total;
    again.put(xs.to_vector());
}

#ifdef __cpp_lib_span
static void span_sum(std::span<const double> xs, output<double, 0> sum, output<double, 1> again) {
    sum.create({})() = std::accumulate(xs.begin(), xs.end(), 0.0);
    again.put(xs);
}
#endif

static void letters(const std::string &text, std::string_view same, output<std::uint8_t, 1> of) {
    CHECK(text == same);
    of.put(std::vector<std::uint8_t>(text.begin(), text.end()));
}

static void arguments(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Arguments");
    processor.add<sum>("sum", {"xs[i]", "sum[]", "again[i]"});
    processor.add<letters>("letters", {"text", "same", "of[n]"});
    std::vector<std::string> expected = {
        "sum(xs: float64[i]) -> (sum: float64[], again: float64[i])",
        "letters(text: utf8, same: utf8) -> (of: uint8[n])"};
#ifdef __cpp_lib_span
    processor.add<span_sum>("span_sum", {"xs[i]", "sum[]", "again[i]"});
    expected.push_back("span_sum(xs: float64[i]) -> (sum: float64[], again: float64[i])");
#endif
    processor.start();
    sdp_dal::caller caller(store, expected);
    auto sum_of = [&](const sdp_dal::results &results) {
        CHECK(processor.process());
        CHECK((results["again"].get<double, 1>().to_vector().size() > 0));
        return results["sum"].get<double, 0>()();
    };

    // Arguments hold the tensors that they show.
    std::optional<sdp_dal::args> named;
    sdp_dal::args pushed;
    {
        auto ones = store.put(std::vector<double>(1000, 1.0));
        pushed.push(ones.get<double, 1>());
        named = sdp_dal::args{{"xs", ones.get<double, 1>()}};
    }
    std::vector<sdp_dal::ref> twos;
    for (int i = 0; i < 20; i++) twos.push_back(store.put(std::vector<double>(1000, 2.0)));
    CHECK(sum_of(caller.call("sum", pushed)) == 1000 && sum_of(caller.call("sum", *named)) == 1000);
    auto objects = store.stat().objects;
    pushed.clear();
    named->set("xs", twos[0]);
    CHECK(store.stat().objects < objects);
    CHECK(sum_of(caller.call("sum", *named)) == 2000);

    // What holds elements is a tensor of one dimension.
    std::vector<double> values = {1, 2, 3};
    const std::array<double, 2> pair = {4, 5};
    CHECK((store.put(values, {"i"}).get<double, 1>().to_vector() == values));
    CHECK((store.put(pair).get<double, 1>()(1) == 5));
    const double three[3] = {6, 7, 8};
    std::complex<float> turns[2] = {{0, 1}, {1, 0}};
    CHECK((store.put(three).get<double, 1>()(2) == 8));
    CHECK((store.put(turns).get<std::complex<float>, 1>()(0).imag() == 1));
    CHECK(sum_of(caller.call("sum", three)) == 21);
    CHECK(sum_of(caller.call("sum", {{"xs", three}})) == 21);
    auto later = store.new_ref<double, 1>();
    later.put(values);
    CHECK(sum_of(caller.call("sum", values)) == 6 && sum_of(caller.call("sum", pair)) == 9);
    CHECK(sum_of(caller.call("sum", sdp_dal::args{{"xs", values}})) == 6);
    CHECK(sum_of(caller.call("sum", later)) == 6);
    tensor_view<double, 1> writable(values);
    writable(0) = 10;
    CHECK(sum_of(caller.call("sum", {{"xs", values}})) == 15);
#ifdef __cpp_lib_span
    CHECK(sum_of(caller.call("sum", std::span<const double>(values).subspan(1))) == 5);
    CHECK((store.put(std::span(values)).get<double, 1>().size() == 3));
    // A function of spans, which gets gaps and turned order as they are in C order.
    CHECK(sum_of(caller.call("span_sum", values)) == 15);
    CHECK(sum_of(caller.call("span_sum", tensor_view<double, 1>(&values[2], {2}, {-16}))) == 13);
    CHECK(sum_of(caller.call("span_sum", twos[0])) == 2000);
#endif

    // A NUL byte is a letter as any other in a text, but ends what C takes for a name.
    for (const std::string &text :
         {std::string("ab\0cd", 5), std::string("\0", 1), std::string("plain"), std::string()}) {
        auto of = caller.call("letters", text, std::string_view(text));
        CHECK(processor.process());
        auto found = of["of"].get<std::uint8_t, 1>().to_vector();
        CHECK(std::string(found.begin(), found.end()) == text);
    }
    THROWS(sdp_dal::invalid_argument, "'te...' has a NUL byte inside",
           sdp_dal::args().set(std::string("te\0xt", 5), 1));
    THROWS(sdp_dal::invalid_argument, "NUL byte",
           sdp_dal::schema("f").set_metadata("unit", std::string("J\0y", 3)));
}

static void interrupts(const std::string &path) {
    sdp_dal::processor processor(path, "Interrupted");
    processor.add<simple_fn>("simple_fn", simple_params);
    processor.start();
    std::thread other([&] {
        std::this_thread::sleep_for(20ms);
        processor.interrupt();
    });
    THROWS(sdp_dal::interrupted, "", processor.process());
    other.join();
    processor.interrupt(false);
    CHECK(!processor.process(sdp_dal::poll));
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    CHECK(store.path() == argv[1]);
    tensors(store);
    CHECK(store.prefix().size() == 8);
    calls(store);
    arguments(store);
    interrupts(argv[1]);
    return 0;
}
