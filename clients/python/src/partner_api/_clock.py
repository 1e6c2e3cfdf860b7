"""Time and chance, which tests replace."""

import random
import time


class Clock:
    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def random(self) -> float:
        """From 0 to below 1."""
        return random.random()
