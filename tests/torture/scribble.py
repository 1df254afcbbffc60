# SPDX-License-Identifier: BSD-3-Clause
"""The hostile process of scripts/torture.sh: overwrites random words of a store's bookkeeping, but no object's bytes.

    python scribble.py STORE SEED TALLY

It knows of the store only where its objects begin. The words of TALLY are counted in the first one."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path
from typing import List, Tuple

from tally import words_of

UNIT = 2 << 20


def objects_begin(file: int) -> int:
    """Where the region of small objects begins: src/shm/layout.rs, Geometry."""
    size, length = struct.unpack("<QQ", os.pread(file, 16, 32))
    small = min(max(size // 8, 1 << 20), 1 << 30)
    return int(length - -(-size // UNIT) * UNIT - -(-small // UNIT) * UNIT)


def written(file: int, end: int) -> List[Tuple[int, int]]:
    """The ranges of the bookkeeping that have memory: each of its tables, as far as it is used."""
    ranges, at = [], 0
    while at < end:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        at = min(os.lseek(file, start, os.SEEK_HOLE), end)
        if start < end:
            ranges.append((start, at))
    return ranges


def main() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    path, seed, tally = sys.argv[1:]
    dice = random.Random(int(seed))
    words = words_of(Path(tally))
    file = os.open(path, os.O_RDWR)
    end = objects_begin(file)
    while True:
        ranges = written(file, end)
        for _ in range(50):
            start, stop = dice.choice(ranges)
            # The first pages of a table, and of the whole: what is used most.
            if dice.randrange(2):
                stop = min(stop, start + 16384)
            at = dice.randrange(start, stop) // 8 * 8
            # Without its first line it is no store: then nothing else is seen to matter.
            if at < 64 and dice.randrange(20):
                continue
            old = os.pread(file, 8, at)
            value = dice.choice((0, 1, (1 << 32) - 1, (1 << 64) - 1, dice.getrandbits(64), dice.getrandbits(20)))
            if dice.randrange(3) == 0:
                value = struct.unpack("<Q", old)[0] ^ 1 << dice.randrange(64)
            elif dice.randrange(3) == 0:
                value = struct.unpack("<Q", os.pread(file, 8, dice.randrange(start, stop) // 8 * 8))[0]
            os.pwrite(file, struct.pack("<Q", value), at)
            words[0] += 1
            time.sleep(dice.choice((0, 0.0005, 0.003)))


if __name__ == "__main__":
    main()
