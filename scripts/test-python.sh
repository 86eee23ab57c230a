#!/usr/bin/env bash
# The Python package against the library as it is installed, and as a wheel that carries it.
#
#   scripts/test-python.sh [PREFIX]    PREFIX: an installation that is there already
. "$(dirname "$0")/lib.sh"

need python3 "the tests of the Python package" || exit 0

temporary=$(mktemp -d)
registry_pid=
trap '[[ -z $registry_pid ]] || kill "$registry_pid"; rm -rf "$temporary"' EXIT
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
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: 127.0.0.1:%s}\n' \
    "$temporary/registry" "$port" >"$temporary/registry.yml"
  OTEL_TRACES_EXPORTER=none registry3 serve "$temporary/registry.yml" >"$temporary/registry.log" 2>&1 &
  registry_pid=$!
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 "$registry_pid"; done
  PYTHONPATH=$root/bindings/python LD_LIBRARY_PATH=$prefix/lib CLDOCI_TEST_REGISTRY=127.0.0.1:$port run
fi

if need zig "the wheel for glibc 2.28"; then
  say "python: a wheel that carries the library"
  make -s wheel
  wheel=$(echo build/wheel/*.whl)
  python3 -m pip install --quiet --no-deps --no-index --target "$temporary/site" "$wheel"
  # What the tag claims is what the library asks for, no more and no less.
  newest=$(objdump -T "$temporary/site/cldoci/libcldoci.so" | grep -o 'GLIBC_2\.[0-9]*' | sort -V | tail -n 1)
  [[ $wheel == *"manylinux_2_${newest#GLIBC_2.}_"* ]] || fail "$wheel does not say $newest"
  for file in cldoci/py.typed cldoci-*.dist-info/licenses/THIRD-PARTY; do
    # shellcheck disable=SC2086
    [[ -e $(echo "$temporary/site/"$file) ]] || fail "the wheel has no $file"
  done
  PYTHONPATH=$temporary/site run
fi
