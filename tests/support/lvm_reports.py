"""What vgs, pvs and lvs of LVM 2.03.16 report, of invented groups: `expect_vgs(runner, vg("vg_glue"))`."""

import json
from typing import Any

from tests.support.doubles import QueuedRunner

REPORT = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o"]
VGS = ["vgs", *REPORT, "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,lv_count,vg_lock_type,vg_missing_pv_count"]
PVS = ["pvs", *REPORT, "pv_name,pv_uuid,vg_name,pv_size,pv_free"]
LVS = ["lvs", *REPORT, "vg_name,lv_name,lv_path,lv_size,lv_active"]
TAGS = ["vgs", *REPORT, "vg_name,vg_tags"]
UUID = "CUiOz2-99og-FwK2-mtYm-KkDq-BgOE-02ihIZ"
GIB = 1 << 30
Row = dict[str, str]


def vg(name: str, *, lvs: int = 0, lock: str = "", missing: int = 0) -> Row:
    sizes = {"vg_size": str(100 * GIB), "vg_free": str(100 * GIB), "vg_extent_size": "4194304"}
    counts = {"lv_count": str(lvs), "vg_lock_type": lock, "vg_missing_pv_count": str(missing)}
    return {"vg_name": name, "vg_uuid": UUID, **sizes, **counts}


def pv(path: str, group: str, size: int = 100 * GIB) -> Row:
    return {"pv_name": path, "pv_uuid": UUID, "vg_name": group, "pv_size": str(size), "pv_free": str(size)}


def lv(group: str, name: str) -> Row:
    path = f"/dev/{group}/{name}"
    return {"vg_name": group, "lv_name": name, "lv_path": path, "lv_size": str(100 * GIB), "lv_active": "active"}


def expect_vgs(runner: QueuedRunner, *rows: Row) -> None:
    runner.expect(VGS, stdout=_printed("vg", rows))


def expect_pvs(runner: QueuedRunner, *rows: Row) -> None:
    runner.expect(PVS, stdout=_printed("pv", rows))


def expect_lvs(runner: QueuedRunner, *rows: Row) -> None:
    runner.expect(LVS, stdout=_printed("lv", rows))


def expect_tags(runner: QueuedRunner, **tags: str) -> None:
    rows = [{"vg_name": name, "vg_tags": value} for name, value in tags.items()]
    runner.expect(TAGS, stdout=_printed("vg", rows))


def _printed(kind: str, rows: Any) -> str:
    return json.dumps({"report": [{kind: list(rows)}]}, indent=4)
