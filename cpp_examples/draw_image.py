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
PANELS = {"OBSERVED": "as observed", "DIRTY": "calibrated", "RESTORED": "restored, sidelobes removed"}
STYLE = {"font.size": 11, "axes.titlesize": 13, "figure.constrained_layout.use": True}


def noise(pixels: np.ndarray) -> float:
    """The standard deviation of a normal distribution with this median deviation: a source counts for little."""
    return float(1.4826 * np.median(np.abs(pixels - np.median(pixels))))


def extent(header: Any) -> List[float]:
    """The edges of an image in arc seconds from the phase centre: left, right, bottom, top."""
    edges = []
    for axis in "12":
        step, centre = 3600 * header["CDELT" + axis], header["CRPIX" + axis]
        edges += [(0.5 - centre) * step, (header["NAXIS" + axis] + 0.5 - centre) * step]
    return edges


def shown(value: float) -> str:
    """In Jy or mJy per beam, with three digits."""
    return f"{value:#.3g} Jy/beam" if abs(value) >= 0.1 else f"{value * 1e3:#.3g} mJy/beam"


def draw_panel(axes: Any, image: Any, title: str, scale: AsinhNorm) -> Any:
    pixels = image.data
    mapped = axes.imshow(
        pixels, origin="lower", extent=extent(image.header), norm=scale, cmap="inferno", interpolation="nearest"
    )
    axes.set_title(title)
    axes.set_xlabel("offset east (arcsec)")
    peak, deviation = float(pixels.max()), noise(pixels)
    axes.text(
        0.035, 0.965, f"peak {shown(peak)}\nnoise {shown(deviation)}\npeak/noise {peak / deviation:.0f}",
        transform=axes.transAxes, va="top", color="white", fontsize=10, linespacing=1.4,
        bbox={"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "boxstyle": "round,pad=0.4"},
    )  # fmt: skip
    return mapped


def draw_beam(axes: Any, header: Any) -> None:
    """The beam at half of its height, in a corner."""
    left, right, bottom, top = extent(header)
    place = left + 0.08 * (right - left), bottom + 0.08 * (top - bottom)
    # Angles are counted from north through east here, and the other way round in matplotlib.
    beam = Ellipse(place, 3600 * header["BMIN"], 3600 * header["BMAJ"], angle=-header["BPA"], color="white", lw=0)
    axes.add_patch(beam)
    axes.annotate("beam", place, (16, 0), textcoords="offset points", color="white", va="center", fontsize=10)


def draw(images: Any, picture: str) -> None:
    shown_images = {name: images[name] for name in PANELS}
    header = images["RESTORED"].header
    peak = max(float(image.data.max()) for image in shown_images.values())
    deviation = noise(images["RESTORED"].data)
    # Straight up to a few times the noise, which is to be seen, and logarithmic up to the peak, which is not to be cut off.
    scale = AsinhNorm(linear_width=3 * deviation, vmin=-6 * deviation, vmax=peak)
    with plt.rc_context(STYLE):
        figure, row = plt.subplots(1, len(PANELS), figsize=(13.2, 4.9), sharey=True)
        for axes, (name, image) in zip(row, shown_images.items()):
            mapped = draw_panel(axes, image, PANELS[name], scale)
        draw_beam(row[-1], header)
        row[0].set_ylabel("offset north (arcsec)")
        bar = figure.colorbar(mapped, ax=row, pad=0.01, label="Jy/beam, the same scale in all panels (asinh)")
        ticks = [sign * step * 10.0**power for sign in (-1, 1) for power in range(-6, 3) for step in (1, 3)]
        ticks = [tick for tick in ticks if scale.vmin <= tick <= scale.vmax and abs(tick) >= 2 * deviation]
        bar.ax.yaxis.set_major_locator(FixedLocator([0.0, *ticks]))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        figure.suptitle(
            f"{header['OBJECT']}, {header['TELESCOP']}, {header['DATE-OBS'][:10]}, {header['OBSFREQ'] / 1e9:.2f} GHz"
        )
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
