"""How this process takes being told to end."""

import signal


def end_in_order() -> None:
    """`kill` and a closed terminal do what Ctrl-C does, so that whatever was opened is closed. `nohup` is respected."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
