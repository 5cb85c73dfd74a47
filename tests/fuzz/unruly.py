"""Cases that a pool of workers must survive."""

import os
import time


def make_unruly():
    def case(number: int) -> str:
        if number == 3:
            os._exit(7)
        while number == 5:
            time.monotonic()
        try:
            return "greedy" if number == 6 and bytearray(2**30) else "fine"
        except MemoryError:
            return "no memory"

    return case
