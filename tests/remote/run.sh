#!/usr/bin/env bash
# What `make test-remote` does: NDIF's own environment, its server on loopback, the remote tests.
#
#   run.sh PYTHON NDIF_VENV [pytest arguments]
#
# Where the system does not allow it, says so in one line and succeeds: these tests need more
# than Python.
set -euo pipefail

python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
venv=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
  echo "test-remote skipped: $1"
  exit 0
}

for tool in unshare ip; do
  command -v "$tool" > /dev/null ||
    skip "$tool is not installed (Debian: apt-get install util-linux iproute2)"
done
unshare --net --pid --fork --kill-child --mount-proc true 2> /dev/null ||
  skip "this system gives no network namespace of its own (run as root, outside a restricted container)"
${MAKE:-make} --no-print-directory -C "$here/../.." "NDIF_VENV=$venv" "$venv/installed" ||
  skip "NDIF's server did not install into $venv (see above)"

# the suite has rules of its own: the rest of the tests leave this folder out. Nothing is run twice;
# on a busy machine each request takes its time, and an hour is an end to all of it
NDIF_VENV=$venv exec bash "$here/stack.sh" "$python" -m pytest \
  -o "addopts=--strict-markers --strict-config --import-mode=importlib -m 'not nightly'" \
  --session-timeout 3600 --durations=5 "$here" "$@"
