// The usage guide's examples: calls, references, graphs, batches, broadcast, scoping.
// Run simple_processor in the same store first (two of them for broadcast).

#include "stopping.hpp"

#include <sdp_dal.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

const std::string signature = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";

/// 0, 1, ... 99, in this program's memory.
std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> values(100);
    std::iota(values.begin(), values.end(), 0);
    return values;
}

/// Waits for a result.
void print(const sdp_dal::ref &zs) {
    const auto values = zs.get<std::int64_t, 1>();
    std::cout << "zs = " << values(0) << " ... " << values(values.shape(0) - 1) << std::endl;
}

sdp_dal::caller open_caller(sdp_dal::store &store) {
    sdp_dal::caller_options options;
    options.wait = 10s;
    return {store, {signature}, options};
}

// Parameters go by position or by name, values or references; outputs that are left out are made.
void simple(sdp_dal::store &store) {
    auto caller = open_caller(store);
    const auto ys = numbers();
    print(caller.call("simple_fn", 1, sdp_dal::view(ys))["zs"]);
    print(caller.call("simple_fn", {{"x", 1}, {"ys", sdp_dal::view(ys)}})["zs"]);
}

// ys goes into shared memory once, and is passed to three calls without a copy.
void references(sdp_dal::store &store) {
    auto caller = open_caller(store);
    const auto values = numbers();
    const sdp_dal::ref ys = store.put(sdp_dal::view(values));
    print(caller.call("simple_fn", 1, ys)["zs"]);
    print(caller.call("simple_fn", 2, ys)["zs"]);
    print(caller.call("simple_fn", 3, ys)["zs"]);
}

// Each result is the next call's input before it exists; this program waits once, at the end.
void graph(sdp_dal::store &store) {
    auto caller = open_caller(store);
    const auto ys = numbers();
    const sdp_dal::ref zs1 = caller.call("simple_fn", 1, sdp_dal::view(ys))["zs"];
    const sdp_dal::ref zs2 = caller.call("simple_fn", 2, zs1)["zs"];
    const sdp_dal::ref zs3 = caller.call("simple_fn", 3, zs2)["zs"];
    print(zs3);
}

// Three calls in one go.
void batch(sdp_dal::store &store) {
    auto caller = open_caller(store);
    const auto values = numbers();
    const sdp_dal::ref ys = store.put(sdp_dal::view(values));
    const auto rows = caller.batch(
        "simple_fn", {{{"x", 1}, {"ys", ys}}, {{"x", 2}, {"ys", ys}}, {{"x", 3}, {"ys", ys}}});
    for (const sdp_dal::results &row : rows) print(row["zs"]);
}

// Every processor that there is gets the call; new ones join when they are looked for.
void broadcast(sdp_dal::store &store) {
    sdp_dal::caller_options options;
    options.minimum_processors = 0;
    sdp_dal::caller caller(store, {signature}, options);
    const auto values = numbers();
    const sdp_dal::ref ys = store.put(sdp_dal::view(values));
    for (std::int64_t i = 0; i < 10; i++) {
        caller.find_processors();
        const auto replies = caller.broadcast("simple_fn", {{"x", i}, {"ys", ys}});
        std::cout << "Have " << replies.size() << " processors" << std::endl;
        for (const sdp_dal::reply &reply : replies) {
            // One may have gone since it was found.
            if (reply.ok()) print(reply["zs"]);
        }
        std::this_thread::sleep_for(100ms);
    }
}

// What runs is what somebody still refers to.
void scoping(sdp_dal::store &store) {
    auto caller = open_caller(store);
    const auto values = numbers();
    const sdp_dal::ref ys = store.put(sdp_dal::view(values));

    // Nobody keeps the result: the call is cancelled, unless a processor was quick.
    caller.call("simple_fn", 1, ys);

    std::vector<sdp_dal::ref> results;
    for (std::int64_t i = 0; i < 100; i++) results.push_back(caller.call("simple_fn", i, ys)["zs"]);
    std::this_thread::sleep_for(10ms);
    int finished = 0;
    for (const sdp_dal::ref &zs : results) finished += zs.exists() ? 1 : 0;
    // What has not begun by now will not.
    results.clear();
    std::cout << finished << " of 100 calls were done in 10 ms, the others are cancelled"
              << std::endl;
}

struct section {
    const char *name;
    void (*run)(sdp_dal::store &);
};

constexpr section sections[] = {{"simple", simple},       {"references", references},
                                {"graph", graph},         {"batch", batch},
                                {"broadcast", broadcast}, {"scoping", scoping}};

int usage(std::ostream &out, const char *program, int status) {
    out << "usage: " << program << " STORE simple|references|graph|batch|broadcast|scoping\n\n"
        << "Calls " << signature << " of a processor in the store at the path\n"
        << "STORE, in the way of one section of the usage guide.\n";
    return status;
}

} // namespace

int main(int argc, char **argv) {
    const std::string first = argc > 1 ? argv[1] : "";
    if (first == "--help" || first == "-h") return usage(std::cout, argv[0], 0);
    if (argc != 3) return usage(std::cerr, argv[0], 2);
    try {
        for (const section &one : sections) {
            if (argv[2] != std::string(one.name)) continue;
            stopping::listen();
            sdp_dal::store store(argv[1]);
            stopping::interruptible guard(store);
            one.run(store);
            return 0;
        }
    } catch (const sdp_dal::interrupted &) {
        return stopping::status();
    } catch (const sdp_dal::error &problem) {
        std::cerr << argv[0] << ": " << problem.what() << '\n';
        return 1;
    }
    return usage(std::cerr, argv[0], 2);
}
