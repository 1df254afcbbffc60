// What every example does about SIGINT and SIGTERM: all waiting on its store ends, by
// sdp_dal::interrupted, and so does the program, in order. A store that no other client uses is
// removed then; a program that a signal kills leaves it behind. A processor's exit status is 0
// then, that of a program that had something left to do is `stopping::status()`.
#pragma once

#include <csignal>

namespace stopping {

/// The signal that was received, or 0.
inline volatile std::sig_atomic_t asked = 0;
inline void *waiting = nullptr;
inline void (*interrupt)(void *) = nullptr;

inline void on_signal(int number) {
    asked = number;
    if (waiting) interrupt(waiting);
}

inline void handle(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

/// 143 after SIGTERM, 130 after Ctrl-C, as shells report signals.
inline int status() { return 128 + asked; }

/// To be called before there is a store: a signal that comes early must not leave it behind.
inline void listen() { handle(on_signal); }

/// Lets signals end the waiting of a store or of a processor, while this lives.
template <class Waiting> struct interruptible {
    explicit interruptible(Waiting &target) {
        interrupt = [](void *which) { static_cast<Waiting *>(which)->interrupt(); };
        waiting = &target;
        listen();
        if (asked) target.interrupt();
    }
    // The handler must not see the target once its destructor has begun.
    ~interruptible() {
        handle(SIG_IGN);
        waiting = nullptr;
    }
    interruptible(const interruptible &) = delete;
    interruptible &operator=(const interruptible &) = delete;
};

} // namespace stopping
