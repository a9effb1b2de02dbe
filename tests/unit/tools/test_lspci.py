"""tools.lspci: the blocks that lspci(8) prints."""

import pytest

from ablestack_api.tools import lspci
from tests.support.doubles import QueuedRunner

BLOCK = """\
Slot:\t01:00.0
Class:\tRAID bus controller
Vendor:\tBroadcom / LSI
Device:\tMegaRAID SAS-3 3108 [Invader]
Driver:\tmegaraid_sas
Module:\tmegaraid_sas
Module:\tmpt3sas
"""
DEVICE = {
    "Slot": "01:00.0",
    "Class": "RAID bus controller",
    "Vendor": "Broadcom / LSI",
    "Device": "MegaRAID SAS-3 3108 [Invader]",
    "Driver": "megaraid_sas",
    "Module": "mpt3sas",
}


@pytest.mark.parametrize(
    ("printed", "devices"),
    [
        (BLOCK, [DEVICE]),
        (f"{BLOCK}\n{BLOCK}\n", [DEVICE, DEVICE]),
        (f"\n\n{BLOCK} \n\n\n", [DEVICE]),
        (BLOCK.replace("\n", "\r\n"), [DEVICE]),
        ("Device:\tA: B: C\n", [{"Device": "A: B: C"}]),
        ("Slot:\t0000:01:00.0\nno colon here\nRev:\n", [{"Slot": "0000:01:00.0", "Rev": ""}]),
        ("", []),
        ("no colon\n", []),
    ],
)
def test_blocks(printed: str, devices: list[dict[str, str]]) -> None:
    assert lspci.parse(printed) == devices


def test_it_is_found_by_its_name_and_its_complaints_are_no_devices() -> None:
    runner = QueuedRunner()
    complaint = "lspci: Unable to load libkmod resources: error -2\n"
    runner.expect(["lspci", "-vmm", "-k"], stdout=BLOCK, stderr=complaint)
    assert lspci.read(runner) == [DEVICE]
