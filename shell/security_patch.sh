#!/bin/bash
# Hardens a node (host, storage VM, Cloud Center VM) of an EL or Debian family, and moves its SSH port.
#
# usage: security_patch.sh [-P PORT [--port-change] [--keep-old-port]] [--dry-run]
#        security_patch.sh -P PORT --ceph-ssh-change [--dry-run]
#
#   -P PORT            SSH listens on PORT from now on; without --port-change the hardening is done as well
#   --port-change      only the SSH port
#   --keep-old-port    SSH listens on the ports it had as well; run it again without this once PORT is proven from outside
#   --ceph-ssh-change  only the port that cephadm calls the other hosts on
#   --dry-run          say what would be changed, change nothing
#
# Can be run again and again: what is as it should be is left alone. Every change is a line `changed: …`, what could not be
# done one `note: …`. The first time a file is changed, what was in it is kept beside it as FILE.ablestack-orig.
# A port that SSH does not answer on is never moved to: the configuration is put back then.
#
# Last line when all went well: Permissions have been updated.
# Exit code: 0 done; 1 failed, or a wrong port; 2 wrong usage; 75 another run holds the lock.
#
# ABLESTACK_SYSROOT          other root folder: its files are changed, no service and no account of the system (default /)
# ABLESTACK_CONFIG_PATH      default /etc/ablestack
# ABLESTACK_CEPH_SSH_CONFIG  default <config>/ceph_ssh_config
set -euo pipefail

readonly ROOT=${ABLESTACK_SYSROOT:-/}
readonly R=${ROOT%/}
readonly CONFIG=${ABLESTACK_CONFIG_PATH:-$R/etc/ablestack}
readonly CEPH_CONFIG=${ABLESTACK_CEPH_SSH_CONFIG:-$CONFIG/ceph_ssh_config}
readonly SSHD_CONFIG=$R/etc/ssh/sshd_config
readonly LOCK=$R/run/lock/ablestack-security-patch.lock
readonly KEPT=ablestack-orig
readonly BEGIN='# BEGIN ablestack-security' END='# END ablestack-security'
readonly WARNING='Authorized users only. All activity on this system may be monitored and reported.'
port='' port_only='' keep_old='' ceph_only='' dry=''
work=''

usage() {
    sed -n '4,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

fail() {
    echo "error: $1" >&2
    exit "${2:-1}"
}

changed() {
    if [[ $dry ]]; then echo "would change: $1"; else echo "changed: $1"; fi
}

note() {
    echo "note: $1"
}

is_whole_system() {
    [[ $ROOT == / ]]
}

has() {
    command -v "$1" >/dev/null 2>&1
}

read_arguments() {
    while (($#)); do
        case $1 in
            -P) (($# > 1)) || fail '-P needs a port' 1; port=$2; shift ;;
            --port-change) port_only=yes ;;
            --keep-old-port) keep_old=yes ;;
            --ceph-ssh-change) ceph_only=yes ;;
            --dry-run) dry=yes ;;
            -h | --help) usage; exit 0 ;;
            *) echo "bad option: $1" >&2; usage >&2; exit 2 ;;
        esac
        shift
    done
    if [[ $port || $port_only || $ceph_only || $keep_old ]]; then
        [[ $port =~ ^[0-9]{1,5}$ ]] || fail "invalid port: ${port:-none}"
        port=$((10#$port))
        ((port >= 1 && port <= 65535)) || fail "invalid port: $port"
    fi
}

# --- files -----------------------------------------------------------------------------------------------------------

# Standard input becomes the file $1, if it is not already: whole, or not at all; owner and mode stay. $2 is the mode of a
# new file, $3 what to say instead of the name.
put() {
    local path=$1 mode=${2:-0644} what=${3:-$1} fresh
    cat >"$work/content"
    if [[ -f $path ]] && cmp -s "$path" "$work/content"; then return 0; fi
    changed "$what"
    [[ $dry ]] && return 0
    mkdir -p "$(dirname "$path")"
    if [[ -f $path && ! -e $path.$KEPT ]]; then cp -p -- "$path" "$path.$KEPT"; fi
    fresh=$(mktemp "$(dirname "$path")/.ablestack.XXXXXXXX")
    if [[ -f $path ]]; then
        chown --reference="$path" "$fresh"
        chmod --reference="$path" "$fresh"
    else
        chmod "$mode" "$fresh"
    fi
    cat "$work/content" >"$fresh"
    sync "$fresh"
    mv -f -- "$fresh" "$(readlink -f -- "$path" || echo "$path")"
    ! has restorecon || restorecon "$path" 2>/dev/null || true
}

# In file $1 the setting $2 has the value $3, once; $4 stands between them. Comments stay. Other settings stay.
set_key() {
    local path=$1 key=$2 value=$3 between=${4:- = }
    [[ -f $path ]] || return 0
    awk -v key="$key" -v line="$key$between$value" '
        { text = $0; sub(/^[ \t]+/, "", text); split(text, word, /[ \t=]+/) }
        word[1] == key { if (!done) print line; done = 1; next }
        { print }
        END { if (!done) print line }' "$path" | put "$path" 0644 "$path: $key$between$value"
}

# Mode $1, owner root, of the files that follow. Of a folder the mode keeps who may go through it.
set_mode() {
    local mode=$1 path real
    shift
    for path; do
        [[ -e $path && ! -L $path ]] || continue
        real=$(stat -c '%a %u' -- "$path")
        [[ $real == "$((10#$mode)) 0" ]] && continue
        changed "$path: mode $mode, owner root (was $real)"
        [[ $dry ]] && continue
        chown root -- "$path" && chmod "$mode" -- "$path"
    done
}

# --- SSH -------------------------------------------------------------------------------------------------------------

sshd_program() {
    command -v sshd || { [[ -x /usr/sbin/sshd ]] && echo /usr/sbin/sshd; }
}

# What sshd really goes by, drop-in files included.
effective() {
    "$(sshd_program)" -T -f "$SSHD_CONFIG" 2>/dev/null | sed -n "s/^$1 //p"
}

ssh_unit() {
    local unit
    for unit in sshd ssh; do
        if systemctl cat "$unit.service" >/dev/null 2>&1; then echo "$unit"; return; fi
    done
}

# SSH settings go to the top of sshd_config, for the first one counts; whatever says otherwise there or in the drop-in files
# is taken out, up to a Match block. Arguments: lines of settings.
write_sshd() {
    local file names
    names=$(printf '%s\n' "$@" | awk '{ print tolower($1) }' | sort -u | paste -sd' ')
    for file in "$SSHD_CONFIG" "$R"/etc/ssh/sshd_config.d/*.conf; do
        [[ -f $file ]] || continue
        # `Name value`, `Name=value` and `Name = value` mean the same (sshd_config(5)).
        {
            [[ $file != "$SSHD_CONFIG" ]] || printf '%s\n' "$BEGIN" "$@" "$END"
            awk -v names=" $names " -v begin="$BEGIN" -v end="$END" '
                $0 == begin { inside = 1 } inside { if ($0 == end) inside = 0; next }
                { text = $0; sub(/^[ \t]+/, "", text); split(text, word, /[ \t=]+/) }
                tolower(word[1]) == "match" { matched = 1 }
                !matched && index(names, " " tolower(word[1]) " ") { next }
                { print }' "$file"
        } | put "$file" 0600 "$file: $(printf '%s, ' "$@" | sed 's/, $//')"
    done
}

# Lines of our own block that stay: a run that only moves the port leaves the rest of it alone.
own_lines() {
    [[ -f $SSHD_CONFIG ]] || return 0
    awk -v begin="$BEGIN" -v end="$END" '$0 == end { inside = 0 } inside { print } $0 == begin { inside = 1 }' "$SSHD_CONFIG"
}

save_ssh() {
    rm -rf "$work/ssh"
    mkdir "$work/ssh"
    cp -p -- "$SSHD_CONFIG" "$work/ssh/sshd_config"
    if [[ -d $R/etc/ssh/sshd_config.d ]]; then cp -rp -- "$R/etc/ssh/sshd_config.d" "$work/ssh/"; fi
}

restore_ssh() {
    cat "$work/ssh/sshd_config" >"$SSHD_CONFIG"
    if [[ -d $work/ssh/sshd_config.d ]]; then cp -rp -- "$work/ssh/sshd_config.d/." "$R/etc/ssh/sshd_config.d/"; fi
    reload_ssh || true
}

# As a service of this system that could be reloaded, and then answers.
ssh_runs() {
    local unit
    is_whole_system || return 1
    unit=$(ssh_unit)
    [[ $unit ]] && systemctl is-active --quiet "$unit"
}

reload_ssh() {
    if ssh_runs; then
        systemctl reload-or-restart "$(ssh_unit)"
    else
        note 'SSH does not run as a service here: not reloaded'
    fi
}

test_ssh() {
    local sshd
    is_whole_system || return 0
    [[ -d /run/sshd || ! -e /etc/debian_version ]] || mkdir -m 0755 /run/sshd  # as its service does when it starts
    sshd=$(sshd_program) || { note 'sshd is not installed here'; return 0; }
    "$sshd" -t -f "$SSHD_CONFIG"
}

# Does SSH, and nothing else, answer on port $1 of this node?
answers() {
    local address
    for address in $(effective listenaddress | sed -E 's/:[0-9]+$//; s/^\[(.*)\]$/\1/' | sort -u); do
        case $address in 0.0.0.0) address=127.0.0.1 ;; ::) address=::1 ;; esac
        # shellcheck disable=SC2016  # expanded by the shell that is started
        if [[ $(timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"; head -c 4 <&3' - "$address" "$1" 2>/dev/null) == SSH- ]]; then
            return 0
        fi
    done
    return 1
}

is_listening() {
    has ss && [[ $(ss -Hltn "sport = :$1") ]]
}

wait_for_ssh() {
    local attempt
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        if answers "$1"; then return 0; fi
        ((attempt == 10)) || sleep 0.5
    done
    return 1
}

open_firewall() {
    is_whole_system || return 0
    if has firewall-cmd && firewall-cmd --state >/dev/null 2>&1; then
        firewall-cmd --query-port="$port/tcp" --permanent >/dev/null 2>&1 && firewall-cmd --query-port="$port/tcp" >/dev/null 2>&1 && return 0
        changed "firewalld: port $port/tcp is open"
        [[ $dry ]] && return 0
        # No reload and no restart: those drop what was opened for the moment, and the rules of the hypervisor.
        firewall-cmd --quiet --permanent --add-port="$port/tcp" && firewall-cmd --quiet --add-port="$port/tcp"
    elif has ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
        ufw status | grep -q "^$port/tcp " && return 0
        changed "ufw: port $port/tcp is open"
        [[ $dry ]] || ufw allow "$port/tcp" >/dev/null
    fi
}

label_port() {
    is_whole_system && has selinuxenabled && selinuxenabled || return 0
    has semanage || fail "SELinux is on and semanage is missing: SSH could not use port $port. Install policycoreutils-python-utils"
    semanage port -l | awk '$1 == "ssh_port_t"' | tr ',' ' ' | grep -qw "$port" && return 0
    changed "SELinux: port $port is one of SSH"
    [[ $dry ]] && return 0
    semanage port -a -t ssh_port_t -p tcp "$port" 2>/dev/null || semanage port -m -t ssh_port_t -p tcp "$port"
}

# The new port first, those before it last: what asks sshd_config for the port goes on with the old one until it is closed.
change_port() {
    local before old lines settings
    [[ -f $SSHD_CONFIG ]] || fail "$SSHD_CONFIG is missing: is the SSH server installed?"
    if is_whole_system && systemctl is-active --quiet ssh.socket 2>/dev/null; then
        fail 'systemd listens for SSH here (ssh.socket), whatever sshd_config says; disable ssh.socket first'
    fi
    before=$(effective port || true)
    # Ports of the configuration where sshd cannot be asked.
    [[ $before ]] || before=$(awk 'tolower($1) == "match" { exit } tolower($1) == "port" { print $2 }' "$SSHD_CONFIG")
    before=${before:-22}
    if ! grep -qx "$port" <<<"$before" && is_whole_system && is_listening "$port"; then
        fail "port $port is in use already, and not by SSH; nothing was changed"
    fi
    label_port
    open_firewall
    lines=$(own_lines | awk 'tolower($1) != "port" && tolower($1) !~ /^clientalive/')
    settings=("Port $port")
    for old in $before; do [[ $old == "$port" ]] || settings+=("Port $old"); done
    move_to "${settings[@]}"
    # What this node offers is proven before what it had is given up. Whether others get there, they know: --keep-old-port.
    if [[ ! $keep_old ]] && ((${#settings[@]} > 1)); then move_to "Port $port"; fi
    [[ $keep_old ]] || client_port
}

# Write, test, reload and prove; put back on any failure.
move_to() {
    local all=("$@" 'ClientAliveInterval 0' 'ClientAliveCountMax 3') line
    while read -r line; do [[ $line ]] && all+=("$line"); done <<<"$lines"
    save_ssh
    write_sshd "${all[@]}"
    [[ $dry ]] && return 0
    if cmp -s "$work/ssh/sshd_config" "$SSHD_CONFIG" && { ! ssh_runs || answers "$port"; }; then return 0; fi
    if ! test_ssh; then
        restore_ssh
        fail 'sshd does not accept the new configuration; it was put back'
    fi
    reload_ssh || { restore_ssh; fail 'SSH could not be reloaded; its configuration was put back'; }
    ! ssh_runs || wait_for_ssh "$port" || { restore_ssh; fail "SSH does not answer on port $port; its configuration was put back"; }
}

# Where root calls the other nodes: our block of its ssh_config, everything else in it stays.
client_port() {
    local path=$R/root/.ssh/config
    {
        [[ ! -f $path ]] || awk -v begin="$BEGIN" -v end="$END" '
            $0 == begin { inside = 1 } !inside { print } $0 == end { inside = 0 }' "$path"
        printf '%s\n' "$BEGIN" 'Host *' "    Port $port" "$END"
    } | put "$path" 0600
}

change_ceph() {
    if ! is_whole_system || ! has ceph; then
        note 'there is no ceph here: cephadm is left alone'
        return 0
    fi
    if ! timeout 60 ceph --connect-timeout 20 cephadm get-ssh-config >"$work/ceph" 2>"$work/ceph.err"; then
        note "cephadm does not tell its SSH configuration: $(tail -n 1 "$work/ceph.err")"
        return 0
    fi
    { awk 'tolower($1) != "port"' "$work/ceph"; echo "  Port $port"; } >"$work/ceph.new"
    if cmp -s "$work/ceph" "$work/ceph.new"; then return 0; fi
    put "$CEPH_CONFIG" 0600 <"$work/ceph.new"
    changed "cephadm: port $port"
    [[ $dry ]] || timeout 60 ceph --connect-timeout 20 cephadm set-ssh-config -i "$CEPH_CONFIG" || note 'cephadm did not take it'
}

# --- hardening -------------------------------------------------------------------------------------------------------

root_login() {
    [[ -f $SSHD_CONFIG ]] || { note 'there is no sshd_config'; return 0; }
    local lines=() line
    while read -r line; do
        [[ ! $line || ${line,,} == banner* ]] && continue
        [[ ${line,,} == permitrootlogin* && -s $R/root/.ssh/authorized_keys ]] || lines+=("$line")
    done < <(own_lines)
    lines+=('Banner /etc/issue.net')
    # Without a key nobody could log in as root any more.
    if [[ -s $R/root/.ssh/authorized_keys ]]; then
        lines+=('PermitRootLogin prohibit-password')
    else
        note 'root has no key in authorized_keys: PermitRootLogin is left as it is'
    fi
    save_ssh
    write_sshd "${lines[@]}"
    [[ $dry ]] && return 0
    cmp -s "$work/ssh/sshd_config" "$SSHD_CONFIG" && return 0
    test_ssh || { restore_ssh; fail 'sshd does not accept the new configuration; it was put back'; }
    reload_ssh || { restore_ssh; fail 'SSH could not be reloaded; its configuration was put back'; }
}

passwords() {
    local key path=$R/etc/security/pwquality.conf
    if [[ -f $path ]]; then
        for key in lcredit ucredit dcredit ocredit; do set_key "$path" "$key" -1; done
        set_key "$path" minlen 9
        set_key "$path" difok 4
        # A word of its own in this file: nothing of PAM has to be edited, and it cannot be there twice.
        grep -qE '^[[:space:]]*enforce_for_root[[:space:]]*$' "$path" || { cat "$path"; echo enforce_for_root; } | put "$path"
    else
        note 'pwquality is not installed: no rule for new passwords'
    fi
    for key in 'PASS_MAX_DAYS 31' 'PASS_MIN_DAYS 1' 'PASS_MIN_LEN 9' 'PASS_WARN_AGE 7'; do
        set_key "$R/etc/login.defs" "${key% *}" "${key#* }" $'\t'
    done
}

lock_out() {
    local path=$R/etc/security/faillock.conf
    [[ -f $path ]] || { note 'faillock is not installed: failed logins lock nobody out'; return 0; }
    set_key "$path" deny 5
    set_key "$path" unlock_time 120
    grep -qs pam_faillock "$R"/etc/pam.d/{system-auth,password-auth,common-auth} && return 0
    if is_whole_system && has authselect && authselect current >/dev/null 2>&1; then
        changed 'authselect: with-faillock'
        [[ $dry ]] || authselect enable-feature with-faillock >/dev/null
    else
        note 'PAM does not use faillock; that is left to the administrator'
    fi
}

su_for_wheel() {
    local path=$R/etc/pam.d/su
    if is_whole_system; then
        if ! getent group wheel >/dev/null; then
            changed 'group wheel'
            [[ $dry ]] || groupadd --system wheel
        fi
        if ! getent passwd ablecloud >/dev/null; then
            changed 'account ablecloud, without a password, in group wheel'
            [[ $dry ]] || useradd --create-home --shell /bin/bash --groups wheel ablecloud
        elif ! id -nG ablecloud | grep -qw wheel; then
            changed 'account ablecloud: in group wheel'
            [[ $dry ]] || usermod --append --groups wheel ablecloud
        fi
    else
        note 'this is a folder: no account of the system is changed'
    fi
    # Debian's line has no use_uid, EL's has; both are there as comments.
    if [[ -f $path ]] && ! grep -qE '^[[:space:]]*auth[[:space:]]+required[[:space:]]+pam_wheel\.so' "$path"; then
        awk '!done && /^[ \t]*#[ \t]*auth[ \t]+required[ \t]+pam_wheel\.so/ { print "auth       required   pam_wheel.so use_uid"; done = 1; next }
             { print }' "$path" | put "$path"
    fi
}

# A file of our own, not lines at the end of /etc/profile.
session() {
    printf '%s\n' '# Made by security_patch.sh.' "TMOUT=300" 'export TMOUT' 'umask 022' | put "$R/etc/profile.d/ablestack-security.sh"
}

banner() {
    local path
    for path in motd issue issue.net; do echo "$WARNING" | put "$R/etc/$path"; done
}

# EL keeps shadow readable by nobody; Debian's programs read it as the group shadow.
permissions() {
    local path group
    set_mode 644 "$R"/etc/{passwd,hosts,services,exports,profile,inittab}
    group=$(stat -c %G "$R/etc/shadow" 2>/dev/null || true)
    if [[ $group == shadow ]]; then set_mode 640 "$R/etc/shadow"; else set_mode 400 "$R/etc/shadow"; fi
    set_mode 640 "$R/etc/rsyslog.conf"
    set_mode 600 "$R/etc/systemd/system.conf" "$R/etc/snmp/snmpd.conf"
    set_mode 600 "$R"/root/.{bashrc,bash_profile,profile,bash_logout,cshrc,tcshrc,bash_history}
    set_mode 640 "$R"/etc/{crontab,anacrontab,cron.allow,cron.deny,at.allow,at.deny}
    for path in "$R"/etc/cron.{d,daily,hourly,weekly,monthly}; do set_mode 700 "$path"; done
    for path in "$R"/etc/cron.d/*; do [[ -f $path ]] && set_mode 640 "$path"; done
    for path in "$R"/var/log/btmp "$R"/var/log/btmp-*; do [[ -f $path ]] && set_mode 640 "$path"; done
    return 0
}

logging() {
    local path=$R/etc/rsyslog.conf
    [[ -f $path ]] || return 0
    if grep -qE '^[^#]*\*\.alert[[:space:]]+/dev/console' "$path"; then return 0; fi
    { cat "$path"; echo '*.alert	/dev/console'; } | put "$path"
    [[ $dry ]] || ! is_whole_system || ! systemctl is-active --quiet rsyslog 2>/dev/null || systemctl restart rsyslog
}

harden() {
    passwords
    lock_out
    su_for_wheel
    session
    banner
    root_login
    logging
    permissions
}

# --- all of it -------------------------------------------------------------------------------------------------------

main() {
    read_arguments "$@"
    is_whole_system && [[ $EUID -ne 0 ]] && fail 'must be run as root'
    umask 077
    mkdir -p "$(dirname "$LOCK")"
    exec 9>"$LOCK"
    flock -n 9 || fail 'another run of this script has not ended yet' 75
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if [[ $ceph_only ]]; then
        change_ceph
    else
        [[ ! $port ]] || change_port
        [[ $port_only ]] || harden
    fi
    echo 'Permissions have been updated.'
}

main "$@"
exit
