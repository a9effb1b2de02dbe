"""What every node does for the cluster of Pacemaker (contract 02 §6.5): each function is one action on this node."""

import os

from ablestack_api.core.errors import ApiError, Conflict, bad_field
from ablestack_api.core.secret import Secret
from ablestack_api.env import Env
from ablestack_api.hosts import multipath_config, storage_names
from ablestack_api.hosts.gfs import fence_passwords
from ablestack_api.hosts.gfs.call import Call, on_whole_system
from ablestack_api.state import json_file, lvm_conf, multipath_files, pcs_password
from ablestack_api.tools import chown, chpasswd, lvm, pcs, systemctl

DEFAULT_USER = "hacluster"
ALERT_FILES = ("var/log/pcmk_alert_file.log", "var/log/pcmk_alert_detail.log")
ALERT_OWNER = "hacluster:haclient"
COROSYNC_CONF = "etc/corosync/corosync.conf"
PCSD, MULTIPATHD = "pcsd.service", "multipathd.service"


def modify_lvm_conf(call: Call) -> str:
    """Have LVM take its locks from lvmlockd and look at the devices of its file only, or neither of both.

    LVM is asked whether it took the change; when it did not, or multipath cannot be switched on, lvm.conf is as before.
    """
    wanted = "1" if call.request.use_lvmlockd else "0"
    values = {"global/use_lvmlockd": wanted, "devices/use_devicesfile": wanted}
    before = lvm_conf.change(call.env.settings, values)
    if not call.env.settings.is_whole_system:
        return "Modify Lvm Conf Success (skipped on a node in a folder: lvmconfig, mpathconf)"
    try:
        taken = lvm.read_settings(call.env.runner, list(values))
        if taken != values:
            raise Conflict(f"LVM still uses {taken}: something else sets it, see lvmlocal.conf")
        if call.request.use_lvmlockd:
            _enable_multipath(call.env)
    except ApiError as error:
        if before is not None:
            lvm_conf.restore(call.env.settings, before)
            error.detail += f"; {lvm_conf.path(call.env.settings)} was put back"
        raise
    return "Modify Lvm Conf Success"


@on_whole_system
def set_password(call: Call) -> str:
    """Give the cluster's account its password and keep it for the nodes that come later."""
    user = storage_names.cluster_user(call.request.cluster_user or DEFAULT_USER)
    password = password_of(call)
    systemctl.enable_now(call.env.runner, PCSD)
    chpasswd.set_password(call.env.runner, user, password)
    pcs_password.store(call.env.settings, password)
    return "Set Cluster Password Success"


def password_of(call: Call) -> Secret:
    """The one of the request, else the one that is stored on this node. Raises BadInput when there is neither."""
    given = storage_names.one_line(call.request.cluster_password, "cluster_password", "invalid cluster_password")
    password = Secret(given) if given else pcs_password.read(call.env.settings)
    if password is None:
        raise bad_field("cluster_password", "required: none is stored on this node yet")
    return password


def chosen_password(call: Call) -> Secret:
    """As `password_of`; a new one is made where there is none. It is kept by `set_password`, on every node."""
    if call.request.cluster_password or pcs_password.read(call.env.settings) is not None:
        return password_of(call)
    return pcs_password.generated()


@on_whole_system
def cleanup(call: Call) -> str:
    pcs.resource_cleanup(pcs.connect(call.env.runner))
    return "Resource Cleanup Success"


@on_whole_system
def destroy(call: Call) -> str:
    """Remove the cluster's configuration from this node; one that is in no cluster is fine."""
    if os.path.exists(call.env.settings.below(COROSYNC_CONF)):
        pcs.cluster_destroy(pcs.connect(call.env.runner))
    return "Destroy Cluster Node Success"


def prepare_alert_files(call: Call) -> str:
    """The two logs that the alert script writes as the cluster's own account."""
    for name in ALERT_FILES:
        path = call.env.settings.below(name)
        with json_file.told(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            if call.env.settings.is_whole_system:
                chown.set_owner(call.env.runner, ALERT_OWNER, path)
            os.chmod(path, 0o600)
    skipped = "" if call.env.settings.is_whole_system else " (skipped on a node in a folder: chown)"
    return f"Alert File Prepare Success{skipped}"


def store_fence_passwords(call: Call) -> str:
    """Keep the passwords of the management controllers where the fence devices of this node read them."""
    for device in call.request.devices:
        fence_passwords.store(call.env.settings, device.hostname, Secret(device.passwd))
    return "Store Fence Password Success"


def forget_fence_passwords(call: Call) -> str:
    for device in call.request.devices:
        fence_passwords.forget(call.env.settings, device.hostname)
    return "Forget Fence Password Success"


def _enable_multipath(env: Env) -> None:
    """mpathconf is of the EL family and has multipathd load; elsewhere it gets our settings and is started here."""
    before = multipath_files.snapshot(env.settings)
    told = multipath_config.enable(env)
    try:
        if told:
            systemctl.enable_now(env.runner, MULTIPATHD)
    except ApiError:
        multipath_files.put_back(env.settings, before)
        raise
