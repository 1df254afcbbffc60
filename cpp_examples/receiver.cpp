// A receiver: writes payloads of visibilities straight into the store and broadcasts them to every
// payload_processor, or shares them out. One that dies is told of, and the others go on. A payload
// that was shared out goes to another processor if its own dies.

#include "payload.hpp"
#include "stopping.hpp"

#include <getopt.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <iostream>
#include <map>
#include <stdexcept>
#include <vector>

namespace {

using sdp_dal::table;
using sdp_dal::table_builder;
using clock_type = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

struct settings {
    std::string store;
    std::int64_t payloads = 20, processors = 4, in_flight = 3;
    // 32 antennas, each with itself too: 528 baselines; 75 MB in all.
    std::int64_t times = 4, antennas = 32, channels = 1110;
    // Payloads a second; 0: as fast as they are taken.
    double rate = 0;
    // Each payload goes to one processor, not to all.
    bool share = false;

    std::int64_t baselines() const { return antennas * (antennas + 1) / 2; }
    std::array<std::int64_t, 4> shape() const { return {times, baselines(), channels, 4}; }
    double bytes() const {
        return double(times) * double(baselines()) * double(channels) * 4 * sizeof(visibility);
    }
};

/// What is the same for all payloads. It goes into the store once.
class metadata {
public:
    metadata(sdp_dal::store &store, const settings &chosen) {
        const auto antennas = std::size_t(chosen.antennas), channels = std::size_t(chosen.channels);
        std::vector<std::string> names;
        for (std::size_t i = 0; i < antennas; i++) names.push_back("C" + std::to_string(i));
        put(store, "antennas",
            table_builder()
                .column("name", names)
                .column("diameter", std::vector<double>(antennas, 15)));
        std::vector<std::int32_t> first, second;
        for (std::int32_t i = 0; i < std::int32_t(antennas); i++)
            for (std::int32_t j = i; j < std::int32_t(antennas); j++) {
                first.push_back(i);
                second.push_back(j);
            }
        put(store, "baselines",
            table_builder()
                .column("antenna1", std::move(first))
                .column("antenna2", std::move(second)));
        std::vector<double> frequencies(channels);
        for (std::size_t i = 0; i < channels; i++) frequencies[i] = 350e6 + 5.4e3 * double(i);
        put(store, "spectral_window",
            table_builder()
                .column("frequency", std::move(frequencies))
                .column("width", std::vector<double>(channels, 5.4e3)));
        put(store, "polarization",
            table_builder().column("name", std::vector<std::string>{"XX", "XY", "YX", "YY"}));
        put(store, "field",
            table_builder()
                .column("name", std::vector<std::string>{"zenith"})
                .column("right_ascension", std::vector<double>{1.25})
                .column("declination", std::vector<double>{-0.47}));
    }

    void give(sdp_dal::args &arguments) const {
        for (const auto &[name, reference] : tables_) arguments.set(name, reference);
    }

private:
    void put(sdp_dal::store &store, const std::string &name, table_builder &built) {
        tables_.emplace(name, store.put(built.build()));
    }

    std::map<std::string, sdp_dal::ref> tables_;
};

/// What was measured in a payload's time, written where it will be read.
sdp_dal::ref write_visibilities(sdp_dal::store &store, const settings &chosen, std::int64_t number,
                                std::uint64_t &sum) {
    auto writer =
        store.create<visibility, 4>(chosen.shape(), {"time", "baseline", "channel", "pol"});
    auto vis = writer.view();
    const float when = float(number);
    for (std::size_t i = 0; i < vis.size(); i++) vis.data()[i] = {float(i & 0xffff), when};
    sum = checksum(sdp_dal::dense_view<const visibility, 4>(vis));
    return writer.seal();
}

sdp_dal::args write_payload(sdp_dal::store &store, const settings &chosen, std::int64_t number) {
    std::uint64_t sum = 0;
    sdp_dal::args arguments;
    arguments.set("vis", write_visibilities(store, chosen, number, sum));
    auto uvw =
        store.create<double, 3>({chosen.times, chosen.baselines(), 3}, {"time", "baseline", "uvw"});
    for (std::size_t i = 0; i < uvw.view().size(); i++)
        uvw.view().data()[i] = 100 * std::sin(double(i) + double(number));
    arguments.set("uvw", uvw.seal());

    auto index = store.create<std::int64_t, 1>({chosen.times}, {"time"});
    auto times = store.create<double, 1>({chosen.times}, {"time"});
    for (std::int64_t i = 0; i < chosen.times; i++) {
        index.view()(i) = number * chosen.times + i;
        times.view()(i) = 0.9 * double(index.view()(i));
    }
    const std::vector<double> interval(std::size_t(chosen.times), 0.9);
    auto same = store.put(sdp_dal::view(interval), {"time"});
    arguments.set("time_index", index.seal()).set("times", times.seal());
    arguments.set("intervals", same).set("exposures", same);
    arguments.set("scan", table_builder()
                              .column("number", std::vector<std::int64_t>{number})
                              .column("checksum", std::vector<std::uint64_t>{sum})
                              .build());
    return arguments;
}

/// What became of the payloads at the processors.
class ledger {
public:
    void sent(std::int64_t number, const std::vector<sdp_dal::reply> &replies) {
        payload one{number, {}};
        for (const sdp_dal::reply &reply : replies) {
            acknowledged_.emplace(reply.prefix, 0);
            if (reply.ok())
                one.tags.emplace_back(reply.prefix, reply["tag"]);
            else
                std::cout << "payload " << number << " did not reach " << reply.prefix << ": "
                          << reply.error << std::endl;
        }
        waiting_.push_back(std::move(one));
    }

    /// One that went to one of the processors, whichever that is in the end.
    void shared(std::int64_t number, const sdp_dal::ref &tag) {
        acknowledged_.emplace(everybody, 0);
        waiting_.push_back({number, {{everybody, tag}}});
    }

    /// Lets go of the payloads whose tags are there. `all`: waits for them.
    void settle(bool all) {
        for (payload &one : waiting_) {
            auto pending = std::move(one.tags);
            one.tags.clear();
            for (auto &[prefix, tag] : pending)
                if (!ended(one.number, prefix, tag, all ? sdp_dal::forever : sdp_dal::poll))
                    one.tags.emplace_back(prefix, tag);
        }
        while (!waiting_.empty() && waiting_.front().tags.empty()) waiting_.pop_front();
    }

    void lost(const sdp_dal::found_processor &processor) {
        std::cout << "lost " << processor.name << ' ' << processor.prefix << ", going on"
                  << std::endl;
        lost_[processor.prefix] = true;
    }

    /// Prints them; whether all that live got every payload.
    bool report(std::int64_t payloads) const {
        bool complete = true;
        for (const auto &[prefix, count] : acknowledged_) {
            const bool gone = lost_.count(prefix) != 0;
            std::cout << prefix << " acknowledged " << count << " of " << payloads << " payloads"
                      << (gone ? " (lost)" : "") << std::endl;
            complete = complete && (gone || count == payloads);
        }
        return complete;
    }

private:
    struct payload {
        std::int64_t number;
        std::vector<std::pair<std::string, sdp_dal::ref>> tags;
    };

    bool ended(std::int64_t number, const std::string &prefix, const sdp_dal::ref &tag,
               sdp_dal::timeout time) {
        try {
            // That it is there is what it says. What is in it is the processor's affair: ours write
            // the payload's number, those in Python nothing.
            tag.wait(time);
            acknowledged_[prefix]++;
        } catch (const sdp_dal::timeout_error &) {
            return false;
        } catch (const sdp_dal::error &problem) {
            std::cout << "payload " << number << " has no tag from " << prefix << ": "
                      << problem.what() << std::endl;
        }
        return true;
    }

    static constexpr const char *everybody = "the processors together";

    std::deque<payload> waiting_ = {};
    std::map<std::string, std::int64_t> acknowledged_ = {};
    std::map<std::string, bool> lost_ = {};
};

/// Waits until some time; a signal ends it, which a sleep would go on after.
void tell_of_lost(sdp_dal::caller &caller, ledger &done,
                  std::chrono::time_point<clock_type, seconds> until) {
    const auto left = [&] {
        const seconds wait = std::max(seconds(0), seconds(until - clock_type::now()));
        return std::chrono::duration_cast<sdp_dal::timeout>(wait);
    };
    while (auto lost = caller.next_lost(left())) done.lost(*lost);
}

bool receive(const settings &chosen) {
    stopping::listen();
    sdp_dal::store store(chosen.store);
    stopping::interruptible guard(store);
    sdp_dal::caller_options options;
    options.minimum_processors = std::uint64_t(chosen.processors);
    options.max_in_flight = std::uint64_t(chosen.in_flight);
    options.wait = std::chrono::minutes(1);
    // For payloads that are shared out: a broadcast has one attempt.
    options.attempts = 2;
    sdp_dal::caller caller(store, {read_payload_signature}, options);
    const metadata known(store, chosen);
    std::cout << "Found " << caller.num_processors() << " processors\nPayload size "
              << chosen.bytes() / 1e6 << " MB" << std::endl;

    ledger done;
    const auto began = clock_type::now();
    const seconds interval(chosen.rate > 0 ? 1 / chosen.rate : 0);
    for (std::int64_t number = 0; number < chosen.payloads; number++) {
        tell_of_lost(caller, done, began + double(number) * interval);
        // Without processors it would write as fast as it can, and nothing would be read.
        if (caller.num_processors() == 0 && caller.find_processors(options.wait) == 0)
            throw std::runtime_error("all processors have gone, and no other one came");
        sdp_dal::args arguments = write_payload(store, chosen, number);
        known.give(arguments);
        if (chosen.share)
            done.shared(number, caller.call("read_payload", arguments)["tag"]);
        else
            done.sent(number, caller.broadcast("read_payload", arguments));
        done.settle(false);
    }
    done.settle(true);
    tell_of_lost(caller, done, began);
    const double taken = seconds(clock_type::now() - began).count();

    const double rate = double(chosen.payloads) / taken;
    std::cout << "Sent " << chosen.payloads << " payloads in " << taken << " s: " << rate
              << " payloads/s, " << rate * chosen.bytes() / 1e9 << " GB/s to each processor"
              << std::endl;
    return done.report(chosen.payloads);
}

int usage(std::ostream &out, const char *program, int status) {
    const settings defaults;
    out << "usage: " << program << " STORE [options]\n\n"
        << "Broadcasts payloads of visibilities to the payload_processors in the store at the path "
           "STORE.\n\n"
        << "  --payloads N    how many (default: " << defaults.payloads << ")\n"
        << "  --rate R        payloads a second, 0: as fast as they are taken (default)\n"
        << "  --share         each payload to one processor, and to another one if that dies "
           "(default: to all)\n"
        << "  --processors N  wait for that many (default: " << defaults.processors << ")\n"
        << "  --in-flight N   payloads that a processor has not acknowledged (default: "
        << defaults.in_flight << ")\n"
        << "  --times N, --antennas N, --channels N   size of a payload (default: "
        << defaults.times << ", " << defaults.antennas << ", " << defaults.channels << ": "
        << defaults.bytes() / 1e6 << " MB)\n";
    return status;
}

bool read_settings(int argc, char **argv, settings &chosen) {
    static const option known[] = {{"payloads", required_argument, nullptr, 'n'},
                                   {"rate", required_argument, nullptr, 'r'},
                                   {"share", no_argument, nullptr, 's'},
                                   {"processors", required_argument, nullptr, 'p'},
                                   {"in-flight", required_argument, nullptr, 'f'},
                                   {"times", required_argument, nullptr, 't'},
                                   {"antennas", required_argument, nullptr, 'a'},
                                   {"channels", required_argument, nullptr, 'c'},
                                   {nullptr, 0, nullptr, 0}};
    const std::map<int, std::int64_t *> numbers = {
        {'n', &chosen.payloads}, {'p', &chosen.processors}, {'f', &chosen.in_flight},
        {'t', &chosen.times},    {'a', &chosen.antennas},   {'c', &chosen.channels}};
    int choice;
    while ((choice = getopt_long(argc, argv, "", known, nullptr)) != -1) {
        if (choice == 'r') {
            chosen.rate = std::stod(optarg);
        } else if (choice == 's') {
            chosen.share = true;
        } else if (numbers.count(choice) != 0) {
            *numbers.at(choice) = std::stoll(optarg);
            if (*numbers.at(choice) < 1) return false;
        } else {
            return false;
        }
    }
    if (argc - optind != 1) return false;
    chosen.store = argv[optind];
    return true;
}

} // namespace

int main(int argc, char **argv) {
    if (argc == 2 && argv[1] == std::string("--help")) return usage(std::cout, argv[0], 0);
    settings chosen;
    try {
        if (!read_settings(argc, argv, chosen)) return usage(std::cerr, argv[0], 2);
        return receive(chosen) ? 0 : 1;
    } catch (const sdp_dal::interrupted &) {
        return stopping::status();
    } catch (const std::exception &problem) {
        std::cerr << argv[0] << ": " << problem.what() << '\n';
        return 1;
    }
}
