#!/bin/bash
# Gives multipath maps the same names on every host of the cluster (POST /cube/multipath/sync of this node's API).
#
# usage: multipath_sync.sh [sync|rescan] [target…]
#
#   sync     rescan SCSI devices, then every host takes over the names that this node uses (default)
#   rescan   rescan SCSI devices only
#   target   addresses, or names, of hosts of the cluster (default: all hosts)
#
# Prints the answer of the API. Exit code: 0 done on every host; 1 the API refused it, or a host failed (the answer says
# which); 2 wrong usage; 3 the API could not be called. A script that only looks at the exit code must not take a failed
# sync for a good one, so HTTP errors count.
#
# ABLESTACK_MULTIPATH_SYNC_URL   whole address of the call
# ABLESTACK_API_BASE_URL         its beginning (default http://127.0.0.1:8090), or in parts:
# ABLESTACK_API_SCHEME, ABLESTACK_API_HOST, ABLESTACK_API_PORT
# ABLESTACK_API_TLS_CA           CA file that an https server is checked with (default: the system's)
#
# Credential, the first that there is: CUBE_INTERNAL_TOKEN, ABLESTACK_INTERNAL_TOKEN, security.internal_token of
# cluster.json; ABLESTACK_AUTHORIZATION (a whole header value), ABLESTACK_ACCESS_TOKEN, ablestack-auth-token.
# It goes to curl on its standard input: arguments can be read by every account of the node.
set -euo pipefail

readonly SECONDS_FOR_ALL=300

usage() {
    sed -n '4,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

fail() {
    echo "multipath_sync.sh: $2" >&2
    exit "$1"
}

# A value between the quotes of a curl configuration file or of JSON.
quoted() {
    local value=${1//\\/\\\\}
    printf '"%s"' "${value//\"/\\\"}"
}

# "a","b" of the arguments, which are addresses or names: nothing in them needs escaping.
listed() {
    local value list=
    for value in "$@"; do
        list+=${list:+,}\"$value\"
    done
    printf '%s' "$list"
}

is_address() {
    [[ $1 =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ || $1 =~ ^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$ ]]
}

is_name() {
    [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$ ]]
}

# security.internal_token of cluster.json, nothing when there is none.
configured_token() {
    local file=${ABLESTACK_CLUSTER_JSON:-${ABLESTACK_CONFIG_PATH:-/etc/ablestack}/properties/cluster.json}
    [[ -r $file ]] && command -v python3 >/dev/null || return 0
    python3 -c '
import json, sys
try:
    with open(sys.argv[1], encoding="utf-8-sig") as file:
        print((json.load(file).get("security") or {}).get("internal_token") or "")
except (OSError, ValueError, AttributeError) as error:
    print(f"multipath_sync.sh: {sys.argv[1]}: {error}; going on without its token", file=sys.stderr)
' "$file"
}

# The header line that proves who calls.
credential() {
    local token=${CUBE_INTERNAL_TOKEN:-${ABLESTACK_INTERNAL_TOKEN:-}}
    [[ -n $token ]] || token=$(configured_token)
    if [[ -n $token ]]; then
        printf 'X-Cube-Internal-Token: %s' "$token"
    elif [[ -n ${ABLESTACK_AUTHORIZATION:-} ]]; then
        printf 'Authorization: %s' "$ABLESTACK_AUTHORIZATION"
    elif [[ -n ${ABLESTACK_ACCESS_TOKEN:-} ]]; then
        printf 'Authorization: Bearer %s' "$ABLESTACK_ACCESS_TOKEN"
    else
        token=$(ablestack-auth-token --plain) || return 1
        printf 'Authorization: %s' "$token"
    fi
}

address() {
    local scheme=${ABLESTACK_API_SCHEME:-http} host=${ABLESTACK_API_HOST:-127.0.0.1} port=${ABLESTACK_API_PORT:-8090}
    local base=${ABLESTACK_API_BASE_URL:-$scheme://$host:$port}
    printf '%s' "${ABLESTACK_MULTIPATH_SYNC_URL:-${base%/}/api/v1/cube/multipath/sync}"
}

body() {
    local action=$1 target addresses=() names=()
    shift
    for target in "$@"; do
        if is_address "$target"; then
            addresses+=("$target")
        elif is_name "$target"; then
            names+=("$target")
        else
            return 1
        fi
    done
    [[ ${#addresses[@]} -eq 0 || ${#names[@]} -eq 0 ]] || return 1
    printf '{"action":"%s","targets":[%s],"target_hostnames":[%s]}' "$action" \
        "$(listed "${addresses[@]}")" "$(listed "${names[@]}")"
}

# What curl is to do. A proxy of the environment would see the credential, a redirect would take it elsewhere.
configuration() {
    printf 'url = %s\n' "$(quoted "$1")"
    printf 'header = %s\n' "$(quoted "$2")"
    printf 'data-raw = %s\n' "$(quoted "$3")"
    printf '%s\n' 'header = "Content-Type: application/json"' 'proto = "=http,https"' 'noproxy = "*"' 'connect-timeout = 5'
    printf 'max-time = %s\n' "$SECONDS_FOR_ALL"
    [[ -z ${ABLESTACK_API_TLS_CA:-} ]] || printf 'cacert = %s\n' "$(quoted "$ABLESTACK_API_TLS_CA")"
}

action=sync
case ${1:-} in
    -h | --help | help) usage && exit 0 ;;
    sync | rescan) action=$1 && shift ;;
    '') [[ $# -eq 0 ]] || shift ;;
    *) usage >&2 && fail 2 "there is no action $(printf '%q' "$1")" ;;
esac
command -v curl >/dev/null || fail 3 "the program curl is not installed"
request=$(body "$action" "$@") || fail 2 "give addresses of hosts, or names of hosts"
header=$(credential) || fail 3 "there is no credential: no internal token, and ablestack-auth-token failed"
[[ $header != *[[:cntrl:]]* ]] || fail 3 "the credential has characters that no header can have"

answer=$(configuration "$(address)" "$header" "$request" \
    | curl --disable --silent --show-error --config - --write-out '\n%{http_code}') || fail 3 "the API did not answer"
printf '%s\n' "${answer%$'\n'*}"
[[ ${answer##*$'\n'} == 2?? ]] || exit 1
