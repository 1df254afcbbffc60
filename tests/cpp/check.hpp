// What the C++ tests share: a failed check prints where, and ends the program.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sdp_dal.hpp>

inline void check_true(bool holds, const char *what, int line) {
    if (holds) return;
    std::fprintf(stderr, "line %d: %s does not hold\n", line, what);
    std::exit(1);
}

#define CHECK(condition) check_true(bool(condition), #condition, __LINE__)

// Runs fn, which must throw E with `text` in its what().
template <class E, class F> void throws(F &&fn, const char *text, int line) {
    try {
        fn();
    } catch (const E &problem) {
        if (std::strstr(problem.what(), text) != nullptr) return;
        std::fprintf(stderr, "line %d: '%s' lacks '%s'\n", line, problem.what(), text);
        std::exit(1);
    }
    std::fprintf(stderr, "line %d: nothing was thrown\n", line);
    std::exit(1);
}

#define THROWS(type, text, ...) throws<type>([&] { __VA_ARGS__; }, text, __LINE__)

#endif
