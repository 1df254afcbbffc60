// Tables by the wrapper: built, read, put, and passed between processes.
// argv[1]: the store's path. argv[2]: "alone", "processor" or "caller".
#include "check.hpp"

using sdp_dal::table;
using sdp_dal::table_builder;
using sdp_dal::tensor_view;
using namespace std::string_literals;

static table antennas() {
    std::vector<double> diameters = {13.5, 15, 15};
    const double *memory = diameters.data();
    table made =
        table_builder()
            .column("name", std::vector<std::string>{"M000", "", "SKA001"})
            .column("diameter", std::move(diameters))
            .column("flagged", std::vector<bool>{false, true, false})
            .column("station", std::vector<std::optional<std::int32_t>>{7, std::nullopt, 9})
            .column("mount", std::vector<std::optional<std::string>>{"alt-az", "", std::nullopt})
            .build();
    // The vector itself is the column.
    CHECK(made.column<double>("diameter").data() == memory);
    return made;
}

static void has_antennas(const table &held) {
    CHECK(held.num_columns() == 5 && held.num_batches() == 1 && held.num_rows() == 3);
    CHECK((held.column_names() ==
           std::vector<std::string>{"name", "diameter", "flagged", "station", "mount"}));
    auto names = held.texts("name");
    CHECK(names.size() == 3 && names[0] == "M000" && names[1].empty() && names[2] == "SKA001");
    auto diameters = held.column<double>("diameter");
    CHECK(diameters.shape(0) == 3 && diameters(0) == 13.5 && diameters(2) == 15);
    CHECK((held.bools("flagged") == std::vector<bool>{false, true, false}));
    CHECK(held.column<std::int32_t>("station")(2) == 9);
    CHECK(!held.is_null("station", 0) && held.is_null("station", 1) && !held.is_null("name", 1));
    CHECK(held.texts("mount")[0] == "alt-az" && held.is_null("mount", 2));
    CHECK(!held.is_null("mount", 1));
}

static void built_and_read() {
    table made = antennas();
    has_antennas(made);
    table copy = made;
    made = table();
    CHECK(made.num_columns() == 0 && made.num_rows() == 0);
    has_antennas(copy);
    THROWS(sdp_dal::invalid_argument, "no column 'nam', but name, diameter", copy.texts("nam"));
    THROWS(sdp_dal::invalid_argument, "format 'g', int64 ('l') was requested",
           copy.column<std::int64_t>("diameter"));
    THROWS(sdp_dal::invalid_argument, "format 'u', bool ('b')", copy.bools("name"));
    THROWS(sdp_dal::invalid_argument, "but the index is 3", copy.is_null("name", 3));
    THROWS(sdp_dal::invalid_argument, "but the index is 1", copy.column<double>("diameter", 1));
    THROWS(sdp_dal::invalid_argument, "column 'b' has 2 rows, but 'a' has 1",
           table_builder()
               .column("a", std::vector<int>{1})
               .column("b", std::vector<int>{1, 2})
               .build());
    THROWS(sdp_dal::invalid_argument, "two columns 'a'",
           table_builder().column("a", std::vector<int>{1}).column("a", std::vector<int>{1}));
}

// What an importer of Arrow's may do: take children away, and release in any order.
static void streams() {
    sdp_dal::arrow_array kept;
    {
        sdp_dal::arrow_stream stream = antennas().stream();
        sdp_dal::arrow_schema type;
        CHECK(stream->get_schema(stream.raw(), type.raw()) == 0 && type->n_children == 5);
        sdp_dal::arrow_array batch, end;
        CHECK(stream->get_next(stream.raw(), batch.raw()) == 0 && batch->length == 3);
        CHECK(stream->get_next(stream.raw(), end.raw()) == 0 && end->release == nullptr);
        kept = sdp_dal::arrow_array(batch->children[1]);
    }
    CHECK(static_cast<const double *>(kept->buffers[1])[0] == 13.5);
    sdp_dal::arrow_stream again = antennas().stream();
    has_antennas(table(again.raw()));
    CHECK(again->release == nullptr);
}

static void in_the_store(sdp_dal::store &store) {
    auto reference = store.put(antennas());
    auto held = reference.get_table();
    reference = store.new_table_ref();
    has_antennas(held);
    CHECK(!reference.exists());
    reference.put(held);
    has_antennas(reference.get_table(sdp_dal::poll));
    THROWS(sdp_dal::invalid_argument, "", (reference.get<double, 1>()));

    auto pieces = store.put(held, 2).get_table();
    CHECK(pieces.num_batches() == 2 && pieces.num_rows() == 3 && pieces.num_rows(1) == 1);
    CHECK(pieces.column<double>("diameter", 1)(0) == 15 && pieces.texts("name", 1)[0] == "SKA001");
    THROWS(sdp_dal::invalid_argument, "2 record batches: get the column of one",
           pieces.column<double>("diameter"));
    CHECK(pieces.bools("flagged").size() == 3);

    auto empty = store.put(table_builder().column("x", std::vector<float>()).build()).get_table();
    CHECK(empty.num_rows() == 0 && empty.column<float>("x").size() == 0);
}

// ---- in calls ----

static void widest(const table &dishes, std::optional<table> more, double factor,
                   sdp_dal::table_output &widest, sdp_dal::output<double, 0> sum,
                   std::optional<sdp_dal::table_output> all) {
    double best = 0, total = 0;
    std::string name;
    auto names = dishes.texts("name");
    auto diameters = dishes.column<double>("diameter");
    for (std::size_t i = 0; i < names.size(); i++) {
        double diameter = diameters(static_cast<std::int64_t>(i));
        total += diameter;
        if (diameter <= best) continue;
        best = diameter;
        name = std::string(names[i]);
    }
    if (more) total += static_cast<double>(more->num_rows());
    widest.put(table_builder()
                   .column("name", std::vector<std::string>{name})
                   .column("diameter", std::vector<double>{factor * best})
                   .build());
    sum.create({})() = total;
    if (all) all->put(dishes);
}

static const std::vector<std::string> widest_params = {
    "dishes", "more", "factor", "widest{name: utf8, diameter: float64}", "sum[]", "all"};

static void takes_table(const table &) {}

static void signatures() {
    CHECK(sdp_dal::signature_of<widest>("widest", widest_params) ==
          "widest(in dishes: table, in more: table?, in factor: float64, out widest: table{name: "
          "utf8, diameter: float64}, out sum: float64[], out all: table?)");
    auto with = [](const std::string &param) {
        return sdp_dal::signature_of<takes_table>("f", {param});
    };
    CHECK(with("t{a: int64}") == "f(in t: table{a: int64})");
    THROWS(sdp_dal::invalid_argument, "[i] is given, but the C++ type is a table", with("t[i]"));
    THROWS(sdp_dal::invalid_argument, "is missing its closing brace", with("t{a: int64"));
}

static void processor(sdp_dal::store &store) {
    sdp_dal::processor processor(store, "Tables");
    processor.add<widest>("widest", widest_params);
    for (int i = 0; i < 3; i++) CHECK(processor.process(std::chrono::minutes(1)));
}

static void caller(sdp_dal::store &store) {
    sdp_dal::caller_options options;
    options.wait = std::chrono::minutes(1);
    sdp_dal::caller caller(store, {sdp_dal::signature_of<widest>("widest", widest_params)},
                           options);
    auto dishes = store.put(antennas());
    auto first = caller.call("widest", {{"dishes", dishes}, {"factor", 2.0}, {"all", nullptr}});
    auto found = first["widest"].get_table(std::chrono::minutes(1));
    CHECK(found.texts("name")[0] == "SKA001"s || found.texts("name")[0] == ""s);
    CHECK(found.column<double>("diameter")(0) == 30 && !first.get("all"));
    // A table by value, and one that another call has made.
    auto second =
        caller.call("widest", {{"dishes", antennas()}, {"more", dishes}, {"factor", 1.0}});
    auto third = caller.call("widest", second["all"], second["widest"], 1.0);
    CHECK((second["sum"].get<double, 0>(std::chrono::minutes(1))() == 43.5 + 3));
    CHECK((third["sum"].get<double, 0>(std::chrono::minutes(1))() == 43.5 + 1));
    has_antennas(third["all"].get_table());
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    sdp_dal::store_options options;
    options.size = 16 << 20;
    sdp_dal::store store(argv[1], options);
    if (argv[2] == "alone"s) {
        built_and_read();
        streams();
        signatures();
        in_the_store(store);
    } else if (argv[2] == "processor"s) {
        processor(store);
    } else {
        caller(store);
    }
    return 0;
}
