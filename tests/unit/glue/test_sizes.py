"""The examples of contract 05 §2.3."""

import pytest

from ablestack_api.glue.sizes import human_size, percent


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1100, "1.07 KiB"),
        (1536, "1.5 KiB"),
        (1048575, "1024 KiB"),
        (107374182400, "100 GiB"),
        (16298248544256, "14.82 TiB"),
        (2**60, "1 EiB"),
        (2**70, "1024 EiB"),
    ],
)
def test_sizes(number: int, text: str) -> None:
    assert human_size(number) == text


@pytest.mark.parametrize(("ratio", "text"), [(0, "0%"), (0.1068, "10.68%"), (0.5, "50%"), (1, "100%"), (2.2e-05, "0%")])
def test_percentages(ratio: float, text: str) -> None:
    assert percent(ratio) == text
