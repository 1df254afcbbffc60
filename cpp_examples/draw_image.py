#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws the images that imaging_caller has written: as observed, calibrated, and restored.

It needs matplotlib 3.6 or newer and astropy (Debian: python3-matplotlib python3-astropy).
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, List

try:
    import matplotlib
    import numpy as np
    from astropy.io import fits
    from matplotlib.colors import AsinhNorm
except ImportError as problem:
    sys.exit(f"draw_image.py: {problem}. It needs matplotlib 3.6 or newer and astropy")

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Ellipse
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

#: Extensions of the file, and what they are called in the picture.
PANELS = {
    "OBSERVED": "as observed, not calibrated",
    "DIRTY": "calibrated, with the beam's sidelobes",
    "RESTORED": "restored, sidelobes removed",
}
STYLE = {"font.size": 11, "axes.titlesize": 13, "figure.constrained_layout.use": True}


def noise(image: Any) -> float:
    """The rms of all pixels that are three beams and more away from the phase centre, where the source is."""
    header = image.header
    x = (np.arange(header["NAXIS1"]) + 1 - header["CRPIX1"]) * header["CDELT1"]
    y = (np.arange(header["NAXIS2"]) + 1 - header["CRPIX2"]) * header["CDELT2"]
    away = np.hypot(x[np.newaxis, :], y[:, np.newaxis]) >= 3 * header["BMAJ"]
    return float(np.sqrt(np.mean(image.data[away].astype(float) ** 2)))


def extent(header: Any) -> List[float]:
    """The edges of an image in arc seconds from the phase centre: left, right, bottom, top."""
    edges = []
    for axis in "12":
        step, centre = 3600 * header["CDELT" + axis], header["CRPIX" + axis]
        edges += [(0.5 - centre) * step, (header["NAXIS" + axis] + 0.5 - centre) * step]
    return edges


def shown(value: float, header: Any) -> str:
    if header["BUNIT"] != "JY/BEAM":
        return rf"{value * 1e3:#.3g} $\times\ 10^{{-3}}$"
    return f"{value:#.3g} Jy/beam" if value >= 0.1 else f"{value * 1e3:#.3g} mJy/beam"


def draw_panel(axes: Any, image: Any, title: str, scale: AsinhNorm) -> Any:
    mapped = axes.imshow(
        image.data, origin="lower", extent=extent(image.header), norm=scale, cmap="inferno", interpolation="nearest"
    )
    axes.set_title(title)
    axes.set_xlabel("offset east (arcsec)")
    peak, deviation = float(image.data.max()), noise(image)
    lines = [f"peak {shown(peak, image.header)}", f"noise {shown(deviation, image.header)}"]
    axes.text(
        0.035, 0.965, "\n".join([*lines, f"peak/noise {peak / deviation:.0f}"]), transform=axes.transAxes, va="top",
        color="white", fontsize=10, linespacing=1.4,
        bbox={"facecolor": "black", "alpha": 0.65, "edgecolor": "none", "boxstyle": "round,pad=0.4"},
    )  # fmt: skip
    return mapped


def draw_bar(axes: Any, mapped: Any, factor: float, label: str) -> None:
    """A colour bar beside a panel; zero and round numbers from the noise upwards are marked."""
    scale = mapped.norm
    bar = axes.figure.colorbar(mapped, cax=axes.inset_axes((1.03, 0, 0.05, 1)), label=label)
    steps = [sign * step * 10.0**power for sign in (-1, 1) for step in (1, 3) for power in range(-6, 6)]
    ticks = [tick for tick in steps if scale.vmin <= tick <= scale.vmax and abs(tick) > 0.6 * scale.linear_width]
    bar.ax.yaxis.set_major_locator(FixedLocator([0, *ticks]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * factor:g}"))


def draw_beam(axes: Any, header: Any) -> None:
    """The beam at half of its height, in a corner."""
    left, right, bottom, top = extent(header)
    place = left + 0.08 * (right - left), bottom + 0.08 * (top - bottom)
    # Angles are counted from north through east here, and the other way round in matplotlib.
    axes.add_patch(
        Ellipse(place, 3600 * header["BMIN"], 3600 * header["BMAJ"], angle=-header["BPA"], color="white", lw=0)
    )
    axes.annotate("beam", place, (14, 0), textcoords="offset points", color="white", va="center", fontsize=10)


def draw(images: Any, picture: str) -> None:
    observed, dirty, restored = (images[name] for name in PANELS)
    # Linear as far as the noise goes, so that it is seen, and logarithmic up to the peak, which is not cut off.
    peak, width, lowest = float(dirty.data.max()), 5 * noise(restored), float(dirty.data.min())
    scale = AsinhNorm(linear_width=width, vmin=lowest, vmax=peak)
    # Its numbers are those of the correlator: it has a scale of its own.
    own = float(observed.data.max())
    own_scale = AsinhNorm(linear_width=own * width / peak, vmin=float(observed.data.min()), vmax=own)
    with plt.rc_context(STYLE):
        figure, row = plt.subplots(1, 3, figsize=(14.4, 4.75))
        mapped = draw_panel(row[0], observed, PANELS["OBSERVED"], own_scale)
        draw_bar(row[0], mapped, 1e3, r"correlator units $\times\ 10^{-3}$")
        draw_panel(row[1], dirty, PANELS["DIRTY"], scale)
        mapped = draw_panel(row[2], restored, PANELS["RESTORED"], scale)
        draw_bar(row[2], mapped, 1, "Jy/beam, the same scale in both panels")
        draw_beam(row[2], restored.header)
        row[0].set_ylabel("offset north (arcsec)")
        of = restored.header
        figure.suptitle(f"{of['OBJECT']}, {of['TELESCOP']}, {of['DATE-OBS'][:10]}, {of['OBSFREQ'] / 1e9:.2f} GHz")
        figure.savefig(picture, dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", help="image.fits, as imaging_caller writes it")
    parser.add_argument("picture", help="the PNG file to write")
    options = parser.parse_args()
    with fits.open(options.images) as images:
        draw(images, options.picture)


if __name__ == "__main__":
    main()
