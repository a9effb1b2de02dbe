"""Shared disks and a cluster of Pacemaker, as the programs of several nodes show them: a runner with a memory.

Not a recording of calls: what `pvcreate` did is in the next answer of `pvs`, on every node. A test compares the state before
and after, and breaks any program on any node. What the programs print has the form of the real ones (tests/data).
"""

import copy
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ablestack_api.core.errors import ApiError, CommandFailed
from ablestack_api.core.runner import Finished, Piped
from ablestack_api.core.secret import Secret
from tests.support import lsblk_output
from tests.support.doubles import UnexpectedCall

GIB = 1 << 30
EMPTY_CIB = (
    '<cib validate-with="pacemaker-3.9"><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
    '<nvpair id="n" name="cluster-name" value="cloudcenter_cluster"/></cluster_property_set></crm_config><nodes/>'
    "<resources/><constraints/></configuration><status/></cib>"
)


@dataclass
class Disk:
    size: int = 100 * GIB
    label: str = "unknown"
    partition: int = 0  # its size, 0: none
    partlabel: str = ""
    guid: str = ""
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass
class Storage:
    """What all nodes share. `pvs`: path -> [uuid, group]; `lvs`: (group, name) -> size."""

    disks: dict[str, Disk] = field(default_factory=dict)
    pvs: dict[str, list[str]] = field(default_factory=dict)
    vgs: dict[str, str] = field(default_factory=dict)
    lvs: dict[tuple[str, str], int] = field(default_factory=dict)
    formatted: dict[str, str] = field(default_factory=dict)
    cib: str = ""
    nodes: list[str] = field(default_factory=list)
    made: int = 0
    roots: list[Path] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Everything but counters, to compare."""
        shape = copy.deepcopy(self.__dict__)
        shape.pop("made")
        shape.pop("roots")
        shape["cib"] = _canonical(self.cib)
        return shape


class StorageMachine:
    """The programs of one node. `ran` are their command lines, `stdin` what they were given."""

    def __init__(self, storage: Storage, root: Path) -> None:
        self.storage = storage
        self.root = root
        storage.roots.append(root)
        self.devices_file: set[str] = set()
        self.settings = {"use_lvmlockd": "0", "use_devicesfile": "0"}
        self.passwords: dict[str, str] = {}
        self.ran: list[list[str]] = []
        self.stdin: list[str] = []
        self.timeouts: list[float] = []
        self.faults: list[tuple[str, ApiError, bool]] = []
        self.hooks: list[tuple[str, Callable[[], None]]] = []
        self.blind_to: set[str] = set()  # physical volumes that this node does not see
        self.foreign: dict[str, str] = {}  # disks that are others on this node, with the GUID of their partition
        self.failing: set[str] = set()  # resources that do not start
        self.offline: set[str] = set()  # nodes that do not join the cluster

    def breaks(self, command: str, error: ApiError | None = None, *, afterwards: bool = False) -> None:
        """The next program whose command line begins so fails; `afterwards`: it does its work and then fails."""
        error = error or CommandFailed(f"{command.split(maxsplit=1)[0]} ended with code 5: broken", exit_code=5)
        self.faults.append((command, error, afterwards))

    def during(self, command: str, work: Callable[[], None]) -> None:
        """Do `work` when the next program whose command line begins so is started."""
        self.hooks.append((command, work))

    def commands(self, program: str) -> list[str]:
        return [" ".join(argv) for argv in self.ran if argv[0] == program]

    def run(
        self, argv: Sequence[str | Secret], *, timeout: float, stdin: str | Secret | None = None, ok: Sequence[int] = (0,)
    ) -> Finished:
        words = [word.reveal() if isinstance(word, Secret) else word for word in argv]
        self.ran.append(words)
        self.timeouts.append(timeout)
        if stdin is not None:
            self.stdin.append(stdin.reveal() if isinstance(stdin, Secret) else stdin)
        line = " ".join(words)
        hook = next((each for each in self.hooks if line.startswith(each[0])), None)
        if hook is not None:
            self.hooks.remove(hook)
            hook[1]()
        fault = next((each for each in self.faults if line.startswith(each[0])), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault[2]:
                self._does(words)
            raise fault[1]
        code = 102 if words[0] == "crm_mon" and not self.storage.cib else 0
        return Finished(self._does(words), "", code, 0.01)

    def pipe(self, source: Sequence[str], through: Sequence[str], *, into: IO[bytes] | None, timeout: float) -> Piped:
        raise UnexpectedCall(f"unexpected pipe {source} {through}")

    def finish(self) -> None:
        left = [fault[0] for fault in self.faults]
        if left:
            raise AssertionError(f"these programs were to fail but did not run: {left}")

    def _does(self, words: list[str]) -> str:
        work = getattr(self, "_" + words[0].replace(".", "_"), None)
        if work is None:
            raise UnexpectedCall(f"unexpected program {words}")
        return str(work(words[1:]) or "")

    # --- disks -------------------------------------------------------------------------------------------------------

    def _lsblk(self, words: list[str]) -> str:
        return lsblk_output.printed(*(self._disk_node(path, disk) for path, disk in self.storage.disks.items()))

    def _disk_node(self, path: str, disk: Disk) -> dict[str, Any]:
        name = path.removeprefix("/dev/")
        columns = {"size": disk.size, **disk.columns}
        if not disk.partition:
            return lsblk_output.disk(name, **columns)
        part = f"{path}1"
        member = {"fstype": "LVM2_member"} if part in self.storage.pvs else {}
        upon = [self._volume_node(vg, lv) for vg, lv in self.storage.lvs if self.storage.pvs.get(part, ["", ""])[1] == vg]
        return lsblk_output.disk(name, self._part_node(f"{name}1", disk, upon, member), **columns)

    @staticmethod
    def _part_node(name: str, disk: Disk, upon: list[dict[str, Any]], member: dict[str, str]) -> dict[str, Any]:
        return lsblk_output.part(name, *upon, size=disk.partition, partlabel=disk.partlabel, **member)

    def _volume_node(self, vg: str, lv: str) -> dict[str, Any]:
        number = list(self.storage.lvs).index((vg, lv))
        name = f"{vg.replace('-', '--')}-{lv.replace('-', '--')}"
        return lsblk_output.mapped("lvm", name, f"dm-{number}", size=self.storage.lvs[vg, lv])

    def _parted(self, words: list[str]) -> str:
        words = [word for word in words if word not in ("-s", "-m", "--fix")]
        path, rest = words[0], words[1:]
        disk = self.storage.disks[path]
        if rest[:1] == ["unit"]:
            shown = f"BYT;\n{path}:{disk.size}B:scsi:512:512:{disk.label}:Invented:;\n"
            end = f"{disk.partition + 1048575}B:{disk.partition}B"
            return shown + (f"1:1048576B:{end}::{disk.partlabel}:lvm;\n" if disk.partition else "")
        if rest[0] == "mklabel":
            self.storage.made += 1
            disk.guid = f"GUID-{self.storage.made}"
            disk.label, disk.partition, disk.partlabel = "gpt", disk.size - 2 * (1 << 20), rest[3]
        elif rest[0] == "rm":
            disk.partition, disk.partlabel, disk.guid = 0, "", ""
        elif rest[0] == "resizepart":
            disk.partition = disk.size - 2 * (1 << 20)
        return ""

    def _sfdisk(self, words: list[str]) -> str:
        return self.foreign.get(words[1], self.storage.disks[words[1]].guid) + "\n"

    def _tee(self, words: list[str]) -> None:
        Path(words[-1]).write_text(self.stdin[-1])

    def _wipefs(self, words: list[str]) -> None:
        disk = self.storage.disks[words[-1]]
        disk.label, disk.partition, disk.partlabel, disk.guid = "unknown", 0, "", ""

    def _partprobe(self, words: list[str]) -> None:
        assert words[-1] in self.storage.disks, words

    def _udevadm(self, words: list[str]) -> None:
        return

    # --- LVM ---------------------------------------------------------------------------------------------------------

    def _vgs(self, words: list[str]) -> str:
        rows = [
            {
                "vg_name": name,
                "vg_uuid": f"uuid-{name}",
                "vg_size": str(self._size(name)),
                "vg_free": "0",
                "vg_extent_size": "4194304",
                "lv_count": "1",
                "vg_lock_type": lock,
                "vg_missing_pv_count": "0",
            }
            for name, lock in self.storage.vgs.items()
        ]
        return _report("vg", rows)

    def _pvs(self, words: list[str]) -> str:
        rows = [
            {"pv_name": path, "pv_uuid": uuid, "vg_name": vg, "pv_size": str(GIB), "pv_free": "0"}
            for path, (uuid, vg) in self.storage.pvs.items()
            if path not in self.blind_to
        ]
        return _report("pv", rows)

    def _lvs(self, words: list[str]) -> str:
        rows = [
            {"vg_name": vg, "lv_name": lv, "lv_path": f"/dev/{vg}/{lv}", "lv_size": str(size), "lv_active": "active"}
            for (vg, lv), size in self.storage.lvs.items()
        ]
        return _report("lv", rows)

    def _pvcreate(self, words: list[str]) -> None:
        self.storage.made += 1
        self.storage.pvs[words[-1]] = [f"uuid-{words[-1]}-{self.storage.made}", ""]

    def _pvremove(self, words: list[str]) -> None:
        del self.storage.pvs[words[-1]]

    def _pvresize(self, words: list[str]) -> None:
        assert words[-1] in self.storage.pvs

    def _vgcreate(self, words: list[str]) -> None:
        name, *paths = words[words.index("--") + 1 :]
        self.storage.vgs[name] = "dlm" if "--shared" in words else ""
        self._join(name, paths)

    def _vgextend(self, words: list[str]) -> None:
        name, *paths = words[words.index("--") + 1 :]
        self._join(name, paths)

    def _vgreduce(self, words: list[str]) -> None:
        _, *paths = words[words.index("--") + 1 :]
        for path in paths:
            self.storage.pvs[path][1] = ""

    def _vgchange(self, words: list[str]) -> None:
        if "none" in words:
            self.storage.vgs[words[-1]] = "none"

    def _vgremove(self, words: list[str]) -> None:
        name = words[-1]
        if self.storage.vgs[name] == "dlm":
            raise CommandFailed("vgremove ended with code 5: the group is locked", exit_code=5)
        del self.storage.vgs[name]
        self._drop_volumes(name)
        for member in self.storage.pvs.values():
            member[1] = "" if member[1] == name else member[1]

    def _lvcreate(self, words: list[str]) -> None:
        vg, lv = words[-1], words[words.index("--name") + 1]
        self.storage.lvs[vg, lv] = self._size(vg)
        self._link(vg, lv)

    def _lvextend(self, words: list[str]) -> None:
        vg, lv = words[-1].split("/")
        self.storage.lvs[vg, lv] = self._size(vg)

    def _lvremove(self, words: list[str]) -> None:
        vg, lv = words[-1].split("/")
        del self.storage.lvs[vg, lv]
        self.storage.formatted.pop(f"/dev/{vg}/{lv}", None)

    def _lvmdevices(self, words: list[str]) -> None:
        if "--adddev" in words:
            self.devices_file.add(words[-1])
        else:
            self.devices_file.discard(words[-1])

    def _lvmconfig(self, words: list[str]) -> str:
        text = (self.root / "etc/lvm/lvm.conf").read_text()
        told = []
        for name in words[2:]:
            key = name.split("/")[1]
            found = [line for line in text.splitlines() if line.strip().startswith(f"{key} ")]
            told.append(f"{key}={found[-1].split('=')[1].split('#')[0].strip() if found else '0'}")
        return "\n".join(told)

    def _join(self, name: str, paths: list[str]) -> None:
        for path in paths:
            self.storage.pvs[path][1] = name

    def _size(self, name: str) -> int:
        return sum(GIB for _, vg in self.storage.pvs.values() if vg == name)

    def _link(self, vg: str, lv: str) -> None:
        """udev's link to the volume, on every node."""
        for root in self.storage.roots:
            link = root / f"dev/{vg}/{lv}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(f"../dm-{list(self.storage.lvs).index((vg, lv))}")

    def _drop_volumes(self, name: str) -> None:
        for vg, lv in [each for each in self.storage.lvs if each[0] == name]:
            self._lvremove([f"{vg}/{lv}"])

    # --- GFS2 and small ones -----------------------------------------------------------------------------------------

    def _mkfs_gfs2(self, words: list[str]) -> None:
        self.storage.formatted[words[-1]] = " ".join(words[:-1])

    def _gfs2_grow(self, words: list[str]) -> None:
        return

    def _mpathconf(self, words: list[str]) -> None:
        return

    def _multipathd(self, words: list[str]) -> str:
        return "ok\n"

    def _systemctl(self, words: list[str]) -> None:
        return

    def _chown(self, words: list[str]) -> None:
        return

    def _chpasswd(self, words: list[str]) -> None:
        user, password = self.stdin[-1].rstrip("\n").split(":", 1)
        self.passwords[user] = password

    def _ipmitool(self, words: list[str]) -> str:
        self.stdin.append(Path(words[words.index("-f") + 1]).read_text())
        return "Chassis Power is on\n"

    # --- Pacemaker ---------------------------------------------------------------------------------------------------

    def _cibadmin(self, words: list[str]) -> str:
        if not self.storage.cib:
            raise CommandFailed("cibadmin ended with code 102: Could not connect to the CIB", exit_code=102)
        return self.storage.cib

    def _crm_verify(self, words: list[str]) -> None:
        ET.parse(words[-1])

    def _crm_mon(self, words: list[str]) -> str:
        root = ET.Element("pacemaker-result")
        nodes = ET.SubElement(root, "nodes")
        for name in self.storage.nodes:
            online = "false" if name in self.offline else "true"
            ET.SubElement(nodes, "node", {"name": name, "online": online, "type": "member"})
        if not self.storage.cib:
            status = ET.SubElement(root, "status", {"code": "102", "message": "Not connected"})
            ET.SubElement(ET.SubElement(status, "errors"), "error").text = "crm_mon: Connection to cluster failed"
            return ET.tostring(root, encoding="unicode")
        shown = ET.SubElement(root, "resources")
        for clone in ET.fromstring(self.storage.cib).iterfind("configuration/resources/clone"):
            element = ET.SubElement(shown, "clone", {"id": clone.get("id", "")})
            for name in self.storage.nodes:
                for primitive in clone.iter("primitive"):
                    self._show(element, primitive, name)
        return ET.tostring(root, encoding="unicode")

    def _show(self, clone: ET.Element, primitive: ET.Element, node: str) -> None:
        kind = ":".join(part for key in ("class", "provider", "type") if (part := primitive.get(key, "")))
        stopped = primitive.find("meta_attributes/nvpair[@value='Stopped']") is not None
        failed = primitive.get("id", "") in self.failing
        attributes = {"id": primitive.get("id", ""), "resource_agent": kind, "role": "Stopped" if stopped else "Started"}
        instance = ET.SubElement(clone, "resource", {**attributes, "failed": "true" if failed else "false"})
        if not stopped:
            ET.SubElement(instance, "node", {"name": node})

    def _pcs(self, words: list[str]) -> str:
        if words == ["--version"]:
            return "0.11.5\n"
        if words[0] == "-f":
            path = Path(words[1])
            path.write_text(_edited(path.read_text(), words[2:]))
            return ""
        if words[:2] == ["cluster", "cib-push"]:
            self.storage.cib = Path(words[2]).read_text()
        elif words[:2] == ["cluster", "setup"]:
            self.storage.cib, self.storage.nodes = EMPTY_CIB, [word for word in words if word[0].isdecimal()]
            for root in self.storage.roots:
                (root / "etc/corosync/corosync.conf").write_text("totem {\n}\n")
        elif words[:2] == ["cluster", "destroy"]:
            self.storage.cib, self.storage.nodes = "", []
            (self.root / "etc/corosync/corosync.conf").unlink(missing_ok=True)
        elif words[0] in ("cluster", "host") or words[1] in ("status", "cleanup"):
            return "Cluster Status:\n"
        else:
            self.storage.cib = _edited(self.storage.cib, words)
        return ""


def _report(kind: str, rows: list[dict[str, str]]) -> str:
    return json.dumps({"report": [{kind: rows}]})


def _canonical(text: str) -> str:
    return ET.canonicalize(text) if text else ""


def _edited(text: str, words: list[str]) -> str:
    """What pcs makes of a CIB, as far as these tests go."""
    root = ET.fromstring(text)
    area, verb, *rest = words
    if area in ("resource", "stonith"):
        _edit_resource(root, area, verb, rest)
    elif area == "property":
        options = root.find("configuration/crm_config/cluster_property_set")
        assert options is not None
        _set_pairs(options, [word for word in [verb, *rest] if "=" in word])
    elif area == "constraint":
        _edit_constraint(root, verb, rest)
    elif area == "alert":
        _edit_alert(root, verb, rest)
    return ET.tostring(root, encoding="unicode")


def _edit_resource(root: ET.Element, area: str, verb: str, rest: list[str]) -> None:
    resources = root.find("configuration/resources")
    assert resources is not None
    if verb == "create":
        name, agent, *options = rest
        kind = ["stonith", agent] if area == "stonith" else agent.split(":")
        parts = (
            dict(zip(("class", "type"), kind, strict=True))
            if len(kind) == 2
            else dict(zip(("class", "provider", "type"), kind, strict=True))
        )
        into = resources
        if "--group" in options:
            group = options[options.index("--group") + 1]
            present = resources.find(f"group[@id='{group}']")
            into = ET.SubElement(resources, "group", {"id": group}) if present is None else present
        primitive = ET.SubElement(into, "primitive", {"id": name, **parts})
        until = options.index("op") if "op" in options else len(options)
        _set_pairs(ET.SubElement(primitive, "instance_attributes"), [word for word in options[:until] if "=" in word])
    elif verb == "update":
        attributes = root.find(f".//primitive[@id='{rest[0]}']/instance_attributes")
        assert attributes is not None
        _set_pairs(attributes, rest[1:])
    elif verb == "clone":
        holder = next(each for each in resources.iter() if rest[0] in [child.get("id") for child in each])
        element = next(child for child in holder if child.get("id") == rest[0])
        holder.remove(element)
        if holder is not resources and not len(holder):
            resources.remove(holder)
        ET.SubElement(resources, "clone", {"id": f"{rest[0]}-clone"}).append(element)
    elif verb in ("enable", "disable"):
        for name in rest:
            _switch(root, name, verb == "disable")
    elif verb == "delete":
        for clone in list(resources):
            if clone.get("id") in (rest[0], f"{rest[0]}-clone"):
                resources.remove(clone)
        constraints = root.find("configuration/constraints")
        assert constraints is not None
        for each in list(constraints):
            if f"{rest[0]}-clone" in each.attrib.values():
                constraints.remove(each)


def _switch(root: ET.Element, name: str, off: bool) -> None:
    primitive = root.find(f".//primitive[@id='{name}']")
    assert primitive is not None, name
    for meta in primitive.findall("meta_attributes"):
        primitive.remove(meta)
    if off:
        _set_pairs(ET.SubElement(primitive, "meta_attributes"), ["target-role=Stopped"])


def _edit_constraint(root: ET.Element, verb: str, rest: list[str]) -> None:
    constraints = root.find("configuration/constraints")
    assert constraints is not None
    if verb == "location":
        name = f"location-{rest[0]}-{rest[2]}"
        ET.SubElement(constraints, "rsc_location", {"id": name, "rsc": rest[0], "node": rest[2], "score": "-INFINITY"})
    elif verb == "order":
        ET.SubElement(constraints, "rsc_order", {"first": rest[1], "then": rest[3]})
    elif verb == "colocation":
        ET.SubElement(constraints, "rsc_colocation", {"rsc": rest[1], "with-rsc": rest[3]})
    elif verb == "delete":
        for each in list(constraints):
            if each.get("id") == rest[0]:
                constraints.remove(each)


def _edit_alert(root: ET.Element, verb: str, rest: list[str]) -> None:
    configuration = root.find("configuration")
    assert configuration is not None
    alerts = configuration.find("alerts")
    alerts = ET.SubElement(configuration, "alerts") if alerts is None else alerts
    if verb == "create":
        given = dict(word.split("=", 1) for word in rest)
        ET.SubElement(alerts, "alert", {"id": given["id"], "path": given["path"]})
    elif verb == "remove":
        alerts[:] = [each for each in alerts if each.get("id") != rest[0]]


def _set_pairs(element: ET.Element, pairs: list[str]) -> None:
    for pair in pairs:
        name, value = pair.split("=", 1)
        for old in element.findall(f"nvpair[@name='{name}']"):
            element.remove(old)
        if value:
            ET.SubElement(element, "nvpair", {"name": name, "value": value})
