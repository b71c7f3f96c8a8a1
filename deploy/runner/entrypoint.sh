#!/bin/sh
# What the runner's container does: `serve` (gitlab-runner, beside it the reaper every few minutes, and metrics where
# METRICS_LISTEN says so), `health`, or any other command.
set -eu

config=${CONFIG_FILE:-/etc/gitlab-runner/config.toml}
env_file=${GITLAB_SPOT_ENV_FILE:-/etc/gitlab-spot/env}
state=${GITLAB_SPOT_STATE_DIR:-/var/lib/gitlab-spot}
package=${GITLAB_SPOT_PACKAGE:-/opt/gitlab-spot}
pid_file=${RUNNER_PID_FILE:-/tmp/gitlab-runner.pid}
interval=${REAP_INTERVAL_SECONDS:-300}
# How long the end waits for the last destroys. The real provider takes 11 s for one.
last_destroys=${LAST_DESTROYS_SECONDS:-45}

say() { echo "entrypoint: $*" >&2; }

# until_told COMMAND…: runs it to its end, or until this shell is told to end ($over).
until_told() {
  "$@" &
  child=$!
  [ -z "$over" ] || end_child
  result=0
  wait "$child" || result=$?
  child=''
  return "$result"
}

# Until it is heard: a shell that was just forked loses a signal for which it has a trap.
end_child() {
  while [ -n "$child" ] && kill "$child" 2>/dev/null; do sleep 0.1; done
}

# The first round comes at once: nobody else cleans up after what ran before this start.
# Told to end, it ends after the round that it is in.
reap_again_and_again() {
  child=''
  over=''
  trap 'over=yes; end_child' TERM
  # $$ is the shell that serves.
  while [ -z "$over" ] && kill -0 $$ 2>/dev/null; do
    # Before `init` there is nothing to reap, and no account to ask.
    if [ -e "$env_file" ]; then
      gitlab-spot reap --yes || say "the reaper ended with exit $?; it comes again in $interval s"
    fi
    [ -n "$over" ] || until_told sleep "$interval" || true
  done
}

serve_metrics() {
  [ -n "${METRICS_LISTEN:-}" ] || return 0
  child=''
  over=''
  trap 'over=yes; end_child' TERM
  while [ -z "$over" ] && kill -0 $$ 2>/dev/null; do
    until_told gitlab-spot metrics --listen "$METRICS_LISTEN" || [ -n "$over" ] ||
      say "metrics ended with exit $result; they come again in ${METRICS_RESTART_SECONDS:-30} s"
    [ -n "$over" ] || until_told sleep "${METRICS_RESTART_SECONDS:-30}" || true
  done
}

# What must be there before the first job, as a sentence; nothing: all is there.
missing() {
  if [ ! -e "$config" ]; then
    echo "no runner is registered yet: docker compose exec runner gitlab-spot register"
  elif [ ! -r "$package/stacks/instances.yaml" ]; then
    echo "user $(id -u) can't read $package/stacks/instances.yaml: run \`chmod -R go+rX stacks deploy/image\` in the clone"
  fi
}

# A runner without a configuration says so every 3 seconds, and has been seen to panic: it is started once there is one.
await_readiness() {
  said=
  while [ -z "$told" ]; do
    lacks=$(missing)
    [ -n "$lacks" ] || return 0
    [ "$lacks" = "$said" ] || say "waiting: $lacks"
    said=$lacks
    sleep "${READINESS_SECONDS:-2}" &
    wait $! || true
  done
}

# In the background, so that the shell can learn of the runner's end. Before it is known whom to stop nothing is started there:
# its id would be taken for the runner's.
stop_runner() {
  if [ -n "$runner" ]; then gitlab-spot-stop-runner "$runner" "${DRAIN_SECONDS:-600}" & fi
}

run_runner() {
  # A shell starts what runs in the background with SIGINT and SIGQUIT ignored. SIGQUIT is how the runner is asked to end.
  env --default-signal=INT,QUIT gitlab-runner run --config "$config" --working-directory "${HOME:-/tmp}" &
  runner=$!
  [ -z "$told" ] || stop_runner
  echo "$runner" >"$pid_file"
  # A signal ends `wait` early.
  while kill -0 "$runner" 2>/dev/null; do
    status=0
    wait "$runner" || status=$?
  done
}

# Hooks have ended with their runner. What is still there of executor/ works detached: the destroyer above all.
detached_work() {
  grep -lsz 'dist/executor/[a-z-]*\.js$' /proc/[0-9]*/cmdline | sed 's/cmdline$/environ/' |
    xargs -r grep -lsxz "GITLAB_SPOT_STATE_DIR=$state" | grep -q .
}

# Jobs whose instance is still to be destroyed, by their records.
due() {
  find "$state/jobs" -name record.json -exec grep -ls '"phase": *"destroying"' {} + 2>/dev/null | wc -l
}

# The last jobs' destroys would end with the container. While a reap holds the destroyer's slot, the reap does them.
await_destroys() {
  kill "$reaper" 2>/dev/null || true
  waited=0
  while kill -0 "$reaper" 2>/dev/null || detached_work; do
    [ "$waited" -gt 0 ] || say "waiting for the last instances to be destroyed (limit $last_destroys s)"
    [ "$waited" -lt "$last_destroys" ] || break
    sleep 1
    waited=$((waited + 1))
  done
  left=$(due)
  [ "$left" -eq 0 ] ||
    say "instances not destroyed yet: $left. The next start does it; without one, each ends at its own release time"
}

serve() {
  echo $$ >"$pid_file"
  # Before the trap, which a shell in the background would have for a moment.
  # The trap comes before the runner, so that no signal leaves it alone.
  reap_again_and_again &
  reaper=$!
  serve_metrics &
  metrics=$!
  runner=
  told=
  status=0
  trap 'told=yes; stop_runner' TERM INT QUIT
  await_readiness
  [ -n "$told" ] || run_runner
  await_destroys
  trap - TERM INT QUIT
  kill "$metrics" 2>/dev/null || true
  rm -f "$pid_file"
  exit "$status"
}

case ${1:-serve} in
  serve) serve ;;
  health) kill -0 "$(cat "$pid_file")" ;;
  *) exec "$@" ;;
esac
