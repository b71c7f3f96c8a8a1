#!/bin/sh
# What the runner's container does: `serve` (gitlab-runner, beside it the reaper every few minutes, and metrics where METRICS_LISTEN says
# so), `health`, or any other command.
set -eu

config=${CONFIG_FILE:-/etc/gitlab-runner/config.toml}
pid_file=${RUNNER_PID_FILE:-/tmp/gitlab-runner.pid}

reap_again_and_again() {
  trap 'kill "$nap" 2>/dev/null; exit 0' TERM
  # A short process now and then instead of one that stays: idle costs nothing. $$ is the shell that serves.
  while kill -0 $$ 2>/dev/null; do
    sleep "${REAP_INTERVAL_SECONDS:-300}" &
    nap=$!
    wait "$nap"
    # Before `init` there is nothing to reap, and no account to ask.
    if [ -e "${GITLAB_SPOT_ENV_FILE:-/etc/gitlab-spot/env}" ]; then
      gitlab-spot reap --yes || echo "entrypoint: the reaper ended with exit $?; it comes again in ${REAP_INTERVAL_SECONDS:-300} s" >&2
    fi
  done
}

serve_metrics() {
  [ -n "${METRICS_LISTEN:-}" ] || return 0
  trap 'kill "$child" 2>/dev/null; exit 0' TERM
  while kill -0 $$ 2>/dev/null; do
    gitlab-spot metrics --listen "$METRICS_LISTEN" &
    child=$!
    wait "$child" || echo "entrypoint: metrics ended with exit $?; they come again in ${METRICS_RESTART_SECONDS:-30} s" >&2
    sleep "${METRICS_RESTART_SECONDS:-30}" &
    child=$!
    wait "$child"
  done
}

# In the background, so that the shell can learn of the runner's end.
stop_runner() {
  [ -z "$runner" ] || gitlab-spot-stop-runner "$runner" "${DRAIN_SECONDS:-600}" &
}

destroys_at_work() {
  grep -lsz 'executor/destroyer\.js$' /proc/[0-9]*/cmdline | sed 's/cmdline$/environ/' |
    xargs -r grep -lsxz "GITLAB_SPOT_STATE_DIR=${GITLAB_SPOT_STATE_DIR:-}" | grep -q .
}

# The last jobs' destroys would end with the container, and their instances run on until somebody reaps.
await_destroys() {
  waited=0
  while [ "$waited" -lt 45 ] && destroys_at_work; do
    [ "$waited" -gt 0 ] || echo "entrypoint: waiting for the last instances to be destroyed (limit 45 s)" >&2
    sleep 1
    waited=$((waited + 1))
  done
}

serve() {
  [ -e "$config" ] || echo "entrypoint: no runner is registered yet: docker compose exec runner gitlab-spot register" >&2
  # Before the trap, which a shell in the background would have for a moment; the trap before the runner, so that no signal leaves it alone.
  reap_again_and_again &
  reaper=$!
  serve_metrics &
  metrics=$!
  runner=
  told=
  trap 'told=yes; stop_runner' TERM INT QUIT
  # A shell starts what runs in the background with SIGINT and SIGQUIT ignored, and SIGQUIT is how the runner is asked to end.
  env --default-signal=INT,QUIT gitlab-runner run --config "$config" --working-directory "${HOME:-/tmp}" &
  runner=$!
  [ -z "$told" ] || stop_runner
  echo "$runner" >"$pid_file"
  status=0
  # A signal ends `wait` early.
  while kill -0 "$runner" 2>/dev/null; do
    status=0
    wait "$runner" || status=$?
  done
  await_destroys
  trap - TERM INT QUIT
  kill "$reaper" "$metrics" 2>/dev/null || true
  rm -f "$pid_file"
  exit "$status"
}

case ${1:-serve} in
  serve) serve ;;
  health) kill -0 "$(cat "$pid_file")" ;;
  *) exec "$@" ;;
esac
