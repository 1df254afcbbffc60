// Writes images as FITS: the first as the primary array, the others as extensions with a name.
#pragma once

#include "beam.hpp"
#include "image.hpp"

#include <fitsio.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

/// What the header says of the sky.
struct sky_position {
    std::string object, telescope, date;
    double right_ascension, declination, equinox; // degrees, of the phase centre
    double frequency;                             // Hz, of the band's middle
    double pixel_size;                            // degrees
    gaussian_beam beam;
};

class fits_image_file {
public:
    /// Replaces a file that is there.
    fits_image_file(const std::string &path, const sky_position &sky) : path_(path), sky_(sky) {
        std::remove(path.c_str());
        fitsfile *file = nullptr;
        fits_create_diskfile(&file, path.c_str(), &status_);
        file_.reset(file);
        check();
    }

    void add(const std::string &name, const image &values) {
        long axes[2] = {long(values.size()), long(values.size())};
        fits_create_img(file_.get(), FLOAT_IMG, 2, axes, &status_);
        write_header(name, values.size());
        // FITS has x fastest, and the east on the left as the sky has it.
        std::vector<double> pixels;
        for (std::int64_t y = 0; y < values.size(); ++y)
            for (std::int64_t x = values.size() - 1; x >= 0; --x) pixels.push_back(values(x, y));
        fits_write_img(file_.get(), TDOUBLE, 1, LONGLONG(pixels.size()), pixels.data(), &status_);
        check();
    }

    /// Everything is on disk once this has returned.
    void close() {
        fits_close_file(file_.release(), &status_);
        check();
    }

private:
    struct abandon {
        void operator()(fitsfile *file) const {
            int status = 0;
            fits_close_file(file, &status);
        }
    };

    void check() const {
        if (status_ == 0) return;
        char reason[FLEN_STATUS];
        fits_get_errstatus(status_, reason);
        throw std::runtime_error(path_ + ": writing the image failed: " + reason);
    }

    void key(const char *name, double value, const char *comment) {
        fits_update_key(file_.get(), TDOUBLE, name, &value, comment, &status_);
    }

    void key(const char *name, const std::string &value, const char *comment) {
        if (!value.empty())
            fits_update_key_str(file_.get(), name, value.c_str(), comment, &status_);
    }

    void write_header(const std::string &name, std::int64_t size) {
        key("EXTNAME", name, "what the image is");
        key("OBJECT", sky_.object, "source");
        key("TELESCOP", sky_.telescope, "telescope");
        key("DATE-OBS", sky_.date, "start of the observation");
        // As AIPS says it of what is in the correlator's units.
        if (name == "OBSERVED")
            key("BUNIT", std::string("UNCALIB"), "in the correlator's units");
        else
            key("BUNIT", std::string("JY/BEAM"), "the calibrator counts as 1 Jy");
        key("EQUINOX", sky_.equinox, "of the coordinates");
        key("CTYPE1", std::string("RA---SIN"), "right ascension");
        key("CRVAL1", sky_.right_ascension, "phase centre");
        key("CDELT1", -sky_.pixel_size, "east is left");
        key("CRPIX1", double(size - size / 2), "phase centre");
        key("CUNIT1", std::string("deg"), "");
        key("CTYPE2", std::string("DEC--SIN"), "declination");
        key("CRVAL2", sky_.declination, "phase centre");
        key("CDELT2", sky_.pixel_size, "north is up");
        key("CRPIX2", double(size / 2 + 1), "phase centre");
        key("CUNIT2", std::string("deg"), "");
        key("OBSFREQ", sky_.frequency, "[Hz] middle of the band");
        key("BMAJ", sky_.beam.major() * sky_.pixel_size, "[deg] beam, full width at half maximum");
        key("BMIN", sky_.beam.minor() * sky_.pixel_size, "[deg]");
        key("BPA", sky_.beam.angle(), "[deg] from north through east");
    }

    std::string path_;
    sky_position sky_;
    int status_ = 0;
    std::unique_ptr<fitsfile, abandon> file_;
};
