// Schemas, namespaces, clients, objects, events, the log and references' relations, by the wrapper.
// argv[1]: the store's path.
#include <poll.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "check.hpp"

using namespace std::chrono_literals;

// The beginning of DLPack's struct, as its header has it.
struct DLManagedTensorVersioned {
    std::uint32_t major, minor;
    void *context;
    void (*deleter)(DLManagedTensorVersioned *);
};

static void schemas() {
    auto parsed = sdp_dal::schema::parse("f(x: int64, ys: float64[row,uvw=3]?) -> (t: table)");
    CHECK(parsed.name() == "f" && parsed.num_params() == 3 && parsed.index("ys") == 1);
    auto params = parsed.params();
    CHECK(params[0].kind == SDP_DAL_PARAM_VALUE && params[0].type == "int64");
    CHECK(params[1].nullable && params[1].ndim == 2 && params[1].dtype == SDP_DAL_FLOAT64);
    CHECK(params[2].is_output && params[2].kind == SDP_DAL_PARAM_TABLE && params[2].name == "t");

    sdp_dal::schema built("f");
    built.add_value("x", "int64").add_tensor<double>("ys", {"row", "uvw=3"}, false, true);
    built.add_table("t", true).set_metadata("unit", "Jy").set_param_metadata("x", "min", "0");
    auto odd = sdp_dal::schema("f").add_tensor<float>("x", {"a b=2", "", "=3", "\"\\"});
    CHECK(odd.text() == "f(x: float32[\"a b\"=2,*,3,\"\\\"\\\\\"])");
    CHECK(built.text() == parsed.text() && parsed.mismatches(built).empty());
    CHECK(built.metadata().at("unit") == "Jy" && built.param(0).metadata.at("min") == "0");
    CHECK((parsed.param(1).dims ==
           std::vector<std::pair<std::string, std::int64_t>>{{"row", -1}, {"uvw", 3}}));
    auto x = parsed.arrow_type(0);
    CHECK(x->format == std::string("l"));
    CHECK(sdp_dal::schema("v").add_value("x", x.raw()).text() == "v(x: int64)");
    auto columns = sdp_dal::schema::parse("t(t: table{a: utf8})").arrow_type(0);
    CHECK(columns->n_children == 1);
    sdp_dal::check_signature("f(x: int64)");
    THROWS(sdp_dal::invalid_argument, "column", sdp_dal::check_signature("f(x int64)"));
    auto arrow = built.to_arrow();
    auto back = sdp_dal::schema::from_arrow(arrow.raw());
    CHECK(back.text() == parsed.text() && back.metadata() == built.metadata());
    auto copy = back;
    back = sdp_dal::schema("g").add_oid("o").add_id("i", true);
    CHECK(copy.text() == parsed.text() && back.text() == "g(o: oid, i: id?)");
    CHECK(copy.mismatches(sdp_dal::schema("f")).find("ys") != std::string::npos);
    THROWS(sdp_dal::invalid_argument, "column", sdp_dal::schema::parse("f(x int64)"));
}

static void namespaces(sdp_dal::store &store) {
    sdp_dal::namespace_options options;
    options.name = "Reserved";
    options.prefix = "b0";
    options.functions = {sdp_dal::schema::parse("f(x: int64)")};
    options.metadata = {{"purpose", "test"}};
    auto reserved = store.new_namespace(options);
    CHECK(reserved.prefix().substr(0, 2) == "b0");
    bool found = false;
    for (const auto &one : store.namespaces()) {
        if (one.prefix != reserved.prefix()) continue;
        found = true;
        CHECK(one.name == "Reserved" && one.alive && one.owner == store.client());
        CHECK(one.metadata.at("purpose") == "test" && one.functions.size() == 1);
        CHECK(one.functions[0].name() == "f" && !one.arguments.empty() && one.queued == 0);
    }
    CHECK(found);
    auto further = store.new_namespace("Further");
    CHECK(further.prefix() != store.prefix() && further.path() == store.path());
}

static void clients(sdp_dal::store &store, const std::string &path) {
    store.set_client_name("operating");
    auto all = store.clients();
    CHECK(all.size() == 1 && all[0].name == "operating" && all[0].alive && !all[0].host.empty());
    CHECK(all[0].number == store.client());
    bool found = false;
    for (const auto &one : sdp_dal::list_stores())
        if (one.path == path) found = one.clients == 1 && one.size == store.stat().size;
    CHECK(found);
}

static void objects(sdp_dal::store &store) {
    auto before = store.stat().objects;
    auto id = store.new_id();
    {
        sdp_dal::object_options options;
        options.metadata = "about";
        auto writer = store.create_object(id, 5, options);
        CHECK(!store.contains(id) && writer.size() == 5);
        std::memcpy(writer.data(), "bytes", 5);
        writer.seal();
    }
    CHECK(store.contains(id) && store.objects(id.text()).size() == 1);
    auto held = store.get_object(id);
    CHECK(held.bytes() == "bytes" && held.metadata() == "about" && held.id() == id);
    CHECK(store.info(id).data_size == 5 && store.info(id).state == SDP_DAL_STATE_SEALED);
    CHECK(store.holders(id) == std::vector<std::uint32_t>{store.client()});
    CHECK(store.find(id).get_buffer().size() == 5);
    store.set_keep(id, true);
    store.delete_object(id);
    CHECK(!store.contains(id));
    {
        auto cloned = held.clone();
        CHECK(cloned.bytes() == "bytes");
    }
    THROWS(sdp_dal::error, "", store.delete_object(id));
    auto many = store.get_objects({held.id(), store.new_id()}, sdp_dal::poll);
    CHECK(many.size() == 2 && !many[0] && !many[1]);
    auto other = store.put_object("other");
    many = store.get_objects({other.id(), id}, sdp_dal::poll);
    CHECK(many[0]->bytes() == "other" && !many[1]);
    many.clear();
    other = store.put_object("");
    { auto aborted = store.create_object(store.new_id(), 5); }
    CHECK(sdp_dal::object_id::parse(id.text()) == id && !id.is_declaration());
    CHECK(std::hash<sdp_dal::object_id>()(id) ==
          std::hash<sdp_dal::object_id>()(sdp_dal::object_id::parse(id.text())));
    THROWS(sdp_dal::invalid_argument, "has 2 digits", sdp_dal::object_id::parse("0a"));
    { auto gone = std::move(held); }
    { auto gone = std::move(other); }
    CHECK(store.stat().objects == before);
    (void)store.trim();
    CHECK(store.evict(1) == 0); // the store was not made for that
}

static void relations(sdp_dal::store &store) {
    const std::vector<double> one = {1};
    auto later = store.new_ref<double, 1>({"i"});
    auto needed = store.put(sdp_dal::view(one));
    auto id = needed.id();
    later.add_dependency(needed);
    needed = later;
    CHECK(store.contains(id));
    later.put(sdp_dal::view(one));
    later.wait();
    CHECK(!store.contains(id));

    auto other = store.put(sdp_dal::view(one));
    id = other.id();
    later.add_reference(other);
    other = later;
    CHECK(store.contains(id));

    auto again = store.import_ref(later.export_text());
    auto third = sdp_dal::ref::import_text(later.export_text());
    CHECK(again.id() == later.id() && again.is_owning() && third.is_owning());
    THROWS(sdp_dal::invalid_argument, "", store.import_ref("nonsense"));
    CHECK((again.get<double, 1>().clone()(0) == 1));
    CHECK((again.get<double, 1>().id() == later.id()));
}

static void expectations(sdp_dal::store &store) {
    auto later = store.new_ref<float, 2>({"x", "y"});
    CHECK(later.dtype() == SDP_DAL_FLOAT32);
    CHECK((later.dim_names() == std::vector<std::string>{"x", "y"}));
    auto view = later.create<float, 2>({2, 2}, {"x", "y"}, true);
    view(1, 0) = 5;
    CHECK(!later.exists());
    later.seal();
    CHECK((store.find_tensor<float, 2>(later.id(), {"x", ""}).get<float, 2>()(1, 0) == 5));
    THROWS(sdp_dal::invalid_argument, "",
           (store.find_tensor<float, 2>(later.id(), {"u", "v"}).get<float, 2>()));
    CHECK(!store.find(later.id()).dim_names());

    auto fortran = store.create<double, 2>({2, 3}, {}, false, SDP_DAL_ORDER_F);
    CHECK(fortran.view().stride(0) == 8 && fortran.view().stride(1) == 16);
    for (std::int64_t i = 0; i < 2; i++)
        for (std::int64_t j = 0; j < 3; j++) fortran.view()(i, j) = static_cast<double>(10 * i + j);
    auto held = fortran.seal().get<double, 2>();
    CHECK(held(1, 2) == 12 && held.view().stride(0) == 8);

    DLManagedTensorVersioned *exported = held.to_dlpack();
    CHECK(exported->major == 1);
    auto same = sdp_dal::view_from_dlpack<double, 2>(exported);
    CHECK(same.first() == held.view().first() && same.strides() == held.view().strides());
    THROWS(sdp_dal::invalid_argument, "2 dimensions of float64",
           (sdp_dal::view_from_dlpack<float, 2>(exported)));
    exported->deleter(exported);

    auto table = sdp_dal::table_builder().column("a", std::vector<double>{1}).build();
    auto typed = store.new_table_ref(table.schema());
    CHECK(typed.columns()->n_children == 1);
    THROWS(sdp_dal::invalid_argument, "a",
           typed.put(sdp_dal::table_builder().column("b", std::vector<double>{1}).build()));
    typed.put(table);
    CHECK(store.find_table(typed.id(), table.schema()).get_table().num_rows() == 1);
}

static void events(sdp_dal::store &store) {
    auto subscription = store.subscribe(store.prefix());
    CHECK(!subscription.next(sdp_dal::poll));
    auto first = store.put_object("abc", "sdp:about");
    auto id = first.id();
    auto told = subscription.next(1min);
    CHECK(told && told->kind == SDP_DAL_EVENT_SEALED && told->id == id && told->data_size == 3);
    CHECK(told->metadata == "sdp:about" && told->actor == store.client() && told->time_ns > 0);
    first = store.put_object("abc");
    int sealed = 0, deleted = 0;
    for (const sdp_dal::event &one : subscription.within(sdp_dal::poll)) {
        sealed += one.kind == SDP_DAL_EVENT_SEALED ? 1 : 0;
        deleted += one.kind == SDP_DAL_EVENT_DELETED && one.id == id ? 1 : 0;
    }
    CHECK(sealed == 1 && deleted == 1);

    // A loop without an end is ended by interrupting.
    std::atomic<int> seen{0};
    std::thread reader([&] {
        for (const sdp_dal::event &one : subscription) {
            (void)one;
            seen++;
        }
    });
    first = store.put_object("abc");
    while (seen == 0) std::this_thread::sleep_for(1ms);
    store.interrupt();
    reader.join();
    store.interrupt(false);
}

static void event_loop(sdp_dal::store &store) {
    const std::vector<double> one = {1};
    auto later = store.new_ref<double, 1>();
    int fd = store.event_fd();
    later.watch();
    store.clear_event_fd();
    CHECK(!later.exists());
    std::thread writer([&] { later.put(sdp_dal::view(one)); });
    while (!later.exists()) {
        pollfd entry = {fd, POLLIN, 0};
        CHECK(poll(&entry, 1, 60000) == 1);
        store.clear_event_fd();
    }
    writer.join();
    later.watch(false);
    // Of many, those that changed; and what rang before is not theirs, though objects share
    // buckets.
    store.take_changed();
    auto watched = store.new_ref<double, 1>(), other = store.new_ref<double, 1>();
    watched.watch(), other.watch();
    CHECK(store.take_changed().empty());
    watched.put(sdp_dal::view(one));
    auto changed = store.take_changed();
    CHECK(changed.size() == 1 || (changed.size() == 2 && changed[1] == other.id()));
    CHECK(changed[0] == watched.id());
    CHECK(store.take_changed(0).empty());
}

static void logging(sdp_dal::store &store) {
    std::mutex writing;
    std::vector<std::string> lines;
    sdp_dal::set_log(SDP_DAL_LOG_ERROR, [&](std::int32_t level, std::string_view message) {
        std::lock_guard<std::mutex> alone(writing);
        if (level == SDP_DAL_LOG_ERROR) lines.emplace_back(message);
        throw std::runtime_error("nobody sees this");
    });
    sdp_dal::processor processor(store, "Failing");
    processor.add("fails", {}, [] { throw std::runtime_error("no disk"); });
    processor.start();
    sdp_dal::caller caller(store, {"fails()"});
    caller.call("fails");
    CHECK(processor.process(1min));
    CHECK(lines.size() == 1 && lines[0].find("no disk") != std::string::npos);
    sdp_dal::set_log(SDP_DAL_LOG_OFF);
    caller.call("fails");
    CHECK(processor.process(1min));
    CHECK(lines.size() == 1);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    CHECK(setenv("SDP_DAL_STORE", argv[1], 1) == 0);
    CHECK(sdp_dal::store().path() == argv[1]);
    schemas();
    namespaces(store);
    clients(store, argv[1]);
    objects(store);
    relations(store);
    expectations(store);
    events(store);
    event_loop(store);
    logging(store);
    return 0;
}
