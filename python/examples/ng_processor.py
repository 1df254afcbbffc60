#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Offers the gridder of ducc0, the successor of nifty_gridder, to callers as demo_wstack.py.

Needs the package ducc0 (GPL-2-or-later): pip install ducc0
"""

import argparse
import logging
import sys

from gridding import NIFTY_FORMS

import ska_sdp_dal as dal

try:
    from ducc0 import wgridder
except ImportError:
    sys.exit("ng_processor.py: the gridder is in the package ducc0: pip install ducc0")


class NiftyProcessor(dal.Processor):
    """Visibilities to a dirty image, and back, in single or in double precision. Inputs are read where they lie, outputs
    written where they will be read."""

    def __init__(self, plasma_path: str, **kwargs: object) -> None:
        super().__init__(NIFTY_FORMS, plasma_path, **kwargs)

    def ms2dirty(self, uvw, freq, ms, wgt, npix_x, npix_y, dirty, **how):
        wgridder.vis2dirty(
            uvw=uvw.get(),
            freq=freq.get(),
            vis=ms.get(),
            wgt=None if wgt is None else wgt.get(),
            dirty=dirty.create((npix_x, npix_y)),
            **self._how(**how),
        )

    def dirty2ms(self, uvw, freq, dirty, wgt, ms, **how):
        rows, channels = uvw.get(), freq.get()
        wgridder.dirty2vis(
            uvw=rows,
            freq=channels,
            dirty=dirty.get(),
            wgt=None if wgt is None else wgt.get(),
            vis=ms.create((rows.shape[0], channels.shape[0])),
            **self._how(**how),
        )

    def _how(self, do_wstacking, nthreads, **how):
        """nifty_gridder's options as ducc0 names them; 0 threads are as many as there are to spare."""
        return dict(how, do_wgridding=do_wstacking, nthreads=nthreads or self.call.thread_budget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="path of the store; it is made if there is none")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    sys.stdout.reconfigure(line_buffering=True)

    with dal.end_on_sigterm(), NiftyProcessor(options.store) as processor:
        while True:
            processor.process()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except dal.DalError as problem:
        sys.exit(f"ng_processor.py: {problem}")
