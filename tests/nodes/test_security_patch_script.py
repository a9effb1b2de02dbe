"""shell/security_patch.sh, run for real on a throw-away copy of this system: an overlay in namespaces of its own.

Nothing of the machine is changed: files go to a tmpfs, ports are in another network namespace, processes in another pid
namespace. `systemctl` there is a small program that knows one unit, the sshd that the test started.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "shell/security_patch.sh"
DONE = "Permissions have been updated."
NEEDED = all(shutil.which(name) for name in ("unshare", "sshd", "ss", "ip"))

SYSTEMCTL = """#!/bin/bash
echo "$*" >>/systemctl.log
case "$*" in
    *ssh.socket*) exit 3 ;;
    *sshd.service* | *ssh.service* | *sshd | *ssh) ;;
    *) exit 4 ;;
esac
case $1 in
    is-active | cat) exit 0 ;;
    reload-or-restart) [[ -e /broken ]] || { kill -HUP "$(cat /sshd.pid)"; sleep 0.3; } ;;
esac
"""
# The new root: this system below, a tmpfs above. $1 is a folder of the test, the rest what to do there.
INSIDE = r"""
set -eu
cd "$1"
mount -t tmpfs none top
mkdir top/upper top/work top/root
mount -t overlay none -o lowerdir=/,upperdir=top/upper,workdir=top/work top/root
mount --bind /dev top/root/dev
mount -t proc proc top/root/proc
mount -t tmpfs none top/root/run
mkdir -p top/root/run/sshd top/root/run/lock
ip link set lo up
cp systemctl top/root/usr/local/sbin/systemctl
cp script.sh top/root/script.sh
cp steps.sh top/root/steps.sh
exec chroot top/root /bin/bash /steps.sh
"""
PRELUDE = """
set -u
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
ssh-keygen -A >/dev/null
rm -f /etc/ssh/sshd_config.d/*
printf '%s\\n' 'PidFile /sshd.pid' 'Subsystem sftp internal-sftp' 'Match User nobody' '    PermitRootLogin no' \
    >/etc/ssh/sshd_config
/usr/sbin/sshd
ports() { ss -Hltn | awk '{ print $4 }' | sed 's/.*://' | sort -nu | paste -sd' '; }
state() { (cd / && find etc root/.ssh -type f -exec sha256sum {} +; find etc -printf '%p %m %u\\n') | sort | sha256sum; }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if os.geteuid() != 0 or not NEEDED:
        pytest.skip("needs root, unshare, sshd and ss")
    (tmp_path / "top").mkdir()
    shutil.copy(SCRIPT, tmp_path / "script.sh")
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    return tmp_path


def inside(folder: Path, steps: str) -> str:
    """What the steps print."""
    (folder / "steps.sh").write_text(PRELUDE + steps)
    argv = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private"]
    done = subprocess.run(
        [*argv, "bash", "-c", INSIDE, "-", str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    if "unknown filesystem type 'overlay'" in done.stderr:
        pytest.skip("this kernel has no overlay file system")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_second_run_changes_nothing(folder: Path) -> None:
    told = inside(
        folder,
        """
        /script.sh --dry-run >/dry.log || echo dry failed; grep -q '^would change' /dry.log || echo dry said nothing
        before=$(state); /script.sh --dry-run >/dev/null; [[ $(state) == "$before" ]] || echo a dry run changed something
        /script.sh >/first.log || echo failed; tail -n 1 /first.log
        between=$(state)
        /script.sh >/second.log || echo failed; grep '^changed' /second.log; tail -n 1 /second.log
        [[ $(state) == "$between" ]] || echo the second run changed something
        diff <(sed -n 's/^would change: //p' /dry.log | sort) <(sed -n 's/^changed: //p' /first.log | sort)
        sshd -T | grep -E '^(permitrootlogin|banner)'
        sed -n '/Match/,$p' /etc/ssh/sshd_config
        su -s /bin/sh -c 'cat /etc/passwd >/dev/null && ls /etc/cron.d >/dev/null 2>&1; echo $?' nobody
        cat /etc/issue.net; id -nG ablecloud; stat -c '%a %G' /etc/shadow; ls /etc/*.ablestack-orig | head -1
        """,
    )
    lines = told.splitlines()
    assert lines[:2] == [DONE, DONE], told
    assert "permitrootlogin without-password" in told or "permitrootlogin prohibit-password" in told
    assert "banner /etc/issue.net" in told
    assert "    PermitRootLogin no" in told, "a Match block of the operator stays"
    assert "wheel" in told
    assert "640 shadow" in told or "400 root" in told


def test_the_port_moves_and_ssh_answers_all_the_time(folder: Path) -> None:
    told = inside(
        folder,
        """
        echo "Port 22" >>/etc/ssh/sshd_config.d/port.conf
        sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config
        kill -HUP "$(cat /sshd.pid)"; sleep 0.3; echo "before: $(ports)"
        /script.sh -P 2222 --port-change --keep-old-port | tail -n 1; echo "both: $(ports)"
        /script.sh -P 2222 --port-change | tail -n 1; echo "after: $(ports)"
        /script.sh -P 2222 --port-change | grep changed; grep -c '^Port' /etc/ssh/sshd_config
        cat /root/.ssh/config | tail -n 4; sshd -T | grep -E '^clientalive'
        """,
    )
    lines = told.splitlines()
    assert lines[0] == "before: 22", told
    assert (lines[1:3], lines[3:5]) == ([DONE, "both: 22 2222"], [DONE, "after: 2222"]), told
    assert lines[5:] == [
        *("1", "# BEGIN ablestack-security", "Host *", "    Port 2222", "# END ablestack-security"),
        *("clientaliveinterval 0", "clientalivecountmax 3"),
    ]


@pytest.mark.parametrize("fault", ["taken", "broken"])
def test_a_port_that_ssh_does_not_get_is_not_moved_to(folder: Path, fault: str) -> None:
    """Another program has it, or SSH does not take over its configuration: the old port goes on."""
    prepare = {"taken": "python3 -m http.server 2222 >/dev/null 2>&1 & sleep 1", "broken": "touch /broken"}[fault]
    told = inside(
        folder,
        f"""
        {prepare}
        before=$(sha256sum </etc/ssh/sshd_config); /script.sh -P 2222 --port-change; echo "code $?"
        [[ $(sha256sum </etc/ssh/sshd_config) == "$before" ]] || echo the configuration stayed changed
        sshd -T | grep '^port '; ports
        """,
    )
    assert "code 1" in told, told
    assert "port 22\n" in told
    assert "port 2222\n" not in told
    assert "stayed changed" not in told
    assert DONE not in told
    assert told.split()[-1] == "22" or told.split()[-2:] == ["22", "2222"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("-P 0", 1),
        ("-P 65536", 1),
        ("-P 22x", 1),
        ("-P", 1),
        ("--port-change", 1),
        ("--ceph-ssh-change", 1),
        ("-C true", 2),
        ("--nonsense", 2),
        ("-h", 0),
    ],
)
def test_arguments(tmp_path: Path, arguments: str, code: int) -> None:
    environ = {"PATH": os.environ["PATH"], "ABLESTACK_SYSROOT": str(tmp_path)}
    done = subprocess.run([SCRIPT, *arguments.split()], env=environ, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, list(tmp_path.iterdir())) == (code, []), done.stderr


def el_folder(root: Path) -> Path:
    """Files as EL 9 has them, invented where they differ from node to node."""
    files = {
        "etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nSubsystem sftp /usr/libexec/openssh/sftp-server\n",
        "etc/ssh/sshd_config.d/01-permitrootlogin.conf": "PermitRootLogin yes\n",
        "etc/security/pwquality.conf": "# minlen = 8\nminlen=6\n",
        "etc/security/faillock.conf": "# deny = 3\n",
        "etc/pam.d/system-auth": "auth required pam_faillock.so preauth\n",
        "etc/pam.d/su": "auth\t\tsufficient\tpam_rootok.so\n#auth\t\trequired\tpam_wheel.so use_uid\n",
        "etc/login.defs": "PASS_MAX_DAYS\t99999\nPASS_MAX_DAYS 5\nUMASK 022\n",
        "etc/shadow": "root:*:::::::\n",
        "etc/rsyslog.conf": "#kern.* /dev/console\n",
        "root/.ssh/config": "Host other\n    User me\n",
        "root/.ssh/authorized_keys": "ssh-ed25519 AAAA me\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/shadow").chmod(0o000)
    (root / "etc/cron.d").mkdir()
    (root / "etc/cron.d/job").touch()
    return root


def run_el(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.environ["PATH"], "ABLESTACK_SYSROOT": str(root)}
    return subprocess.run([SCRIPT, *arguments], env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_of_el(tmp_path: Path) -> None:
    root = el_folder(tmp_path)
    first = run_el(root, "-P", "2222")
    assert (first.returncode, first.stdout.splitlines()[-1]) == (0, DONE), first.stdout + first.stderr
    second = run_el(root, "-P", "2222")
    assert [line for line in second.stdout.splitlines() if line.startswith("changed")] == []
    config = (root / "etc/ssh/sshd_config").read_text()
    assert config.splitlines()[0] == "# BEGIN ablestack-security"
    assert config.count("Port 2222") == config.count("PermitRootLogin prohibit-password") == 1
    assert "PermitRootLogin yes" not in (root / "etc/ssh/sshd_config.d/01-permitrootlogin.conf").read_text()
    assert (root / "etc/security/pwquality.conf").read_text().splitlines() == [
        *("# minlen = 8", "minlen = 9", "lcredit = -1", "ucredit = -1", "dcredit = -1", "ocredit = -1", "difok = 4"),
        "enforce_for_root",
    ]
    assert (root / "etc/login.defs").read_text().splitlines()[:2] == ["PASS_MAX_DAYS\t31", "UMASK 022"]
    assert "auth       required   pam_wheel.so use_uid" in (root / "etc/pam.d/su").read_text()
    assert oct((root / "etc/shadow").stat().st_mode & 0o777) == "0o400"
    assert oct((root / "etc/cron.d").stat().st_mode & 0o777) == "0o700", "a folder keeps who may go through it"
    assert (root / "root/.ssh/config").read_text().startswith("Host other\n    User me\n# BEGIN")
    assert (root / "etc/login.defs.ablestack-orig").read_text().startswith("PASS_MAX_DAYS\t99999")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_without_a_key_keeps_its_password(tmp_path: Path) -> None:
    """Else nobody could log in as root any more."""
    root = el_folder(tmp_path)
    (root / "root/.ssh/authorized_keys").unlink()
    done = run_el(root)
    assert (done.returncode, "PermitRootLogin is left as it is" in done.stdout) == (0, True), done.stderr
    assert "PermitRootLogin" not in (root / "etc/ssh/sshd_config").read_text()
    assert (root / "etc/ssh/sshd_config.d/01-permitrootlogin.conf").read_text() == "PermitRootLogin yes\n"


def test_two_runs_at_once(tmp_path: Path) -> None:
    root = el_folder(tmp_path)
    lock = root / "run/lock/ablestack-security-patch.lock"
    lock.parent.mkdir(parents=True)
    held = subprocess.Popen(["flock", lock, "sleep", "20"])
    try:
        while subprocess.run(["flock", "-n", lock, "true"], check=False).returncode == 0:
            continue
        done = run_el(root)
    finally:
        held.kill()
        held.wait()
    assert (done.returncode, "another run" in done.stderr) == (75, True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_the_scripts_are_clean() -> None:
    for name in ("security_patch.sh", "run_update.sh"):
        path = REPOSITORY / "shell" / name
        subprocess.run(["bash", "-n", path], check=True, timeout=30)
        done = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout == ""
