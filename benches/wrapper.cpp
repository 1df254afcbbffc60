// A few rows through the C++ wrapper, to be put beside the same rows in C: what it costs. It runs
// as bench.h says.
#include <sdp_dal.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using timer = std::chrono::steady_clock;

constexpr int batch = 1000;

std::string folder;
std::chrono::milliseconds budget;

struct sample {
    const char *row;
    double seconds;
};

std::vector<sample> samples;

/// Measures until the time is over; the first turn warms up.
template <class Function> void measure(Function turn) {
    turn();
    samples.clear();
    const auto end = timer::now() + budget;
    do {
        turn();
    } while (timer::now() < end);
}

/// The time of one of `count` operations.
template <class Function> void timed(const char *row, int count, Function work) {
    const auto begun = timer::now();
    work();
    const std::chrono::duration<double> passed = timer::now() - begun;
    samples.push_back({row, passed.count() / count});
}

sdp_dal::store open_store() {
    sdp_dal::store_options options;
    options.size = 256u << 20;
    return sdp_dal::store(folder + "/store", options);
}

void small() {
    auto store = open_store();
    const std::array<char, 100> bytes = {1, 2, 3};
    std::vector<sdp_dal::object_id> ids;
    std::vector<sdp_dal::buffer> held;
    for (int i = 0; i < batch; i++) {
        std::array<std::uint8_t, SDP_DAL_ID_SIZE> id = {};
        std::memcpy(id.data(), &i, sizeof i);
        ids.emplace_back(id.data());
    }
    held.reserve(batch);
    measure([&] {
        timed("cpp_small.create_seal", batch, [&] {
            for (const auto &id : ids) {
                auto writer = store.create_object(id, bytes.size());
                std::memcpy(writer.data(), bytes.data(), bytes.size());
                writer.seal();
            }
        });
        timed("cpp_small.get", batch, [&] {
            for (const auto &id : ids)
                held.push_back(store.get_object(id, std::chrono::seconds(0)));
        });
        timed("cpp_small.release", batch, [&] { held.clear(); });
        timed("cpp_small.delete", batch, [&] {
            for (const auto &id : ids) store.delete_object(id);
        });
    });
}

void pin(int cpu) {
    cpu_set_t allowed, set;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&set);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &allowed) && cpu-- == 0) CPU_SET(i, &set);
    if (CPU_COUNT(&set) > 0) sched_setaffinity(0, sizeof set, &set);
}

void add(std::int64_t x, sdp_dal::tensor_view<const std::int64_t, 1> ys,
         sdp_dal::output<std::int64_t, 1> &zs) {
    auto out = zs.create(ys.shape());
    for (std::int64_t i = 0; i < ys.shape(0); i++) out(i) = x + ys(i);
}

void call() {
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(1);
        auto store = open_store();
        sdp_dal::processor processor(store, "bench");
        processor.add<add>("add", {"x", "ys[i]", "zs[i]"});
        processor.start();
        for (;;) processor.process();
    }
    pin(0);
    auto store = open_store();
    sdp_dal::caller_options options;
    options.wait = std::chrono::seconds(10);
    sdp_dal::caller caller(store, {"add(x: int64, ys: int64[i]) -> (zs: int64[i])"}, options);
    const std::vector<std::int64_t> numbers(100);
    const sdp_dal::ref ys = store.put(sdp_dal::view(numbers));
    measure([&] {
        timed("cpp_call.in_the_store", batch / 2, [&] {
            for (int i = 0; i < batch / 2; i++) {
                auto zs = caller.call("add", {{"x", 1}, {"ys", ys}})["zs"].get<std::int64_t, 1>();
                if (zs(0) != 1) std::abort();
            }
        });
    });
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
}

const std::array<std::pair<const char *, void (*)()>, 2> jobs = {
    {{"cpp_small", small}, {"cpp_call", call}}};

} // namespace

int main(int argc, char **argv) try {
    if (argc < 4) {
        for (const auto &job : jobs) std::puts(job.first);
        return 0;
    }
    folder = argv[2];
    budget = std::chrono::milliseconds(std::atoi(argv[3]));
    for (const auto &job : jobs)
        if (std::strcmp(job.first, argv[1]) == 0) job.second();
    for (const auto &sample : samples) std::printf("%s %.4g\n", sample.row, sample.seconds);
    return samples.empty() ? 2 : 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
