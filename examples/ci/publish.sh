#!/usr/bin/env bash
# A CI job: publishes a directory as a component, once for each content, and moves the tags that people use.
#   REGISTRY_USER=robot REGISTRY_PASSWORD=… publish.sh DIRECTORY REGISTRY/REPOSITORY VERSION
set -euo pipefail
directory=$1 repository=$2 version=$3

# The password never is an argument; without one the registry must be open. The log-in is this job's alone.
if [[ -n ${REGISTRY_PASSWORD:-} ]]; then
  DOCKER_CONFIG=$(mktemp -d)
  export DOCKER_CONFIG
  trap 'cldoci logout "${repository%%/*}" >/dev/null; rm -r "$DOCKER_CONFIG"' EXIT
  printf '%s' "$REGISTRY_PASSWORD" | cldoci login "${repository%%/*}" --username "$REGISTRY_USER" --password-stdin
fi

# A version is never overwritten by other content: the same directory has the same digest on every machine.
layout=$(mktemp -d)/layout
digest=$(cldoci build "$directory" "ocidir://$layout:new" --kind component --quiet)
if cldoci exists "$repository:$version" >/dev/null; then
  published=$(cldoci resolve "$repository:$version" | grep -o 'sha256:[0-9a-f]*' | head -n 1)
  [[ $digest == *"$published"* ]] || { echo "$repository:$version is $published, this is $digest" >&2; exit 1; }
else
  cldoci copy "ocidir://$layout:new" "$repository:$version" --quiet
fi
cldoci tag "$repository:$version" latest "${version%%.*}" --quiet
rm -r "${layout%/layout}"
