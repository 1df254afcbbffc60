#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks the gridder that ng_processor.py offers: against the sum over all visibilities that it approximates, and that
gridding and degridding are adjoint to each other.

With ñ = sqrt(1 - x² - y²), a pixel of the dirty image is

    Re Σ ms · exp(2πi f/c (u x + v y - w (ñ - 1))) / ñ

(Arras et al. 2021, A&A 646, A58, "Efficient wide-field radio interferometry response"; with the sign of w that
the gridder has).
"""

import argparse
import logging
import sys

import numpy as np
from gridding import NIFTY_SCHEMAS

import ska_sdp_dal as dal

SPEED_OF_LIGHT = 299792458.0


def explicit_dirty(uvw, freq, ms, npix_x, npix_y, pixsize_x, pixsize_y, do_wstacking):
    """The dirty image, without any approximation, and slowly."""
    x, y = np.meshgrid(
        (np.arange(npix_x) - npix_x // 2) * pixsize_x, (np.arange(npix_y) - npix_y // 2) * pixsize_y, indexing="ij"
    )
    height = -(x**2 + y**2) / (np.sqrt(1 - x**2 - y**2) + 1) if do_wstacking else np.zeros_like(x)
    dirty = np.zeros((npix_x, npix_y))
    for row, (u, v, w) in enumerate(uvw):
        phase = 2 * np.pi / SPEED_OF_LIGHT * (u * x + v * y - w * height)
        for channel, frequency in enumerate(freq):
            dirty += (ms[row, channel] * np.exp(1j * frequency * phase)).real
    return dirty / (height + 1)


def scene(rows, channels, npix_x, field_of_view, random):
    """Coordinates that fill the plane of spatial frequencies which a pixel size can show."""
    pixsize = np.deg2rad(field_of_view) / npix_x
    freq = 1e9 * (1 + 0.1 * np.arange(channels) / channels)
    uvw = (random.random((rows, 3)) - 0.5) / (pixsize * freq[0] / SPEED_OF_LIGHT)
    uvw[:, 2] /= 20
    return uvw, freq, pixsize


def visibilities(rows, channels, random):
    return random.random((rows, channels)) - 0.5 + 1j * (random.random((rows, channels)) - 0.5)


def l2_error(found, expected):
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def check_transform(store, caller, do_wstacking, nthreads):
    """Compares the gridder with the explicit transform."""
    random = np.random.default_rng(42)
    rows, channels, npix_x, npix_y, epsilon = 1000, 1, 64, 64, 1e-12
    uvw, freq, pixsize = scene(rows, channels, npix_x, 2.0, random)
    ms = visibilities(rows, channels, random)
    how = "with" if do_wstacking else "without"
    print(f"\nTesting the gridding of {rows} rows onto {npix_x} x {npix_y} pixels, {how} w-stacking")
    dirty = caller.ms2dirty(uvw, freq, ms, None, npix_x, npix_y, pixsize, pixsize, epsilon, do_wstacking, nthreads, 0)[
        "dirty"
    ]
    expected = explicit_dirty(uvw, freq, ms, npix_x, npix_y, pixsize, pixsize, do_wstacking)
    error = l2_error(dirty.get(), expected)
    print(f"L2 error between explicit transform and gridder: {error}")
    return error < epsilon


def check_adjointness(store, caller, rows, channels, npix, do_wstacking, nthreads):
    """<R dirty, ms> and <dirty, R† ms> are the same number: the gridder is the adjoint of the degridder."""
    random = np.random.default_rng(7)
    uvw, freq, pixsize = scene(rows, channels, npix, 2.0, random)
    uvw, freq = store.put_new_tensor(uvw), store.put_new_tensor(freq)
    ms, dirty = visibilities(rows, channels, random), random.random((npix, npix)) - 0.5
    print(
        f"\nTesting adjointness of the gridding/degridding operation\n({rows} rows, {channels} channels, {npix} x {npix})"
    )
    how = (pixsize, pixsize, 1e-12, do_wstacking, nthreads, 0)
    gridded = caller.ms2dirty(uvw, freq, ms, None, npix, npix, *how)["dirty"]
    degridded = caller.dirty2ms(uvw, freq, dirty, None, *how)["ms"]
    ours, theirs = np.vdot(degridded.get(), ms).real, np.vdot(dirty, gridded.get())
    error = float(abs(ours - theirs) / (np.linalg.norm(ms) * np.linalg.norm(degridded.get())))
    print(f"adjointness test: {error}")
    return error < 1e-12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="path of the store; it is made if there is none")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="of the gridder (default: what it can spare)"
    )
    parser.add_argument(
        "--timeout", type=float, default=10, metavar="S", help="wait for a processor (default: 10 seconds)"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

    # 128 and the number of the signal: it was not done.
    with dal.end_on_sigterm(143), dal.Store(options.store) as store:
        caller = dal.Caller(NIFTY_SCHEMAS, store, verbose=True, timeout=options.timeout)
        fine = [check_transform(store, caller, do_wstacking, options.threads) for do_wstacking in (False, True)] + [
            check_adjointness(store, caller, rows, channels, npix, True, options.threads)
            for rows, channels, npix in ((1000, 1, 64), (10000, 10, 256))
        ]
    if not all(fine):
        print("demo_wstack.py: an error is larger than it may be", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except dal.DalError as problem:
        sys.exit(f"demo_wstack.py: {problem}")
