// The imaging caller's command line.
#pragma once

#include <getopt.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

struct options {
    std::string store, data, output = "demo-output";
    std::int64_t simulate_x = 37, simulate_y = -21;
    std::int64_t threads = 1;
    bool help = false;
};

namespace command_line {

inline std::string environment(const char *name, const std::string &otherwise) {
    const char *value = std::getenv(name);
    return value && *value ? value : otherwise;
}

inline std::int64_t whole(const char *option, const char *text, std::int64_t least,
                          std::int64_t most) {
    char *end = nullptr;
    const long long value = std::strtoll(text, &end, 10);
    if (end == text || *end || value < least || value > most)
        throw std::invalid_argument(std::string(option) + " is '" + text +
                                    "', expected a whole number from " + std::to_string(least) +
                                    " to " + std::to_string(most));
    return value;
}

} // namespace command_line

inline options default_options() {
    options result;
    result.store = command_line::environment("SDP_DAL_STORE", "/dev/shm/sdp-dal-demo");
    const std::string cache = command_line::environment(
        "XDG_CACHE_HOME", command_line::environment("HOME", ".") + "/.cache");
    result.data = cache + "/sdp-dal/day2_TDEM0003_10s_norx_1src_1spw.uvfits";
    return result;
}

inline void print_help(const char *program) {
    const options defaults = default_options();
    std::cout << "usage: " << program << " [STORE] [options]\n\n"
              << "Calibrates and images a real observation with the processors of a store, and "
                 "checks the result.\n"
                 "A calibration_processor and a gridder_processor must run on the store, or be "
                 "started within 30 "
                 "s.\n\n"
                 "  STORE             path of the store (default: $SDP_DAL_STORE, else "
                 "/dev/shm/sdp-dal-demo)\n"
              << "  --data FILE       observation, UVFITS (default: " << defaults.data << ")\n"
              << "  --output FOLDER   where image.fits goes (default: " << defaults.output << ")\n"
              << "  --simulate X,Y    also image a simulated point source X pixels east and Y "
                 "north of the centre\n"
                 "                    (default: "
              << defaults.simulate_x << ',' << defaults.simulate_y << ")\n"
              << "  --threads N       threads of each gridder call, 0 = all; the last digits of "
                 "the results are\n"
                 "                    repeatable with 1 only (default: "
              << defaults.threads << ")\n"
              << "  --help            this text\n\n"
                 "Ends with a status other than 0 if a checked value is out of its bounds.\n";
}

/// `reach`: the largest offset from the centre that the image holds.
inline options read_options(int argc, char **argv, std::int64_t reach) {
    static const option known[] = {
        {"data", required_argument, nullptr, 'd'},     {"output", required_argument, nullptr, 'o'},
        {"simulate", required_argument, nullptr, 's'}, {"threads", required_argument, nullptr, 't'},
        {"help", no_argument, nullptr, 'h'},           {nullptr, 0, nullptr, 0}};
    options result = default_options();
    int choice;
    while ((choice = getopt_long(argc, argv, "h", known, nullptr)) != -1) {
        if (choice == 'd') {
            result.data = optarg;
        } else if (choice == 'o') {
            result.output = optarg;
        } else if (choice == 't') {
            result.threads = command_line::whole("--threads", optarg, 0, 1024);
        } else if (choice == 'h') {
            result.help = true;
        } else if (choice == 's') {
            const std::string place = optarg;
            const auto comma = place.find(',');
            if (comma == std::string::npos)
                throw std::invalid_argument("--simulate is '" + place + "', expected X,Y");
            result.simulate_x =
                command_line::whole("--simulate X", place.substr(0, comma).c_str(), -reach, reach);
            result.simulate_y =
                command_line::whole("--simulate Y", place.substr(comma + 1).c_str(), -reach, reach);
        } else {
            throw std::invalid_argument("unknown or incomplete option; see --help");
        }
    }
    if (argc - optind > 1)
        throw std::invalid_argument("expected one argument, the path of the store; see --help");
    if (optind < argc) result.store = argv[optind];
    return result;
}
