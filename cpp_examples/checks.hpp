// Values that must lie within bounds; one that does not makes the program fail, with a sentence.
#pragma once

#include <iostream>
#include <string>

class checks {
public:
    /// `value < bound`; a value that is not a number fails.
    void below(const std::string &what, double value, double bound) {
        if (!(value < bound)) fail(what, value, "less than", bound);
    }

    void above(const std::string &what, double value, double bound) {
        if (!(value > bound)) fail(what, value, "more than", bound);
    }

    void that(bool holds, const std::string &otherwise) {
        if (holds) return;
        std::cerr << "check failed: " << otherwise << std::endl;
        ++failures_;
    }

    bool passed() const { return failures_ == 0; }

private:
    void fail(const std::string &what, double value, const char *relation, double bound) {
        std::cerr << "check failed: the " << what << " is " << value << ", expected " << relation
                  << ' ' << bound << std::endl;
        ++failures_;
    }

    int failures_ = 0;
};
