# Runs one stage of a job on the instance so that the stage outlives the SSH connection that started it, and lets the executor
# follow its output. POSIX sh (dash, busybox ash, bash) on Linux (/proc).
#
# Lies on the instance as ~/.gitlab-spot/gs-HASH and not in a command line, which a job's `pkill -f` would match and its `ps` show.
# Starts with a clean environment (supervisor.ts): a login's TMOUT would end each `read`, its SHELLOPTS each line that fails. Only
# the stage's script gets the environment of a login (capture_environment).
#
#   run RUN NONCE OFFSET SIZE BOOT COMMAND METADATA BESIDE
#                           starts the stage unless it has been started; follows its output from byte OFFSET on; ends earlier
#                           runs, except the run BESIDE
#   cancel RUN NONCE GRACE  ends the stage's session: TERM, and KILL after GRACE seconds
#   environment             captures the environment of a login
#
# Standard input of run: SIZE bytes of script, later two words: `go` (the first frame was read) and `done` (the stage's files may go).
# Standard output of run: a frame `attached BOOT`; the stage's output from OFFSET on, byte for byte; a frame `exit STATUS USE`
# (measure_use; followed by `oom` if the stage failed and the kernel ran out of memory). A frame is RS STX NONCE SPACE text ETX.
# Standard error: lines `gitlab-spot NONCE word ...`, which are not part of the job's log.
#
# Files of a stage, mode 0600:
#   claim/     made once, by the process that may start the stage. Stays, empty, when the stage is over: a broken connection may
#              still deliver the order to start it
#   claim/boot, claim/waiter, claim/session, claim/least    boot id, process ids, least memory available (measure_use)
#   claim/oom, claim/lost    the kernel's count of ended processes at the begin; there while lost output has not been told of
#   script     the stage's script
#   pipe       the stage's stdout and stderr: a FIFO, since `> /dev/stderr` in a script would truncate a file
#   out        what came through the pipe, and the last frame
#   alive      a FIFO that the waiting process holds open: when it closes, the stage is over
#   status     the exit status
set +efvx
set -u
verb=$1 run=${2-} nonce=${3-}
supervisor=$0
base=${0%/*}
dir=$base/runs/$run

# On a line of its own, whatever start-up files have printed.
say() { printf '\ngitlab-spot %s %s\n' "$nonce" "$*" >&2; }

frame() { printf '\036\002%s %s\003' "$nonce" "$1"; }

nap() { sleep "$1" </dev/null >/dev/null 2>&1 || sleep 1 </dev/null >/dev/null 2>&1; }

read_file() { { read -r "$2" <"$1"; } 2>/dev/null; }

# Becomes a command that leads a session of its own. Call it from a subshell: a process group's leader can't start a session.
new_session() {
  if command -v setsid >/dev/null; then
    exec setsid "$@"
  elif command -v python3 >/dev/null; then
    exec python3 -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
  elif command -v perl >/dev/null; then
    exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$@"
  fi
  echo "there is neither setsid nor python3 nor perl" >&2
  exit 127
}

# Living members of a session, without the process $2, into $members. Fails when there are none.
members_of() {
  members=
  for stat in /proc/[0-9]*/stat; do
    read_file "$stat" line || continue
    rest=${line##*) }
    state=${rest%% *}
    rest=${rest#* * * }
    [ "${rest%% *}" = "$1" ] && [ "$state" != Z ] && [ "${line%% *}" != "$2" ] && members="$members ${line%% *}"
  done
  [ -n "$members" ]
}

# Ends a session: TERM, and KILL to what is left after $3 tenths of a second. A process that can't be killed is left after 5 seconds.
end_session() {
  members_of "$1" "$2" && kill -TERM $members 2>/dev/null
  tenths=0
  while members_of "$1" "$2" && [ "$tenths" -lt "$3" ]; do
    nap 0.1
    tenths=$((tenths + 1))
  done
  tenths=0
  while members_of "$1" "$2" && [ "$tenths" -lt 50 ]; do
    kill -KILL $members 2>/dev/null
    nap 0.1
    tenths=$((tenths + 1))
  done
}

# bash, where it is there, knows the functions that a login exports; other shells drop them.
shell_for_script() {
  if command -v bash >/dev/null; then shell='bash --posix'; else shell=sh; fi
}

# Captures the environment of a login, once: exported variables and functions, umask, limit on open files; without bash's own
# variables and those of this connection. A start-up file that hangs costs 15 seconds, once.
capture_environment() {
  part=$base/environment.$$
  shell_for_script
  # csh takes no other flag beside -l. Quoted as every shell takes it, fish and csh as well.
  flags='-l -c'
  case ${SHELL-} in *csh) flags=-c ;; esac
  # shellcheck disable=SC2086
  ${SHELL:-/bin/sh} $flags "exec $shell '$supervisor' functions '$part'" </dev/null >/dev/null 2>&1 &
  login=$!
  (nap 15 && kill -KILL $login) >/dev/null 2>&1 &
  limit=$!
  wait $login
  kill -KILL $limit
  [ -s "$part" ] || sh "$supervisor" write "$part"
  [ -e "$part.functions" ] || : >"$part.functions"
  # What only bash reads: exported functions, and values that it has quoted in its own way. Another sh starts in less time.
  if [ ! -s "$part.functions" ] && ! grep -q "\\$'" "$part"; then shell=sh; fi
  echo "$shell" >"$base/shell"
  if tail --version 2>/dev/null | grep -q GNU; then : >"$base/tail"; fi
  mv "$part.functions" "$base/functions" && mv "$part" "$base/environment" && echo "$booted" >"$base/boot"
}

# By boot id: an image may have been made of an instance that ran stages, and its captured environment is not this one's.
is_captured() {
  booted='' captured=''
  read_file /proc/sys/kernel/random/boot_id booted
  [ -s "$base/environment" ] && [ -s "$base/shell" ] && read_file "$base/boot" captured && [ "$captured" = "$booted" ]
}

write_functions() {
  names=
  if [ -n "${BASH_VERSION-}" ]; then
    for word in $(declare -Fx); do
      case $word in declare | -fx) ;; *) names="$names $word" ;; esac
    done
  fi
  # shellcheck disable=SC2086
  [ -z "$names" ] || { declare -f $names && echo "export -f $names"; } >"$run.functions"
  exec sh "$supervisor" write "$run"
}

write_environment() {
  unset PWD OLDPWD SHLVL _ SSH_CLIENT SSH_CONNECTION SSH_TTY
  {
    export -p
    echo "umask $(umask)"
    echo "ulimit -S -n $(ulimit -S -n) 2>/dev/null"
  } >"$run"
}

# The machine's memory that is available, and all of it (KiB), into $available and $memory. Without a process of its own.
memory_now() {
  available=0 memory=0
  while read -r key value _; do
    case $key in
    MemTotal:) memory=$value ;;
    MemAvailable:) available=$value && return ;;
    esac
  done </proc/meminfo
} 2>/dev/null

# What the machine's processors did since its boot, into $busy and $ticks (both in ticks): at work or kept from it by the host, and all.
processors_now() {
  busy=0 ticks=0
  read_file /proc/stat line || return
  line=${line#cpu}
  case $line in '' | *[!0-9\ ]*) return ;; esac
  # shellcheck disable=SC2086
  set -- $line 0 0 0 0 0 0 0 0
  busy=$(($1 + $2 + $3 + $6 + $7 + $8)) ticks=$((busy + $4 + $5))
}

# Keeps the least memory that was available at a time, which the follower looks at once a second.
watch_memory() {
  memory_now
  [ "$least" -gt 0 ] && [ "$least" -le "$available" ] && return
  least=$available
  echo "$least" >"$dir/claim/least"
} 2>/dev/null

# What of the machine was used since $busy and $ticks were taken, into $use: memory (least available, all), ticks (at work, all), blocks
# of the system disk (all, free). 0, or nothing: not known. stat asks about this one file system alone; a mount that hangs stops df.
measure_use() {
  memory_now
  read_file "$dir/claim/least" least && [ "$least" -lt "$available" ] && available=$least
  busy_before=$busy ticks_before=$ticks
  processors_now
  use="$available $memory $((busy - busy_before)) $((ticks - ticks_before)) $(stat -f -c '%b %f' /)"
} 2>/dev/null

# Once, as soon as there is room for it. An empty file has room where no line has.
tell_of_loss() {
  [ -e "$dir/claim/lost" ] || return
  printf '\n%s\n' "WARNING: the instance's disk is full: some of this script's output is missing" && rm -f "$dir/claim/lost" && told=yes
}

# In a session of its own: waits for the script, which has yet another one, so that no signal meant for the script ends the waiting.
# Holds the writing end of `alive` as descriptor 9, and `out` as 5: a job may remove the files, and its stage ends all the same.
stage() {
  mkdir "$dir/claim" 2>/dev/null || return
  # What a job sends to each `sh` ends neither the waiting nor the collecting. Not '', which the script would inherit.
  trap : HUP INT QUIT TERM
  read_file /proc/sys/kernel/random/boot_id boot
  echo "$boot" >"$dir/claim/boot"
  echo $$ >"$dir/claim/waiter"
  clear_earlier_runs "$1"
  # A job may kill what is called `cat`, or fill the disk for a while: another one goes on, and the pipe never lacks a reader, without
  # which the script's next line would end it. What had no room is lost; the log says so where there is room again.
  {
    exec 9>&-
    trap : HUP INT QUIT TERM
    grep -s '^oom_kill ' /proc/vmstat >"$dir/claim/oom"
    told=''
    while
      cat
      collected=$?
      [ "$collected" -eq 1 ] || [ "$collected" -gt 128 ]
    do
      [ "$collected" -eq 1 ] || continue
      [ -n "$told" ] || touch "$dir/claim/lost"
      nap 0.02
      tell_of_loss
    done
    tell_of_loss
  } >>"$dir/out" <"$dir/pipe" &
  collector=$!
  exec 4>"$dir/pipe" 5>>"$dir/out"
  processors_now
  read_file "$base/shell" shell || shell_for_script
  # In parentheses: a shell whose own stderr was redirected would write "Terminated" into the log.
  # shellcheck disable=SC2086
  (new_session $shell "$supervisor" enter "$run" </dev/null >&4 2>&1 4>&- 5>&- 9>&-)
  status=$?
  exec 4>&-
  measure_use
  # Why a script has failed; of one that has not, nobody wants to know.
  [ "$status" -eq 0 ] || use="$use $(memory_ran_out)"
  await_output
  # A script that has ended leaves its own room, on a full disk the only one, to what is said of its end.
  rm -f "$dir/script"
  framed=
  if [ -n "$late" ] && [ -p "$dir/pipe" ]; then
    # Behind what came until now. Opened for reading too, since that never waits for a reader.
    exec 4<>"$dir/pipe"
    frame "exit $status $use" >&4
    exec 4>&-
  else
    tell_of_loss >&5
    frame "exit $status $use" >&5 && framed=yes
  fi
  echo $status >"$dir/status"
  # To whoever follows now, who may not find the file. One without content is a full disk's, which may have lacked room for the frame too.
  { [ -z "$framed" ] && [ -e "$dir/status" ] && [ ! -s "$dir/status" ]; } || echo $status >&9
}

# Waits for the end of the output: a filter behind the script (`exec > >(ts)`) may still hold some of it. Not for what stays silent
# for half a second, as a server that the script has left behind, and for no more than 10 rounds. $late: there may come more.
await_output() {
  late=
  trap 'late=yes' USR1
  # What a job has stopped (`killall -STOP cat`) goes on: this session's.
  kill -CONT -$$
  (
    exec 9>&-
    size=$(wc -c <"/proc/$$/fd/5") before='' rounds=0
    while [ "$size" != "$before" ] && [ "$rounds" -lt 10 ]; do
      before=$size
      nap 0.5
      size=$(wc -c <"/proc/$$/fd/5") rounds=$((rounds + 1))
    done
    # More than once: the first one may come before the wait.
    while kill -USR1 $$; do nap 0.5; done
  ) </dev/null >/dev/null 2>&1 &
  limit=$!
  wait "$collector"
  # The KILL: a shell that was just forked loses a signal for which it has a trap.
  kill -KILL "$limit"
  trap '' USR1
} 2>/dev/null

# The first process of the script's session: takes the login environment on, and becomes the interpreter.
enter() {
  # A process that reads it earlier finds no line, and looks again.
  echo $$ >"$dir/claim/session"
  command=$GITLAB_SPOT_COMMAND
  unset GITLAB_SPOT_COMMAND
  set -- "$dir/script"
  umask 022
  [ -z "${BASH_VERSION-}" ] || set +o posix
  # Errors are ignored: variables that are read-only in bash (UID, SHELLOPTS) need not be set.
  . "$base/environment" 2>/dev/null
  [ -z "${BASH_VERSION-}" ] || [ ! -s "$base/functions" ] || . "$base/functions"
  unset IFS
  # bash keeps its own; another sh would hand on those of the login, posix mode among them.
  [ -n "${BASH_VERSION-}" ] || unset SHELLOPTS BASHOPTS
  eval "exec $command \"\$1\""
}

# The session of the run $1, into $session. Not that of an earlier boot, nor of the machine that an image was made of: what has this number
# now is somebody else's.
session_of() {
  session='' began='' booted=''
  read_file "$1/claim/boot" began
  read_file /proc/sys/kernel/random/boot_id booted
  [ "$began" = "$booted" ] && read_file "$1/claim/session" session
}

# What an earlier hook left: a stage whose hook was killed is ended, and its files go. Not those of the run $1.
clear_earlier_runs() {
  for other in "$base"/runs/*; do
    [ "$other" = "$dir" ] || [ "$other" = "$base/runs/$1" ] && continue
    [ -e "$other/out" ] || continue
    if [ ! -e "$other/status" ] && session_of "$other"; then
      waiter=0
      read_file "$other/claim/waiter" waiter
      end_session "$session" "$waiter" 20
    fi
    forget "$other"
  done
}

# Removes all of a stage except the fact that it ran (its empty claim).
forget() { (cd "$1" && { [ -d claim ] || mkdir claim; } && rm -f script* pipe out alive status* errors follower claim/*) }

# Without the pump no output comes any more. Where a job has killed it (`killall tail`), this follower ends, and the hook attaches
# anew at the byte where it is.
keep_pump() {
  trap 'kill $copy 2>/dev/null; exit' TERM
  found=1
  if [ -e "$base/tail" ]; then
    tail -c +$((offset + 1)) -f "--pid=$me" "$dir/out" &
    copy=$!
    wait $copy
    found=$?
  fi
  # 1: no GNU tail, or the script has removed `out` before tail came to open it.
  if [ $found -eq 1 ]; then
    pump &
    copy=$!
    wait $copy
  fi
  kill $watch
  kill -KILL "$me"
} 2>/dev/null

# Copies the output from the offset on until it is killed, with a look every 40 ms: GNU tail waits for the kernel's word instead.
pump() {
  dd bs=1 count=0 skip="$offset" <&3 2>/dev/null
  pause=0.003
  while [ -d "/proc/$me" ] && dd bs=65536 count=256 <&3 2>/dev/null; do
    nap $pause
    case $pause in 0.003) pause=0.006 ;; 0.006) pause=0.012 ;; 0.012) pause=0.025 ;; *) pause=0.04 ;; esac
  done
}

ask_metadata() {
  if command -v curl; then
    [ -n "$token" ] || token=$(curl -fsS -m 2 -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 21600' "$metadata/latest/api/token")
    time=$(curl -fsS -m 2 ${token:+-H "X-aliyun-ecs-metadata-token: $token"} "$1")
  elif command -v wget; then
    # Busybox's has no --method, and a hardened instance's metadata service then stays closed to it.
    [ -n "$token" ] || token=$(wget -q -T 2 -O - --method=PUT --header='X-aliyun-ecs-metadata-token-ttl-seconds: 21600' "$metadata/latest/api/token")
    time=$(wget -q -T 2 -O - ${token:+--header="X-aliyun-ecs-metadata-token: $token"} "$1")
  fi
} </dev/null >/dev/null 2>&1

# Says once when the cloud has announced that it takes the spot instance back, and `blind` once where the metadata service can't be asked.
# Looks at the memory meanwhile.
watch_instance() {
  token= asked= round=0
  read_file "$dir/claim/least" least || least=0
  while nap 1 && [ -d "/proc/$me" ]; do
    watch_memory
    round=$(((round + 1) % 4))
    [ -n "$metadata" ] && [ "$round" -eq 0 ] || continue
    time=
    ask_metadata "$metadata/latest/meta-data/instance/spot/termination-time"
    case $time in 20[0-9][0-9]-[01][0-9]-*)
      say "interruption $time"
      return
      ;;
    esac
    [ -n "$asked" ] && continue
    asked=yes
    ask_metadata "$metadata/latest/meta-data/instance-id"
    [ -n "$time" ] || say blind
  done
}

# Receives the script into a file of this process alone; the claim decides which one is run.
receive_script() {
  if ! { mkdir -p "$dir" && : >>"$dir/out" && { [ -p "$dir/pipe" ] || mkfifo "$dir/alive" "$dir/pipe" || [ -p "$dir/pipe" ]; }; } 2>/dev/null; then
    say "broken can't write to $base"
    exit 70
  fi
  head -c "$size" >"$dir/script.$$" 2>/dev/null
  collected=$?
  received=$(($(wc -c <"$dir/script.$$")))
  [ "$received" -eq "$size" ] && return
  rm -f "$dir/script.$$"
  # Of a connection that broke in the middle nobody hears.
  if [ "$collected" -gt 128 ]; then say "broken received $received of the script's $size bytes"; else say 'broken its disk is full'; fi
  exit 70
}

run_stage() {
  offset=$4 size=$5 boot=$6 command=$7 metadata=$8 beside=$9
  umask 077
  read_file /proc/sys/kernel/random/boot_id booted
  if [ "$boot" != - ] && [ ! -d "$dir" ]; then
    say "broken a script has removed $base, and with it what the stage writes"
    exit 70
  fi
  receive_script
  if [ "$boot" = - ]; then
    read_file "$dir/claim/boot" boot || boot=$booted
  fi
  if [ "$boot" != "$booted" ]; then
    say rebooted
    exit 70
  fi
  exec 6<&0
  if [ -d "$dir/claim" ]; then
    rm -f "$dir/script.$$"
    attach
    follow
    return
  fi
  # Another connection may be about to start the same stage. The command is no argument, which a job's `pkill -f` would find.
  mv "$dir/script.$$" "$dir/script"
  export GITLAB_SPOT_COMMAND="$command"
  attach
  # Not in the background with `&`, which would have the script ignore SIGINT: the left side of a pipe is nobody's background.
  {
    exec 9<>"$dir/alive"
    echo
    # Once more: what an `exec` of mksh opens, it hands on to no program. What it redirects for a group of commands, its own process keeps.
    new_session sh "$supervisor" stage "$run" "$nonce" "$beside" </dev/null >/dev/null 2>"$dir/errors" 3<&- 6<&- 7<&- 9<>"$dir/alive"
  } | {
    read -r _
    follow
  }
}

# Tells the executor that the stage exists before the script begins, since the script may remove all of this at once; without that
# the executor would start it again. A connection that breaks before it delivers `go` starts nothing.
attach() {
  exec 3<"$dir/out" 8<>"$dir/alive" 7<"$dir/alive" 8>&-
  frame "attached $booted"
  word=
  read -r word <&6
  [ "$word" = go ] || exit 70
}

follow() {
  read_file /proc/self/stat me
  me=${me%% *}
  # One follower at a time: that of a connection that is gone may not have noticed yet.
  if read_file "$dir/follower" before && tr '\0' ' ' <"/proc/$before/cmdline" 2>/dev/null | grep -q "$nonce"; then
    kill -KILL "$before" 2>/dev/null
  fi
  echo "$me" >"$dir/follower"
  watch_instance </dev/null >/dev/null &
  watch=$!
  keep_pump </dev/null &
  pump=$!
  status=
  if read -r status <&7 || read_file "$dir/status" status; then
    say "ended $status"
  else
    explain_loss
  fi
  kill -CONT 0
  answer=
  read -r answer <&6
  kill $pump $watch 2>/dev/null
  [ "$answer" = done ] && forget "$dir"
}

# `oom` when the kernel has killed a process for want of memory since the stage began: it counts them.
memory_ran_out() {
  read_file "$dir/claim/oom" before || return
  [ "$(grep -s '^oom_kill ' /proc/vmstat)" = "$before" ] || echo oom
}

# Nothing waits for the script and there is no status: the waiting process was killed, or never started.
explain_loss() {
  if read_file "$dir/claim/session" session; then
    end_session "$session" 0 20
    # The status had no room, and before it what the script wrote.
    if [ -e "$dir/status" ]; then say 'broken its disk is full'; else say vanished "$(memory_ran_out)"; fi
  else
    reason=
    while read -r line; do reason=$line; done <"$dir/errors"
    say "broken the stage did not start${reason:+: $reason}"
  fi
}

# The session of this stage's script, into $session, where its files are gone: its leader's parent has the run in its command line.
find_session() {
  for stat in /proc/[0-9]*/stat; do
    read_file "$stat" line || continue
    session=${line%% *}
    # shellcheck disable=SC2086
    set -- ${line##*) }
    [ "$4" = "$session" ] && tr '\0' ' ' <"/proc/$2/cmdline" 2>/dev/null | grep -q " stage $run $nonce " && return
  done
  return 1
}

cancel_stage() {
  umask 077
  mkdir -p "$dir"
  # Whoever makes the claim first wins: a stage that has not begun never will.
  if mkdir "$dir/claim" 2>/dev/null; then
    frame 'exit 143' >>"$dir/out"
    echo 143 >"$dir/status"
    # The claim may also be missing because a script has removed these files.
    find_session && end_session "$session" 0 "$(($4 * 10))"
    return
  fi
  tries=0
  until session_of "$dir" || [ -e "$dir/status" ] || [ "$tries" -gt 100 ]; do
    nap 0.05
    tries=$((tries + 1))
  done
  waiter=0
  read_file "$dir/claim/waiter" waiter
  [ -n "${session-}" ] && end_session "$session" "$waiter" "$(($4 * 10))"
}

case $verb in
run) run_stage "$@" ;;
cancel) cancel_stage "$@" ;;
environment) is_captured || capture_environment ;;
functions) write_functions ;;
write) write_environment ;;
stage) stage "$4" ;;
enter) enter ;;
esac
