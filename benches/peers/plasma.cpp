// Apache Plasma through its C++ client, of the wheels of pyarrow 11. It runs as bench.h says; its
// server is the program that PLASMA_STORE names.
#include <arrow/buffer.h>
#include <plasma/client.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using timer = std::chrono::steady_clock;

constexpr int batch = 200;
constexpr std::int64_t small_size = 100, large_size = 80000000;

std::string path;
std::chrono::milliseconds budget;

struct sample {
    const char *row;
    double seconds;
};

std::vector<sample> samples;

void check(const arrow::Status &status) {
    if (status.ok()) return;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
}

template <class Function> void timed(const char *row, int count, Function work) {
    const auto begun = timer::now();
    work();
    const std::chrono::duration<double> passed = timer::now() - begun;
    samples.push_back({row, passed.count() / count});
}

/// Until the time is over; the first turn warms up.
template <class Function> void measure(Function turn) {
    turn();
    samples.clear();
    const auto end = timer::now() + budget;
    do {
        turn();
    } while (timer::now() < end);
}

plasma::ObjectID id_of(std::uint32_t prefix, std::uint64_t number) {
    std::string bytes(plasma::kUniqueIDSize, '\0');
    std::memcpy(&bytes[0], &prefix, sizeof prefix);
    std::memcpy(&bytes[bytes.size() - sizeof number], &number, sizeof number);
    return plasma::ObjectID::from_binary(bytes);
}

/// A client, connected.
struct client {
    client() { check(plasma.Connect(path)); }

    void put(const plasma::ObjectID &id, const void *bytes, std::int64_t size) {
        std::shared_ptr<arrow::Buffer> data;
        check(plasma.Create(id, size, nullptr, 0, &data));
        std::memcpy(data->mutable_data(), bytes, static_cast<std::size_t>(size));
        check(plasma.Seal(id));
        check(plasma.Release(id));
    }

    std::shared_ptr<arrow::Buffer> get(const plasma::ObjectID &id, std::int64_t timeout = -1) {
        std::vector<plasma::ObjectBuffer> found;
        check(plasma.Get({id}, timeout, &found));
        return found[0].data;
    }

    void remove(const plasma::ObjectID &id) { check(plasma.Delete(id)); }

    plasma::PlasmaClient plasma;
};

pid_t start(void (*work)()) {
    const pid_t child = fork();
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    std::_Exit(0);
}

void stop(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
}

const std::vector<char> bytes(small_size, 1);

void small() {
    client here, reader;
    std::vector<std::shared_ptr<arrow::Buffer>> held;
    measure([&] {
        timed("small.create_seal", batch, [&] {
            for (int i = 0; i < batch; i++) here.put(id_of(1, i), bytes.data(), small_size);
        });
        timed("small.contains", batch, [&] {
            bool there = false;
            for (int i = 0; i < batch; i++) check(reader.plasma.Contains(id_of(1, i), &there));
        });
        timed("small.get", batch, [&] {
            for (int i = 0; i < batch; i++) held.push_back(reader.get(id_of(1, i)));
        });
        timed("small.release", batch, [&] { held.clear(); });
        timed("small.delete", batch, [&] {
            for (int i = 0; i < batch; i++) here.remove(id_of(1, i));
        });
    });
}

void lives() {
    client here;
    std::uint64_t number = 0;
    measure([&] {
        timed("lives_1.cycle", batch, [&] {
            for (int i = 0; i < batch; i++, number++) {
                here.put(id_of(1, number), bytes.data(), small_size);
                here.remove(id_of(1, number));
            }
        });
    });
}

/// Requests and responses are objects; both sides know their IDs.
void answer() {
    client here;
    for (std::uint64_t turn = 0;; turn++) {
        const auto input = here.get(id_of(1, turn));
        here.put(id_of(2, turn), input->data(), input->size());
    }
}

void calls() {
    const pid_t child = start(answer);
    client here;
    std::uint64_t turn = 0;
    const std::vector<char> numbers(800, 1);
    const auto call = [&](std::int64_t size) {
        here.put(id_of(1, turn), numbers.data(), size);
        here.get(id_of(2, turn));
        here.remove(id_of(1, turn));
        here.remove(id_of(2, turn++));
    };
    measure([&] {
        timed("tensor.put_for_the_call", batch, [&] {
            for (int i = 0; i < batch; i++) call(800);
        });
    });
    stop(child);
}

void lists() {
    client here;
    for (std::uint64_t i = 0; i < 100000; i++) here.put(id_of(1, i), bytes.data(), small_size);
    measure([&] {
        timed("list.all", 1, [&] {
            plasma::ObjectTable objects;
            check(here.plasma.List(&objects));
            if (objects.size() != 100000) std::abort();
        });
    });
}

void puts_of_80_MB() {
    const std::vector<char> payload(large_size, 1);
    client here;
    std::uint64_t number = 0;
    const auto turn = [&](const char *row) {
        timed(row, 1, [&] { here.put(id_of(1, number), payload.data(), large_size); });
        here.remove(id_of(1, number++));
    };
    turn("put_cold.first_of_a_store");
    const sample first = samples[0];
    measure([&] { turn("put_warm.into_used_memory"); });
    samples.push_back(first);
}

const std::pair<const char *, void (*)()> jobs[] = {
    {"small", small}, {"lives_1", lives},     {"tensor", calls},
    {"list", lists},  {"put", puts_of_80_MB},
};

pid_t start_server() {
    const char *server = std::getenv("PLASMA_STORE");
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (std::freopen("/dev/null", "w", stderr) != nullptr)
            execl(server, server, "-s", path.c_str(), "-m", "500000000", nullptr);
        std::_Exit(1);
    }
    for (int i = 0; i < 1000 && access(path.c_str(), F_OK) != 0; i++) usleep(10000);
    return child;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 4) {
        for (const auto &job : jobs) std::puts(job.first);
        return 0;
    }
    path = std::string(argv[2]) + "/plasma";
    budget = std::chrono::milliseconds(std::atoi(argv[3]));
    const pid_t server = start_server();
    for (const auto &job : jobs)
        if (std::strcmp(job.first, argv[1]) == 0) job.second();
    stop(server);
    for (const auto &sample : samples) std::printf("%s %.4g\n", sample.row, sample.seconds);
    return 0;
}
