#!/usr/bin/env bash
# Starts CNCF Distribution 3 on a free loopback port, in the foreground; what it stores goes with it.
#   scripts/registry.sh                 until Ctrl-C
#   scripts/registry.sh run COMMAND...  while the command runs, which finds host:port in $REGISTRY
. "$(dirname "$0")/lib.sh"

need registry3 "a real registry" || exit 1
directory=$(mktemp -d)
registry=
trap '[[ -z $registry ]] || kill "$registry" 2>/dev/null || true; rm -rf "$directory"' EXIT
trap 'exit 0' INT TERM

cat >"$directory/config.yml" <<END
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $directory/data }
  delete: { enabled: true }
http: { addr: "127.0.0.1:0" }
END
# The registry itself picks the port, so that no other program can take it first; it is read back from the kernel.
registry3 serve "$directory/config.yml" >"$directory/log" 2>&1 &
registry=$!
# Listening sockets of the process: state 0A, whose inode is among its descriptors.
listening_port() {
  local inodes
  inodes=$(readlink /proc/"$registry"/fd/* 2>/dev/null | sed -n 's/^socket:\[\(.*\)\]$/\1/p')
  awk -v wanted="$inodes" 'BEGIN { n = split(wanted, a, "\n"); for (i = 1; i <= n; i++) want[a[i]] }
    $4 == "0A" && ($10 in want) { split($2, address, ":"); print address[2]; exit }' /proc/net/tcp
}
for _ in $(seq 100); do
  kill -0 "$registry" 2>/dev/null || { cat "$directory/log" >&2; fail "the registry ended"; }
  hex=$(listening_port)
  [[ -n $hex ]] && break
  sleep 0.1
done
[[ -n $hex ]] || fail "the registry does not listen after 10 s"
port=$((16#$hex))
if [[ ${1:-} == run ]]; then
  shift
  REGISTRY=127.0.0.1:$port "$@"
  exit
fi
say "CNCF Distribution 3 listens on 127.0.0.1:$port; Ctrl-C ends it and removes what it stores."
say
say "    make demo REGISTRY=127.0.0.1:$port"
say "    build/cli/cldoci push ocidir://LAYOUT:v1 127.0.0.1:$port/demo/app:v1"
say "    build/cli/cldoci tags 127.0.0.1:$port/demo/app"
wait "$registry"
