// Batches, broadcasts, losses, and what a function can do with its call, by the wrapper.
// argv[1]: the store's path.
#include <atomic>
#include <cmath>
#include <thread>

#include "check.hpp"

using sdp_dal::call;
using sdp_dal::output;
using sdp_dal::tensor_view;
using namespace std::chrono_literals;

static void add(std::int64_t x, tensor_view<const std::int64_t, 1> ys,
                output<std::int64_t, 1> &zs) {
    if (x < 0) throw std::runtime_error("x is negative");
    auto out = zs.create(ys.shape());
    for (std::int64_t i = 0; i < ys.shape(0); i++) out(i) = x + ys(i);
}

static const char *const add_signature = "add(x: int64, ys: int64[i]) -> (zs: int64[i])";

static std::int64_t first(const sdp_dal::ref &zs) { return zs.get<std::int64_t, 1>(1min)(0); }

static void batches(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Batches");
    processor.add<add>("add", {"x", "ys[i]", "zs[i]"});
    processor.start();
    sdp_dal::caller caller(store, {add_signature});
    const std::vector<std::int64_t> numbers = {1, 2};
    auto ys = store.put(sdp_dal::view(numbers), {"i"});

    auto rows = caller.batch(
        "add", {{{"x", 10}, {"ys", ys}}, {{"x", -1}, {"ys", ys}}, {{"x", 30}, {"ys", ys}}});
    CHECK(rows.size() == 3 && rows[2].name(0) == "zs");
    CHECK(!sdp_dal::wait_any({rows[0]["zs"], rows[2]["zs"]}, sdp_dal::poll));
    CHECK(!sdp_dal::wait_all({rows[0]["zs"]}, 1ms));
    CHECK(processor.process());
    CHECK(sdp_dal::wait_any({rows[2]["zs"], rows[0]["zs"]}) == std::size_t{1});
    while (processor.process(sdp_dal::poll)) {
    }
    CHECK(sdp_dal::wait_all({rows[0]["zs"], rows[1]["zs"], rows[2]["zs"]}, sdp_dal::poll));
    CHECK(first(rows[0]["zs"]) == 11 && first(rows[2]["zs"]) == 31);
    auto failure = rows[1]["zs"].failure();
    CHECK(failure && failure->status() == SDP_DAL_FUNCTION_FAILED && !rows[0]["zs"].failure());
    CHECK(rows[1]["zs"].state() == SDP_DAL_STATE_FAILED);
    THROWS(sdp_dal::error, "x is negative", first(rows[1]["zs"]));

    std::vector<sdp_dal::args> many(5);
    for (std::int64_t x = 0; x < 5; x++)
        many[static_cast<std::size_t>(x)].set("x", x).set("ys", ys);
    rows = caller.batch("add", many);
    // A row of which nothing is left is skipped.
    rows.erase(rows.begin() + 1, rows.begin() + 5);
    int runs = 0;
    while (processor.process(sdp_dal::poll)) runs++;
    CHECK(runs == 1 && first(rows[0]["zs"]) == 1);
    CHECK(caller.batch("add", std::vector<sdp_dal::args>()).empty());
    THROWS(sdp_dal::invalid_argument, "row 1", caller.batch("add", {{{"x", 1}, {"ys", ys}}, {}}));

    auto positional = caller.call("add", 5, sdp_dal::view(numbers));
    CHECK(processor.process());
    CHECK(first(positional["zs"]) == 6);
}

static void broadcasts(sdp_dal::store &store) {
    sdp_dal::caller_options options;
    options.minimum_processors = 0;
    options.max_in_flight = 1;
    sdp_dal::caller caller(store, {add_signature}, options);
    const std::vector<std::int64_t> numbers = {1, 2};
    sdp_dal::args arguments;
    arguments.set("x", 1).set("ys", sdp_dal::view(numbers));
    CHECK(caller.broadcast("add", arguments).empty());

    sdp_dal::processor left(store, "Left");
    left.add<add>("add", {"x", "ys[i]", "zs[i]"});
    left.start();
    auto right = std::make_unique<sdp_dal::processor>(store, "Right");
    right->add<add>("add", {"x", "ys[i]", "zs[i]"});
    right->start();
    CHECK(caller.find_processors() == 2);
    CHECK(!caller.next_lost(sdp_dal::poll));

    auto replies = caller.broadcast("add", arguments);
    CHECK(replies.size() == 2 && replies[0].name == "Left" && replies[1].name == "Right");
    CHECK(replies[1].prefix == right->prefix());
    CHECK(left.process(1min));
    CHECK(first(replies[0]["zs"]) == 2);
    // Right still has its call, and room for one.
    auto more = caller.broadcast("add", arguments);
    CHECK(more[0].ok() && more[1].status == SDP_DAL_TIMEOUT && !more[1].error.empty());
    THROWS(sdp_dal::timeout_error, "", more[1]["zs"]);

    auto prefix = right->prefix();
    right.reset();
    THROWS(sdp_dal::processor_lost, "", replies[1]["zs"].wait(1min));
    auto lost = caller.next_lost(1min);
    CHECK(lost && lost->name == "Right" && lost->prefix == prefix);
    CHECK(!caller.next_lost(sdp_dal::poll));
    CHECK(left.process(1min));

    auto rows = caller.broadcast_batch("add", {{{"x", 1}, {"ys", sdp_dal::view(numbers)}},
                                               {{"x", 2}, {"ys", sdp_dal::view(numbers)}}});
    CHECK(rows.size() == 1 && rows[0].rows.size() == 2);
    while (left.process(sdp_dal::poll)) {
    }
    CHECK(first(rows[0].rows[1]["zs"]) == 3);
}

static void selects(sdp_dal::store &store) {
    sdp_dal::processor_options at;
    at.prefix = "0a";
    sdp_dal::processor one(store, "One", at), other(store, "Other", at);
    for (auto *processor : {&one, &other}) {
        processor->add(
            "dot", {"a[i]", "b[i]", "sum[]"},
            [](tensor_view<const double, 1>, tensor_view<const double, 1>, output<double, 0> sum) {
                sum.create({})() = 1;
            },
            [] {
                sdp_dal::function_options loose;
                loose.strict_dims = false;
                return loose;
            }());
        processor->start();
        CHECK(processor->prefix().substr(0, 2) == "0a");
    }
    sdp_dal::caller_options options;
    options.select = SDP_DAL_SELECT_FIRST;
    options.processor_prefix = "0a";
    const std::vector<std::string> dot = {"dot(a: float64[i], b: float64[i]) -> (sum: float64[])"};
    const std::vector<double> two = {1, 2}, three = {1, 2, 3};
    sdp_dal::caller strict(store, dot, options);
    THROWS(sdp_dal::invalid_argument, "",
           strict.call("dot", sdp_dal::view(two), sdp_dal::view(three)));
    options.strict_dims = false;
    sdp_dal::caller loose(store, dot, options);
    auto a = loose.call("dot", sdp_dal::view(two), sdp_dal::view(three));
    auto b = loose.call("dot", sdp_dal::view(two), sdp_dal::view(three));
    CHECK(one.process(1min) && one.process(1min) && !other.process(sdp_dal::poll));
    CHECK((a["sum"].get<double, 0>()() == 1 && b["sum"].get<double, 0>()() == 1));
}

static void attempts(sdp_dal::store &store) {
    auto first = std::make_unique<sdp_dal::processor>(store, "First");
    first->add<add>("add", {"x", "ys[i]", "zs[i]"});
    first->start();
    sdp_dal::caller_options options;
    options.attempts = 2;
    options.full_timeout = sdp_dal::poll;
    sdp_dal::caller caller(store, {add_signature}, options);
    const std::vector<std::int64_t> numbers = {1, 2};
    auto lost = caller.call("add", 1, sdp_dal::view(numbers));
    sdp_dal::processor second(store, "Second");
    second.add<add>("add", {"x", "ys[i]", "zs[i]"});
    second.start();
    first.reset();
    // Issued again by whatever comes past.
    CHECK(!lost["zs"].exists());
    CHECK(second.process(1min));
    CHECK(::first(lost["zs"]) == 2);
    CHECK(caller.processors().at(0).name == "Second");
    store.set_full_timeout(sdp_dal::forever);
    store.set_full_timeout(std::nullopt);
}

// ---- the call itself ----

static std::vector<call> kept;

static void later(call &self, tensor_view<const double, 1> xs, output<double, 0> &sum) {
    CHECK(self.function() == "later" && self.num_params() == 2 && self.param_name(1) == "sum");
    CHECK(self.thread_budget() == 3 && self.row() == 0 && self.id() != sdp_dal::object_id());
    CHECK(self.signature() == "later(xs: float64[i]) -> (sum: float64[])");
    self.set_progress(0.25);
    auto copy = self.copy<double, 1>("xs");
    copy(0) = 1000;
    CHECK(xs(0) == 1);
    (void)sum;
    kept.push_back(self.defer());
}

static void everything(call &self, std::complex<float> c, std::vector<std::byte> bytes,
                       sdp_dal::object_id id, const sdp_dal::ref &any, std::optional<double> half,
                       sdp_dal::object_output out) {
    CHECK(c == std::complex<float>(1, 2) && bytes.size() == 2 && bytes[1] == std::byte{8});
    auto any_bytes = any.get_buffer();
    CHECK(any_bytes.bytes() == "raw" && self.reference("any").id() == any.id());
    CHECK(!half && self.is_null("half") && !self.get<std::optional<double>>("half"));
    CHECK(self.get<std::complex<float>>("c") == c);
    out.put(id.text(), "meta");
}

static void deferred(sdp_dal::store &store) {
    sdp_dal::processor_options options;
    options.threads = 3;
    sdp_dal::processor processor(store, "Deferring", options);
    sdp_dal::function_options ordered;
    ordered.ordered = true;
    processor.add<later>("later", {"xs[i]", "sum[]"}, ordered);
    processor.add<everything>("everything", {"c", "bytes", "id", "any", "half", "out"});
    processor.add("wait_for_cancel", {"out[]"}, [](call &self, output<double, 0>) {
        while (true) {
            self.stop_if_cancelled();
            std::this_thread::sleep_for(1ms);
        }
    });
    processor.add(
        sdp_dal::schema("schemed").add_value("x", "int64").add_tensor<double>("y", {}, true),
        [](call &self) {
            self.output<double, 0>("y").create({})() =
                static_cast<double>(self.get<std::int64_t>("x"));
        });
    processor.start();
    sdp_dal::function_options both;
    both.ordered = both.reentrant = true;
    sdp_dal::processor wrong(store, "Wrong");
    THROWS(sdp_dal::invalid_argument, "", wrong.add<later>("later", {"xs[i]", "sum[]"}, both));

    sdp_dal::caller caller(
        store,
        {"later(xs: float64[i]) -> (sum: float64[])", "wait_for_cancel() -> (out: float64[])",
         "everything(c: complex64, bytes: binary, id: id, any: oid, half: float64?) -> "
         "(out: oid)",
         "schemed(x: int64) -> (y: float64[])"});
    const std::vector<double> numbers = {1, 2, 3};
    auto sum = caller.call("later", sdp_dal::view(numbers))["sum"];
    CHECK(sum.progress() == 0 && !sum.is_running());
    CHECK(processor.process(1min));
    CHECK(!sum.exists() && std::abs(sum.progress() - 0.25) < 1e-6 && sum.is_running());
    // Another thread ends it; its inputs are there until then.
    std::thread([&] {
        auto xs = kept[0].get<tensor_view<const double, 1>>("xs");
        kept[0].output<double, 0>("sum").create({})() = xs(0) + xs(1) + xs(2);
        kept[0].finish();
        kept.clear();
    }).join();
    CHECK((sum.get<double, 0>(1min)() == 6 && sum.progress() == 1));

    // Nobody ends it.
    sum = caller.call("later", sdp_dal::view(numbers))["sum"];
    CHECK(processor.process(1min));
    kept.clear();
    try {
        sum.wait(1min);
        CHECK(false);
    } catch (const sdp_dal::error &problem) {
        CHECK(problem.status() == SDP_DAL_OUTPUT_NOT_WRITTEN);
    }

    auto raw = store.put_object("raw");
    auto id = store.new_id();
    auto out =
        caller.call("everything", {{"c", std::complex<double>(1, 2)},
                                   {"bytes", std::vector<std::byte>{std::byte{7}, std::byte{8}}},
                                   {"id", id},
                                   {"any", raw}})["out"];
    CHECK(processor.process(1min));
    auto made = out.get_buffer();
    CHECK(made.bytes() == id.text() && made.metadata() == "meta");

    auto cancelled = std::make_unique<sdp_dal::results>(caller.call("wait_for_cancel"));
    std::thread runner([&] { CHECK(processor.process(1min)); });
    while (!(*cancelled)["out"].is_running()) std::this_thread::sleep_for(1ms);
    cancelled.reset();
    runner.join();

    auto schemed = caller.call("schemed", 4)["y"];
    CHECK(processor.process(1min));
    CHECK((schemed.get<double, 0>(1min)() == 4));
}

static void pulled(sdp_dal::store &store) {
    sdp_dal::schema function = sdp_dal::schema::parse("pulled(x: int64) -> (y: int64[])");
    function.set_metadata("unit", "Jy");
    sdp_dal::processor processor(store, "Pulled");
    processor.add(function);
    processor.start();
    auto caller = sdp_dal::caller::of_schemas(store, {function});
    auto y = caller.call("pulled", 20)["y"];
    auto taken = processor.next(1min);
    CHECK(taken && taken->function() == "pulled");
    taken->output<std::int64_t, 0>("y").create({})() = 1 + taken->get<std::int64_t>("x");
    taken->finish();
    CHECK((y.get<std::int64_t, 0>(1min)() == 21));
    y = caller.call("pulled", 20)["y"];
    taken = processor.next(1min);
    taken->fail("not today");
    THROWS(sdp_dal::error, "not today", y.wait(1min));
    taken.reset();
    CHECK(!processor.next(sdp_dal::poll));
}

// Threads that wait inside leave when it is shut down, wherever they are; a function may do it.
static void shut_down(sdp_dal::store &store) {
    for (int round = 0; round < 20; round++) {
        sdp_dal::processor processor(store, "Shut");
        processor.add("stop", {"x", "y[]"}, [&](std::int64_t x, output<std::int64_t, 0> y) {
            y.create({})() = x;
            if (x == 0) processor.shutdown();
        });
        processor.start();
        std::atomic<int> lost{0};
        auto work = [&] {
            try {
                while (processor.process()) {
                }
            } catch (const sdp_dal::processor_lost &) {
                lost++;
            }
        };
        std::thread one(work), other(work);
        if (round % 2 == 0) {
            sdp_dal::caller caller(store, {"stop(x: int64) -> (y: int64[])"});
            auto results = caller.call("stop", 0);
            auto y = results["y"].get<std::int64_t, 0>(1min);
            CHECK(y() == 0);
        } else {
            processor.shutdown();
        }
        one.join();
        other.join();
        CHECK(lost == 2);
        THROWS(sdp_dal::processor_lost, "closed", processor.next());
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    batches(store);
    broadcasts(store);
    attempts(store);
    selects(store);
    deferred(store);
    pulled(store);
    shut_down(store);
    return 0;
}
