// Offers `read_payload`, which a receiver broadcasts: it keeps the visibilities of the last
// payloads where they lie, past the calls that brought them, and checks them in a thread of its
// own.

#include "payload.hpp"
#include "serve.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace {

using sdp_dal::dense_view;
using sdp_dal::output;
using sdp_dal::table;
using sdp_dal::tensor_view;
using times_view = tensor_view<const double, 1>;

/// A payload whose call has not ended: it does when its tag is written.
struct arrival {
    sdp_dal::call call;
    std::int64_t number;
    std::uint64_t checksum;
};

/// A payload that is kept. Its bytes stay, whatever became of the call and of the receiver.
struct kept_payload {
    std::int64_t number;
    std::uint64_t checksum;
    sdp_dal::tensor<visibility, 4> vis;
};

/// Checks what arrives, and again before it lets go of it.
class keeper {
public:
    explicit keeper(std::size_t most) : most_(most), worker_([this] { work(); }) {}
    ~keeper() {
        {
            std::lock_guard<std::mutex> alone(mutex_);
            closed_ = true;
        }
        changed_.notify_one();
        worker_.join();
        while (!kept_.empty()) let_go();
        std::cout << "Received " << received_ << " payloads, " << wrong_ << " checksums wrong"
                  << std::endl;
    }
    keeper(const keeper &) = delete;
    keeper &operator=(const keeper &) = delete;

    void take(arrival &&payload) {
        {
            std::lock_guard<std::mutex> alone(mutex_);
            arrived_.push_back(std::move(payload));
        }
        changed_.notify_one();
    }

private:
    void work() {
        std::unique_lock<std::mutex> lock(mutex_);
        while (true) {
            changed_.wait(lock, [this] { return closed_ || !arrived_.empty(); });
            if (arrived_.empty()) return;
            arrival payload = std::move(arrived_.front());
            arrived_.pop_front();
            lock.unlock();
            keep(payload);
            lock.lock();
        }
    }

    void keep(arrival &payload) {
        try {
            kept_.push_back(
                {payload.number, payload.checksum, payload.call.hold<visibility, 4>("vis")});
            check(kept_.back());
            received_++;
            payload.call.output<std::int64_t, 0>("tag").create({})() = payload.number;
            payload.call.finish();
            if (kept_.size() > most_) let_go();
            std::cout << "payload " << payload.number << ", " << kept_.size() << " kept"
                      << std::endl;
        } catch (const std::exception &problem) {
            std::cerr << "payload " << payload.number << ": " << problem.what() << std::endl;
        }
    }

    void let_go() {
        check(kept_.front());
        kept_.pop_front();
    }

    void check(const kept_payload &payload) {
        // The signature asks for C order, so that it is held in that.
        if (checksum(dense_view<const visibility, 4>(payload.vis.view())) == payload.checksum)
            return;
        wrong_++;
        std::cerr << "payload " << payload.number << " has another checksum than it was sent with"
                  << std::endl;
    }

    std::size_t most_;
    std::deque<kept_payload> kept_ = {};
    std::uint64_t received_ = 0, wrong_ = 0;
    std::mutex mutex_ = {};
    std::condition_variable changed_ = {};
    std::deque<arrival> arrived_ = {};
    bool closed_ = false;
    std::thread worker_;
};

void offer(sdp_dal::processor &processor, keeper &keeper) {
    sdp_dal::function_options options;
    options.ordered = true;
    processor.add(
        "read_payload",
        {"scan{number: int64, checksum: uint64}", "antennas{name: utf8, diameter: float64}",
         "baselines{antenna1: int32, antenna2: int32}",
         "spectral_window{frequency: float64, width: float64}", "polarization{name: utf8}",
         "field{name: utf8, right_ascension: float64, declination: float64}", "time_index[time]",
         "times[time]", "intervals[time]", "exposures[time]", "uvw[time,baseline,uvw=3]",
         "vis[time,baseline,channel,pol]", "tag[]"},
        [&keeper](sdp_dal::call &call, const table &scan, const table &antennas,
                  const table &baselines, const table &spectral_window, const table &polarization,
                  const table &field, tensor_view<const std::int64_t, 1>, times_view, times_view,
                  times_view, tensor_view<const double, 3>, dense_view<const visibility, 4> vis,
                  output<std::int64_t, 0>) {
            const auto rows = [](const table &of) { return std::int64_t(of.num_rows()); };
            if (rows(antennas) == 0 || rows(field) != 1 || rows(baselines) != vis.shape(1) ||
                rows(spectral_window) != vis.shape(2) || rows(polarization) != vis.shape(3))
                throw std::invalid_argument("the metadata do not fit the visibilities");
            keeper.take({call.defer(), scan.column<std::int64_t>("number")(0),
                         scan.column<std::uint64_t>("checksum")(0)});
        },
        options);
}

} // namespace

int main(int argc, char **argv) {
    const std::string first = argc > 1 ? argv[1] : "--help";
    if (first == "--help" || first == "-h" || argc > 3) {
        std::cout << "usage: " << argv[0] << " STORE [PAYLOADS]\n\n"
                  << "Offers read_payload to a receiver, in the store at the path STORE, and keeps "
                     "the visibilities\n"
                     "of the last PAYLOADS payloads (default: 2). Takes calls until Ctrl-C or "
                     "SIGTERM.\n";
        return argc == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    stopping::listen();
    try {
        // Ended in the opposite order: the processor before what its function refers to.
        sdp_dal::store store(first);
        keeper keeper(argc > 2 ? std::stoul(argv[2]) : 2);
        sdp_dal::processor processor(store, "PayloadProcessor");
        offer(processor, keeper);
        serving::run(processor, "PayloadProcessor");
    } catch (const std::exception &failure) {
        std::cerr << argv[0] << ": " << failure.what() << '\n';
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
