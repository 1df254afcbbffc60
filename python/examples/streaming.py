# SPDX-License-Identifier: BSD-3-Clause
"""What streamer.py and stream_processor.py agree on."""

import pyarrow

import ska_sdp_dal as dal

STREAM_SCHEMAS = [
    dal.make_call_schema(
        "receive",
        [
            dal.make_tensor_input_par("payload", pyarrow.float64(), ["i"]),
            # Without dimensions: says that the payload is not needed any more.
            dal.make_tensor_output_par("tag", pyarrow.int64(), []),
        ],
    )
]
