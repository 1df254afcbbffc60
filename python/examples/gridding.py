# SPDX-License-Identifier: BSD-3-Clause
"""What ng_processor.py and demo_wstack.py agree on: the functions of nifty_gridder, with its names and order.

uvw in metres, freq in Hz, ascending; pixel sizes in radians. npix_x and npix_y are even and at least 32, epsilon is the
accuracy that is wanted, at least 2e-13.
"""

import pyarrow

import ska_sdp_dal as dal

_HOW = [
    dal.make_par("pixsize_x", pyarrow.float64()),
    dal.make_par("pixsize_y", pyarrow.float64()),
    dal.make_par("epsilon", pyarrow.float64()),
    dal.make_par("do_wstacking", pyarrow.bool_()),
    dal.make_par("nthreads", pyarrow.int64()),
    dal.make_par("verbosity", pyarrow.int64()),
]


def _functions(real, visibility):
    """The functions for images and weights, and visibilities, of these types. Coordinates are always double."""
    return [
        dal.make_call_schema(
            "ms2dirty",
            [
                dal.make_tensor_input_par("uvw", pyarrow.float64(), ["row", "uvw"]),
                dal.make_tensor_input_par("freq", pyarrow.float64(), ["chan"]),
                dal.make_tensor_input_par("ms", visibility, ["row", "chan"]),
                dal.make_tensor_input_par("wgt", real, ["row", "chan"], nullable=True),
                dal.make_par("npix_x", pyarrow.int64()),
                dal.make_par("npix_y", pyarrow.int64()),
                *_HOW,
                dal.make_tensor_output_par("dirty", real, ["x", "y"]),
            ],
        ),
        dal.make_call_schema(
            "dirty2ms",
            [
                dal.make_tensor_input_par("uvw", pyarrow.float64(), ["row", "uvw"]),
                dal.make_tensor_input_par("freq", pyarrow.float64(), ["chan"]),
                dal.make_tensor_input_par("dirty", real, ["x", "y"]),
                dal.make_tensor_input_par("wgt", real, ["row", "chan"], nullable=True),
                *_HOW,
                dal.make_tensor_output_par("ms", visibility, ["row", "chan"]),
            ],
        ),
    ]


#: In double precision: nifty_gridder's.
NIFTY_SCHEMAS = _functions(pyarrow.float64(), dal.complex128)
#: In double and in single precision: the arrays of a call choose.
NIFTY_FORMS = NIFTY_SCHEMAS + _functions(pyarrow.float32(), dal.complex64)
