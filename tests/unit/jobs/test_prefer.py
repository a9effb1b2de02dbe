"""The header Prefer (RFC 7240)."""

import time

import pytest

from ablestack_api.jobs import prefer


@pytest.mark.parametrize(
    "headers",
    [
        ["respond-async"],
        ["Respond-ASYNC"],
        ["  respond-async  "],
        ['respond-async=""'],
        ["respond-async="],
        ["respond-async; wait=10"],
        ["respond-async, wait=10"],
        ["wait=10, respond-async"],
        ["return=minimal", "respond-async"],
        ['foo="a, b", respond-async'],
        ['foo="a \\" , b";x=y,respond-async'],
        [",,respond-async,,"],
        ["rubbish=\\, respond-async"],
    ],
)
def test_asked_for(headers: list[str]) -> None:
    assert prefer.respond_async(headers)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        [",;=\"'"],
        ["wait=10"],
        ["respond-asynchronously"],
        ["respond-async=no"],
        ["foo=respond-async"],
        ['foo="respond-async"'],
        ['foo="a, respond-async"'],
        ["foo; respond-async"],
        ["\x00respond-async"],
        ["respond async"],
        ['never="closed, respond-async'],
        ['never="closed, respond-async\\'],
    ],
)
def test_not_asked_for(headers: list[str]) -> None:
    assert not prefer.respond_async(headers)


@pytest.mark.parametrize("piece", ['\\"', '"\\', '"a', '"', ",", ";", "=", "x"])
def test_the_longest_header_is_read_at_once(piece: str) -> None:
    """Once these took seconds: the bound only tells that from an answer."""
    started = time.monotonic()
    prefer.respond_async([('"' + piece * 8190)[:8190]])
    assert time.monotonic() - started < 1
