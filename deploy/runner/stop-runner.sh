#!/bin/sh
# stop-runner PID [DRAIN_SECONDS]: no new jobs; those that run may end for that long; then they are aborted, and the runner has its
# shutdown_timeout to clean up after them. SIGQUIT and SIGTERM mean this to gitlab-runner.
set -eu

pid=$1
limit=${2:-600}
waited=0
while kill -0 "$pid" 2>/dev/null; do
  if [ "$waited" -ge "$limit" ]; then
    echo "stop-runner: jobs still run after $limit s: they are aborted and cleaned up now" >&2
    kill -TERM "$pid" 2>/dev/null || true
    exit 0
  fi
  # Said again each minute: a runner that has only just been started may not have heard it.
  if [ $((waited % 60)) -eq 0 ]; then
    kill -QUIT "$pid" 2>/dev/null || exit 0
    echo "stop-runner: waiting for running jobs to end (limit $limit s, $waited s gone)" >&2
  fi
  sleep 1
  waited=$((waited + 1))
done
