// Reads an interferometer's visibilities from a UVFITS file (FITS random groups) with CFITSIO.
//
// What is supported is what one scan of one source needs: one spectral window, two parallel hands
// (RR and LL, or XX and YY) in front of whatever other polarisations there are.
#pragma once

#include <sdp_dal.hpp>

#include <fitsio.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

constexpr double speed_of_light = 299792458.0; // m/s

class uvfits {
public:
    static constexpr std::int64_t hands = 2;

    explicit uvfits(const std::string &path) : path_(path) {
        fitsfile *file = nullptr;
        int status = 0;
        fits_open_diskfile(&file, path.c_str(), READONLY, &status);
        file_.reset(file);
        check(status, "opening it");
        read_axes();
        read_parameters();
        object = text("OBJECT");
        telescope = text("TELESCOP");
        date = text("DATE-OBS");
        equinox = number("EPOCH", 2000.0);
    }

    /// Rows of `read`: one per group (baseline and time) and hand.
    std::int64_t rows() const { return groups_ * hands; }
    std::int64_t channels() const { return channels_; }

    std::string object, telescope, date;
    double right_ascension = 0, declination = 0, equinox = 2000; // degrees, of the phase centre
    std::vector<double> frequencies;                             // Hz, ascending
    std::string hand_names[hands];

    /// Row 2·group + hand. uvw in metres, so that a source at (l, m) gives exp(-2πi(ul + vm +
    /// w(n-1))/λ). wgt is 0 where the file flags or the value is not a number; such a visibility is
    /// 0. The two hands of an antenna have gains of their own: receiver 2·(antenna - 1) + hand.
    void read(const sdp_dal::tensor_view<double, 2> &uvw,
              const sdp_dal::tensor_view<std::complex<double>, 2> &vis,
              const sdp_dal::tensor_view<double, 2> &wgt,
              const sdp_dal::tensor_view<std::int64_t, 1> &receiver1,
              const sdp_dal::tensor_view<std::int64_t, 1> &receiver2) {
        std::vector<double> data(std::size_t(channels_ * polarisations_ * 3));
        std::vector<double> parameters(scale_.size());
        for (std::int64_t group = 0; group < groups_; ++group) {
            read_group(group, parameters, data);
            const auto baseline =
                std::int64_t(parameters[baseline_]); // the fraction names a subarray
            for (std::int64_t hand = 0; hand < hands; ++hand) {
                const std::int64_t row = group * hands + hand;
                for (std::int64_t axis = 0; axis < 3; ++axis)
                    uvw(row, axis) = parameters[uvw_[axis]] * speed_of_light;
                receiver1(row) = (baseline / 256 - 1) * hands + hand;
                receiver2(row) = (baseline % 256 - 1) * hands + hand;
                for (std::int64_t chan = 0; chan < channels_; ++chan) {
                    const double *value = &data[std::size_t((chan * polarisations_ + hand) * 3)];
                    const bool good = value[2] > 0 && std::isfinite(value[2]) &&
                                      std::isfinite(value[0]) && std::isfinite(value[1]);
                    vis(row, chan) = good ? std::complex<double>(value[0], value[1]) : 0;
                    wgt(row, chan) = good ? value[2] : 0;
                }
            }
        }
    }

private:
    struct close {
        void operator()(fitsfile *file) const {
            int status = 0;
            fits_close_file(file, &status);
        }
    };

    [[noreturn]] void fail(const std::string &what) const {
        throw std::runtime_error(path_ + ": " + what);
    }

    void check(int status, const std::string &doing) const {
        if (status == 0) return;
        char reason[FLEN_STATUS];
        fits_get_errstatus(status, reason);
        fail(doing + " failed: " + reason);
    }

    double number(const std::string &key) const {
        double value = 0;
        int status = 0;
        fits_read_key(file_.get(), TDOUBLE, key.c_str(), &value, nullptr, &status);
        check(status, "reading the header's " + key);
        return value;
    }

    double number(const std::string &key, double otherwise) const {
        double value = 0;
        int status = 0;
        fits_read_key(file_.get(), TDOUBLE, key.c_str(), &value, nullptr, &status);
        return status == 0 ? value : otherwise;
    }

    std::string text(const std::string &key) const {
        char value[FLEN_VALUE] = "";
        int status = 0;
        fits_read_key(file_.get(), TSTRING, key.c_str(), value, nullptr, &status);
        return status == 0 ? value : "";
    }

    void read_axes() {
        if (number("NAXIS1") != 0 || text("GROUPS") != "T")
            fail("not a UVFITS file: its first part is not random groups");
        groups_ = std::int64_t(number("GCOUNT"));
        for (int axis = 2; axis <= int(number("NAXIS")); ++axis) {
            const std::string n = std::to_string(axis), kind = text("CTYPE" + n);
            const auto length = std::int64_t(number("NAXIS" + n));
            const double value = number("CRVAL" + n), step = number("CDELT" + n),
                         pixel = number("CRPIX" + n);
            if (kind == "COMPLEX" && (axis != 2 || length != 3))
                fail("expected real part, imaginary part and weight as the first axis");
            else if (kind == "STOKES" && axis == 3)
                read_hands(length, value - (pixel - 1) * step, step);
            else if (kind == "FREQ" && axis == 4)
                for (channels_ = 0; channels_ < length; ++channels_)
                    frequencies.push_back(value + (double(channels_) + 1 - pixel) * step);
            else if (kind == "RA")
                right_ascension = value;
            else if (kind == "DEC")
                declination = value;
            else if (kind == "IF" && length != 1)
                fail("holds " + std::to_string(length) + " spectral windows, expected 1");
        }
        if (polarisations_ == 0 || channels_ == 0)
            fail("expected the axes COMPLEX, STOKES and FREQ, in this order");
        if (frequencies.front() > frequencies.back()) fail("expected frequencies that ascend");
    }

    void read_hands(std::int64_t length, double first, double step) {
        const bool circular = first == -1, linear = first == -5;
        if (length < hands || step != -1 || (!circular && !linear))
            fail("expected polarisations that begin with RR and LL, or with XX and YY");
        polarisations_ = length;
        hand_names[0] = circular ? "RR" : "XX";
        hand_names[1] = circular ? "LL" : "YY";
    }

    void read_parameters() {
        const auto count = int(number("PCOUNT"));
        for (int i = 1; i <= count; ++i) {
            const std::string n = std::to_string(i), kind = text("PTYPE" + n);
            scale_.push_back(number("PSCAL" + n, 1));
            zero_.push_back(number("PZERO" + n, 0));
            // The names may carry a projection, as in UU---SIN.
            if (kind.rfind("UU", 0) == 0)
                uvw_[0] = i - 1;
            else if (kind.rfind("VV", 0) == 0)
                uvw_[1] = i - 1;
            else if (kind.rfind("WW", 0) == 0)
                uvw_[2] = i - 1;
            else if (kind == "BASELINE")
                baseline_ = i - 1;
        }
        if (uvw_[0] < 0 || uvw_[1] < 0 || uvw_[2] < 0 || baseline_ < 0)
            fail("expected the group parameters UU, VV, WW and BASELINE");
    }

    void read_group(std::int64_t group, std::vector<double> &parameters,
                    std::vector<double> &data) const {
        int status = 0, any_null = 0;
        fits_read_grppar_dbl(file_.get(), group + 1, 1, LONGLONG(parameters.size()),
                             parameters.data(), &status);
        fits_read_img_dbl(file_.get(), group + 1, 1, LONGLONG(data.size()), 0, data.data(),
                          &any_null, &status);
        check(status, "reading group " + std::to_string(group + 1));
        // CFITSIO scales the data of a group, not its parameters.
        for (std::size_t i = 0; i < parameters.size(); ++i)
            parameters[i] = parameters[i] * scale_[i] + zero_[i];
        if (parameters[baseline_] < 257)
            fail("group " + std::to_string(group + 1) + " names no baseline");
    }

    std::string path_;
    std::unique_ptr<fitsfile, close> file_;
    std::int64_t groups_ = 0, channels_ = 0, polarisations_ = 0;
    std::vector<double> scale_, zero_;
    int uvw_[3] = {-1, -1, -1}, baseline_ = -1;
};
