"""Sizes and percentages as 0.1.2 printed them (contract 05 §2.3)."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
STEP = 1024


def human_size(number: float) -> str:
    """1536 bytes are `1.5 KiB`."""
    size, power = float(number), 0
    while size >= STEP and power < len(UNITS) - 1:
        size, power = size / STEP, power + 1
    return f"{int(number)} B" if power == 0 else f"{_short(size)} {UNITS[power]}"


def percent(ratio: float) -> str:
    """0.1068 is `10.68%`."""
    return f"{_short(ratio * 100)}%"


def _short(number: float) -> str:
    """Two decimals without zeros at the end."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
