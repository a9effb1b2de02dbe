#!/bin/bash
# Alert agent of Pacemaker: appends one line for each event to a file (POST /cube/gfs/manage, action set-alert).
#
# Pacemaker runs it as hacluster, tells the event in CRM_alert_* variables and names the file in CRM_alert_recipient.
# Of fencing only that a node was lost is told: what else is fenced, an operator asked for. When a node is lost, the end of
# the kernel's log and of corosync's are kept too, as far as hacluster may read them.
#
# CRM_alert_diagnostic_log     where those go (default /var/log/pcmk_alert_detail.log)
# diagnostic_dmesg_lines       how many lines of the kernel's log (default 300)
# diagnostic_corosync_lines    how many of corosync's (default 300)
# diagnostic_wait_seconds      how long to wait first, until both have the whole story (default 7)
set -u

readonly recipient=${CRM_alert_recipient:-}
readonly diagnostic_log=${CRM_alert_diagnostic_log:-/var/log/pcmk_alert_detail.log}

# A value of an event, on one line whatever it holds.
value() {
    printf '%s' "${!1:-}" | tr '\n\r' '  '
}

say() {
    printf '%s %s\n' "$(value CRM_alert_timestamp)" "$1" >>"$recipient"
}

is_lost() {
    [[ ${CRM_alert_desc:-} == *lost* ]]
}

diagnose() {
    sleep "${diagnostic_wait_seconds:-7}"
    {
        printf '==== %s %s %s\n' "$(value CRM_alert_timestamp)" "$(value CRM_alert_node)" "$(value CRM_alert_desc)"
        dmesg -T 2>&1 | tail -n "${diagnostic_dmesg_lines:-300}"
        journalctl --no-pager -u corosync -n "${diagnostic_corosync_lines:-300}" 2>&1
    } >>"$diagnostic_log"
}

[[ -n $recipient ]] || exit 0

case ${CRM_alert_kind:-} in
    node)
        say "node $(value CRM_alert_node): $(value CRM_alert_desc)"
        is_lost && diagnose
        ;;
    fencing)
        is_lost || exit 0
        diagnose
        say "fencing of $(value CRM_alert_node): $(value CRM_alert_desc)"
        ;;
    resource)
        result=$(value CRM_alert_desc)
        [[ ${CRM_alert_rc:-} == "${CRM_alert_target_rc:-}" ]] || result="$result, expected code $(value CRM_alert_target_rc)"
        say "resource $(value CRM_alert_rsc) on $(value CRM_alert_node): $(value CRM_alert_task): $result"
        ;;
    attribute)
        say "attribute $(value CRM_alert_attribute_name) of $(value CRM_alert_node): $(value CRM_alert_attribute_value)"
        ;;
    *)
        say "event of an unknown kind: $(value CRM_alert_kind)"
        ;;
esac
exit 0
