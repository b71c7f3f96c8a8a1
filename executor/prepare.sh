#!/bin/sh
# prepare_exec [NODE]: gives the job its instance. What does it is prepare.js, which this process becomes (exec: the same pid). Where the host
# has no slot to create an instance now, this shell waits for one first: it holds 3 MiB, a node process 57.
#
# The queue and the protocol of its tickets stand in src/host/queue.ts. A ticket that is drawn here is locked (descriptor 7) while
# its job stands in line. Who has seen the locks of all tickets before its own end is first in line and waits on in node,
# which unlocks the ticket once it has its slot: of all that wait, one is a node process.
# What is odd here (no queue, no flock, a full disk) is left to prepare.js, which draws a ticket and waits by itself.
set -u
# A hook holds a key in its memory, which must not lie in a core dump.
# dash, bash and busybox know it; where a shell does not, the hook's own line does the same.
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null
node=${1-node}
hooks=${0%/*}
queue=${GITLAB_SPOT_UP_QUEUE-} slots=${GITLAB_SPOT_UP_SLOTS-}
child='' announcing='' cancelled='' late=''
# Where a redirection that fails is silent, prepare.js must not be.
exec 9>&2

prepare() {
  [ -z "$child" ] || kill "$child" 2>/dev/null
  exec "$node" "$hooks/prepare.js" ${1+"$1"} 2>&9 8<&- 9>&-
}

# The runner wants an end: prepare.js says so and leaves what the following cleanup expects. While report-queued.js runs, that does. One after the
# other behind a lock that prepare.js keeps, since a whole pipeline may be cancelled at once.
cancel() {
  cancelled=$1
  [ -z "$announcing" ] || return
  trap : TERM INT HUP
  [ -z "$child" ] || kill "$child" 2>/dev/null
  # Its own turn, where it still has one: it would wait for itself.
  exec 8>&-
  { lock -x && exec "$node" "$hooks/prepare.js" "$1" 2>&9 9>&-; } 2>/dev/null 8>>"$turns"
  prepare "$1"
}

# The numbers of all tickets, the last first.
list_tickets() {
  tickets=''
  for file in "$queue"/[0-9]*; do
    case ${file##*/} in *[!0-9]*) ;; ????????????????????) tickets="${file##*/} $tickets" ;; esac
  done
}

# One ticket more, with this process as its owner, and locked. It counts only if nobody drew a greater number before it appeared.
draw_ticket() {
  read -r stat <"/proc/$$/stat" && read -r boot </proc/sys/kernel/random/boot_id || return
  namespace=$(readlink /proc/self/ns/pid) || return
  # The 22nd field of all: the name in parentheses may hold anything.
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  owner="{\"owner\":{\"pid\":$$,\"startTicks\":\"${20}\",\"bootId\":\"$boot\",\"pidNamespace\":\"$namespace\"}}"
  list_tickets
  while :; do
    last=${tickets%% *}
    [ -n "$last" ] || last=$(date +%s)000000
    # Without its zeros: a number that begins with one is octal.
    ticket=$(printf %020d $((${last#"${last%%[!0]*}"} + 1)))
    draft=$queue/$ticket.$$
    (umask 077 && printf %s "$owner" >"$draft") 2>/dev/null || return
    exec 7<"$draft"
    flock 7 || return
    ln "$draft" "$queue/$ticket" 2>/dev/null
    drawn=$?
    rm -f "$draft"
    list_tickets
    [ $drawn = 0 ] || continue
    [ "${tickets%% *}" != "$ticket" ] || return 0
    rm -f "$queue/$ticket"
  done
}

# Waits for the lock of descriptor 8. After 40 minutes prepare.js gives up (and where flock knows no limit it waits).
lock() {
  flock "$1" -w 2400 8 7<&- 9>&- >/dev/null 2>&1 &
  child=$!
  wait "$child" || late=yes
  child=''
}

# Says at once what is wrong with the job, or that it waits.
report_queued() {
  announcing=yes
  # Mostly it connects to nobody (tellOfAuthorities in src/hooks/run-hook.ts).
  (
    [ -z "${NODE_EXTRA_CA_CERTS-}" ] || export GITLAB_SPOT_LATER_CA_CERTS="$NODE_EXTRA_CA_CERTS"
    unset NODE_EXTRA_CA_CERTS
    exec "$node" "$hooks/report-queued.js" 9>&-
  )
  status=$?
  announcing=''
  [ $status != 0 ] || return
  # Before it could listen to signals.
  { [ $status -gt 128 ] && [ -n "$cancelled" ]; } && return
  rm -f "$queue/$ticket"
  exit $status
}

case $slots in '' | *[!0-9]*) prepare ;; esac
{ [ -w "$queue" ] && command -v flock >/dev/null; } || prepare
# Taken in turns by those that say something: not more of them at a time than there are slots, however many jobs come or go at once.
turns=$queue/turns.$(($$ % slots))
trap 'cancel SIGTERM' TERM
trap 'cancel SIGINT' INT
trap 'cancel SIGHUP' HUP
draw_ticket || prepare
export GITLAB_SPOT_UP_TICKET="$ticket"
# shellcheck disable=SC2086
set -- ${tickets#* }
[ $# -ge "$slots" ] || prepare

{ lock -x && report_queued; } 8>>"$turns"
# It got a spare machine.
[ -e "$queue/$ticket" ] || exit 0
[ -z "$cancelled" ] || cancel "$cancelled"
for ahead; do
  # It may be gone by now.
  { lock -s; } 2>/dev/null 8<"$queue/$ahead"
  [ -z "$late" ] || break
done
touch -c "$queue/$ticket"
prepare
