"""Whole numbers on the command line, within bounds."""

import argparse
from collections.abc import Callable


def between(least: int, most: int) -> Callable[[str], int]:
    """For argparse's `type`: a number out of bounds is told with them."""

    def count(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"give a number from {least} to {most}")

    return count
