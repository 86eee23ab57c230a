#!/usr/bin/env bash
# The Python package against the library as it is installed, and as a wheel that carries it.
#
#   scripts/test-python.sh [PREFIX]    PREFIX: an installation that is there already
. "$(dirname "$0")/lib.sh"

need python3 "the tests of the Python package" || exit 0

temporary=$(mktemp -d)
registries=()
trap '((${#registries[@]} == 0)) || kill "${registries[@]}"; rm -rf "$temporary"' EXIT
prefix=${1:-}
if [[ -z $prefix ]]; then
  prefix=$temporary/prefix
  make -s install PREFIX="$prefix"
fi
export XDG_CACHE_HOME=$temporary/cache DOCKER_CONFIG=$temporary/docker PYTHONDONTWRITEBYTECODE=1
tests=$root/bindings/python/tests

run() { (cd "$temporary" && python3 -W error -m unittest discover -s "$tests"); }

say "python: on a local layout, installed library"
PYTHONPATH=$root/bindings/python LD_LIBRARY_PATH=$prefix/lib run

if need registry3 "Python on a registry"; then
  say "python: on a registry, installed library"
  # start NAME MORE_CONFIGURATION: sets `host`.
  start() {
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: 127.0.0.1:%s}\n%s' \
      "$temporary/$1" "$port" "$2" >"$temporary/$1.yml"
    OTEL_TRACES_EXPORTER=none registry3 serve "$temporary/$1.yml" >"$temporary/$1.log" 2>&1 &
    registries+=("$!")
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 "${registries[-1]}"; done
    host=127.0.0.1:$port
  }
  start registry ''
  export CLDOCI_TEST_REGISTRY=$host
  # user, canary
  # shellcheck disable=SC2016 # a hash
  printf 'user:$2b$05$PbwKVtYczmYnSPccm26i3eK8bSLBwIZDt1JhUOMFF9fVKR/bGmgvi\n' >"$temporary/htpasswd"
  start private "auth: {htpasswd: {realm: tests, path: $temporary/htpasswd}}"
  export CLDOCI_TEST_PRIVATE_REGISTRY=$host
  PYTHONPATH=$root/bindings/python LD_LIBRARY_PATH=$prefix/lib run
  unset CLDOCI_TEST_REGISTRY CLDOCI_TEST_PRIVATE_REGISTRY
fi

if need zig "the wheel for glibc 2.28"; then
  say "python: a wheel that carries the library"
  QUICK=1 make -s wheel
  wheel=$(echo build/wheel/*.whl)
  python3 -m pip install --quiet --no-deps --no-index --target "$temporary/site" "$wheel"
  # What the tag claims is what the library asks for, no more and no less.
  newest=$(objdump -T "$temporary/site/cldoci/libcldoci.so" | grep -o 'GLIBC_2\.[0-9]*' | sort -V | tail -n 1)
  [[ $wheel == *"manylinux_2_${newest#GLIBC_2.}_"* ]] || fail "$wheel does not say $newest"
  for file in cldoci/py.typed cldoci-*.dist-info/licenses/THIRD-PARTY; do
    compgen -G "$temporary/site/$file" >/dev/null || fail "the wheel has no $file"
  done
  PYTHONPATH=$temporary/site run
fi
