// What every example processor does around its functions: arguments, signals, and the loop that
// takes calls.
#pragma once

#include "stopping.hpp"

#include <sdp_dal.hpp>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>

namespace serving {

/// Takes calls until SIGINT or SIGTERM.
inline void run(sdp_dal::processor &processor, const std::string &name) {
    stopping::interruptible guard(processor);
    processor.start();
    std::cout << name << " waiting for calls at prefix " << processor.prefix() << std::endl;
    try {
        while (!stopping::asked) processor.process(std::chrono::seconds(1));
    } catch (const sdp_dal::interrupted &) {
        // It is what the signal asked for.
    }
}

} // namespace serving

inline std::string default_store() {
    const char *path = std::getenv("SDP_DAL_STORE");
    return path && *path ? path : "/dev/shm/sdp-dal-demo";
}

/// Runs a processor until SIGINT or SIGTERM. `offer(processor)` registers its functions. Returns
/// the exit status.
template <class Offer>
int serve(int argc, char **argv, const std::string &name, const char *purpose, Offer &&offer) {
    if (argc > 1 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0)) {
        std::cout << "usage: " << argv[0] << " [STORE]\n\n"
                  << purpose
                  << "\n\n  STORE   path of the store, made if there is none\n"
                     "          (default: $SDP_DAL_STORE, else /dev/shm/sdp-dal-demo)\n\n"
                     "Takes calls until Ctrl-C or SIGTERM.\n";
        return EXIT_SUCCESS;
    }
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        std::cerr << argv[0]
                  << ": expected one argument at most, the path of the store; see --help\n";
        return EXIT_FAILURE;
    }
    stopping::listen();
    try {
        sdp_dal::processor processor(argc > 1 ? argv[1] : default_store(), name);
        offer(processor);
        serving::run(processor, name);
    } catch (const std::exception &failure) {
        std::cerr << argv[0] << ": " << failure.what() << '\n';
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
