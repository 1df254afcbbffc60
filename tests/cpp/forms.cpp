// Forms of a function by the wrapper: templates as one function of several element types.
// argv[1]: the store's path; with argv[2] it is the processor.
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

using sdp_dal::output;
using sdp_dal::tensor_view;
using namespace std::chrono_literals;

template <class T>
static void scale(T factor, tensor_view<const std::complex<T>, 1> vis,
                  std::optional<tensor_view<const T, 1>> wgt, output<std::complex<T>, 1> &scaled) {
    auto out = scaled.create(vis.shape());
    for (std::int64_t i = 0; i < vis.shape(0); i++)
        out(i) = factor * vis(i) * (wgt ? (*wgt)(i) : T(1));
}

static void other(std::int64_t, output<double, 1> &) {}

static const std::vector<std::string> params = {"factor", "vis[i]", "wgt[i]", "scaled[i]"};

static void be_processor(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Scaler");
    processor.add<scale<float>, scale<double>>("scale", params);
    THROWS(sdp_dal::error, "this is no further form of it: its parameters are n, x",
           processor.add<other>("scale", {"n", "x[i]"}));
    // What is registered at run time may be a form, too.
    sdp_dal::schema first = sdp_dal::schema::parse("size(x: int8[i]) -> (n: int64[])");
    sdp_dal::schema second = sdp_dal::schema::parse("size(x: int16[i]) -> (n: int64[])");
    auto size = [](sdp_dal::call &call) {
        const bool is_second = call.signature().find("int16") != std::string::npos;
        call.output<std::int64_t, 0>("n").create({})() = is_second ? 2 : 1;
    };
    processor.add(first, size);
    processor.add(second, size);
    processor.start();
    while (true) processor.process();
}

template <class T> static T real(const sdp_dal::ref &scaled) {
    return scaled.get<std::complex<T>, 1>(1min)(1).real();
}

static void calls(sdp_dal::store &store) {
    sdp_dal::caller_options patient;
    patient.wait = 1min;
    sdp_dal::caller caller(store,
                           {sdp_dal::signature_of<scale<float>>("scale", params).c_str(),
                            sdp_dal::signature_of<scale<double>>("scale", params).c_str()},
                           patient);
    const std::vector<std::complex<float>> small = {1, 2};
    const std::vector<std::complex<double>> large = {3, 4};
    const std::vector<double> weights = {10, 10};
    CHECK(real<float>(caller.call("scale", 2.0, sdp_dal::view(small))["scaled"]) == 4);
    CHECK(real<double>(caller.call("scale", 2.0, sdp_dal::view(large))["scaled"]) == 8);
    sdp_dal::args both;
    both.set("factor", 2.0).set("vis", sdp_dal::view(large)).set("wgt", sdp_dal::view(weights));
    CHECK(real<double>(caller.call("scale", both)["scaled"]) == 80);
    both.set("vis", sdp_dal::view(small));
    THROWS(sdp_dal::invalid_argument,
           "fit no form: scale<float32,complex64,float32,complex64> ('wgt' is float64, expected "
           "float32[i])",
           caller.call("scale", both));
    // References know their type, also those to what is yet to come.
    auto chain = caller.call("scale", 2.0, sdp_dal::view(large));
    for (int i = 0; i < 3; i++) chain = caller.call("scale", 2.0, chain["scaled"]);
    CHECK(real<double>(chain["scaled"]) == 64);
    auto vis = store.put(sdp_dal::view(small), {"i"});
    auto rows =
        caller.batch("scale", {{{"factor", 2.0}, {"vis", vis}}, {{"factor", 3.0}, {"vis", vis}}});
    CHECK(real<float>(rows[1]["scaled"]) == 6);
    auto replies = caller.broadcast("scale<complex64>", {{"factor", 1.0}, {"vis", vis}});
    CHECK(replies.size() == 1 && real<float>(replies[0]["scaled"]) == 2);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    if (argc > 2) {
        be_processor(store);
        return 0;
    }
    const pid_t processor = fork();
    if (processor == 0) {
        execl("/proc/self/exe", "forms", argv[1], "processor", nullptr);
        _exit(127);
    }
    CHECK(processor > 0);
    calls(store);
    {
        sdp_dal::caller_options patient;
        patient.wait = 1min;
        sdp_dal::caller caller(store, {"size(x: int16[i]) -> (n: int64[])"}, patient);
        const std::vector<std::int16_t> x = {1};
        auto n = caller.call("size", sdp_dal::view(x))["n"].get<std::int64_t, 0>(1min);
        CHECK(n() == 2);
    }
    CHECK(kill(processor, SIGKILL) == 0 && waitpid(processor, nullptr, 0) == processor);
    return 0;
}
