"""Putting the Cloud Center VM under Pacemaker (contract 04 §1.6.2): its disk, the cluster, the resource.

Nothing that exists is overwritten: a disk of an earlier installation is renamed, and put back when the set-up fails.
"""

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

from ablestack_api.core.errors import BadInput, Conflict, NotFound
from ablestack_api.env import Env
from ablestack_api.jobs import plan
from ablestack_api.jobs.plan import Plan, Step
from ablestack_api.jobs.progress import Progress
from ablestack_api.machines import cloud_resource
from ablestack_api.pacemaker import cluster_actions, resource_actions, status_view
from ablestack_api.pacemaker.checked import CONFIG, CREATE
from ablestack_api.pacemaker.request import ControlRequest
from ablestack_api.state import cluster_file, mounts
from ablestack_api.state.cluster_document import ClusterConfig
from ablestack_api.tools import cp, pcs, qemu_img, rbd

CLUSTER = "cloudcenter_cluster"
POOL, IMAGE = "rbd", "rbd/ccvm"
IMAGE_SIZE = "500G"
RBD_TEMPLATE = "var/lib/libvirt/images/ablestack-template-back.qcow2"
FILE_TEMPLATE = "var/lib/libvirt/images/ablestack-template.qcow2"
FILE_GROWTH = "+350G"
SHARED = "mnt/glue-gfs"
GFS_CLONE = "glue-gfs-clone"
HCI, HCI_FILES, VM = "ablestack-hci", "ablestack-hci-filesystem", "ablestack-vm"
SUCCESS, FAILURE = "cloud center setup success", "cloud center setup fail"


@dataclass(frozen=True)
class Paths:
    """Where the VM's parts are on this node."""

    xml: str
    shared_xml: str
    shared_disk: str
    template: str


def run(env: Env, request: ControlRequest, progress: Progress) -> dict[str, Any]:
    plan.run(setup_plan(env, request, progress), progress)
    return {"val": SUCCESS}


def setup_plan(env: Env, request: ControlRequest, progress: Progress) -> Plan:
    """Raises Conflict, NotFound, BadInput before anything is done."""
    config = cluster_file.read(env.settings).document.cluster
    kind = config.type.lower()
    if kind not in (HCI, HCI_FILES, VM):
        raise BadInput(f"unsupported cluster type: {config.type or 'none'} keeps no Pacemaker cluster")
    if not config.pcs_cluster:
        raise BadInput("pcsCluster required", fields=[("clusterConfig.pcsCluster", "empty")])
    paths = _paths(env, kind)
    _require_file(paths.xml, "ccvm xml not found")
    _refuse_started(env)
    steps = _file_steps(env, paths) if kind == VM else _image_steps(env, paths)
    if kind == HCI:
        steps.append(_cluster_step(env, config, progress))
    steps += _resource_steps(env, kind, paths, request)
    return Plan(f"the Cloud Center VM of an {config.type} cluster under Pacemaker", steps)


def _paths(env: Env, kind: str) -> Paths:
    below = env.settings.below
    return Paths(
        xml=os.path.join(env.settings.vm_config_root, "ccvm", "ccvm.xml"),
        shared_xml=below(f"{SHARED}/ccvm.xml"),
        shared_disk=below(f"{SHARED}/ccvm.qcow2"),
        template=below(FILE_TEMPLATE if kind == VM else RBD_TEMPLATE),
    )


def _file_steps(env: Env, paths: Paths) -> list[Step]:
    """The VM's files on the shared file system; a disk that is there already is kept as it is."""
    shared = env.settings.below(SHARED)
    if shared not in {mount.mountpoint for mount in mounts.read(env.settings)}:
        raise Conflict(f"gfs mount point is not mounted: /{SHARED}; nothing was done")
    steps = [
        Step("xml", f"copy {paths.xml} to /{SHARED}", partial(cp.copy_file, env.runner, paths.xml, paths.shared_xml)),
    ]
    if os.path.exists(paths.shared_disk):
        return steps
    _require_file(paths.template, "ccvm template image not found")
    return [
        *steps,
        Step(
            "disk",
            f"copy {paths.template} to {paths.shared_disk}",
            partial(cp.copy_file, env.runner, paths.template, paths.shared_disk),
            partial(_forget_file, paths.shared_disk),
        ),
        Step("grow", f"enlarge it by {FILE_GROWTH}", partial(qemu_img.resize, env.runner, paths.shared_disk, FILE_GROWTH)),
    ]


def _image_steps(env: Env, paths: Paths) -> list[Step]:
    """The template as an RBD image; one of an earlier installation is renamed first."""
    _require_file(paths.template, "ccvm template image not found")
    present = rbd.list_images(env.runner, POOL)
    if present is None:
        raise NotFound(f"Ceph has no pool {POOL}; set the storage cluster up first. Nothing was done")
    steps = []
    if "ccvm" in present:
        kept = f"{IMAGE}-before-{env.clock.now():%Y%m%d-%H%M%S}"
        steps.append(
            Step(
                "keep-old",
                f"rename the disk of an earlier installation to {kept}",
                partial(rbd.rename, env.runner, IMAGE, kept),
                partial(rbd.rename, env.runner, kept, IMAGE),
            )
        )
    return [
        *steps,
        Step(
            "disk",
            f"convert {paths.template} to {IMAGE}",
            partial(qemu_img.convert_to_rbd, env.runner, paths.template, IMAGE),
            partial(_forget_image, env),
            undo_if_failed=True,
        ),
        Step("grow", f"enlarge it to {IMAGE_SIZE}", partial(rbd.resize, env.runner, IMAGE, IMAGE_SIZE)),
    ]


def _cluster_step(env: Env, config: ClusterConfig, progress: Progress) -> Step:
    asked = ControlRequest(action=CONFIG, cluster=CLUSTER, hosts=config.pcs_cluster)
    return Step(
        "cluster",
        f"Pacemaker cluster {CLUSTER} of {', '.join(config.pcs_cluster)}",
        lambda: cluster_actions.config(env, asked, progress),
    )


def _resource_steps(env: Env, kind: str, paths: Paths, request: ControlRequest) -> list[Step]:
    resource = cloud_resource.RESOURCE
    xml = paths.shared_xml if kind == VM else paths.xml
    asked = ControlRequest(action=CREATE, resource=resource, xml=xml, disabled=True)
    steps = [
        Step(
            "resource",
            f"create {resource}, stopped",
            lambda: _create_anew(env, asked),
            lambda: pcs.resource_delete(pcs.connect(env.runner), resource),
        )
    ]
    if kind in (VM, HCI_FILES):
        steps.append(
            Step(
                "order",
                f"start it after {GFS_CLONE}",
                lambda: pcs.order(pcs.connect(env.runner), GFS_CLONE, resource),
            )
        )
    if not request.create_only:
        steps.append(Step("start", f"start {resource}", lambda: cloud_resource.enable(env), lambda: _stop(env)))
    return steps


def _create_anew(env: Env, asked: ControlRequest) -> None:
    """One of an earlier set-up is stopped (that was checked) and replaced."""
    if cloud_resource.place_in(status_view.state(env)) is not None:
        pcs.resource_delete(pcs.connect(env.runner), asked.resource)
    resource_actions.create(env, asked)


def _stop(env: Env) -> None:
    cloud_resource.disable(env)


def _refuse_started(env: Env) -> None:
    try:
        place = cloud_resource.place_in(status_view.state(env))
    except Conflict:
        return
    if place is not None and not place.stopped:
        where = ", ".join(place.resource.nodes) or "no node"
        raise Conflict(f"the Cloud Center VM is {place.role} on {where}; disable it first. Nothing was done")


def _require_file(path: str, told: str) -> None:
    if not os.path.isfile(path):
        raise NotFound(f"{told}: {path} is not on this node; nothing was done")


def _forget_file(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)


def _forget_image(env: Env) -> None:
    if "ccvm" in (rbd.list_images(env.runner, POOL) or []):
        rbd.remove(env.runner, IMAGE)
