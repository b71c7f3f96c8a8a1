#!/bin/sh
# edges.sh PROGRAM: what the program says when something is wrong.
set -u
failed=0

# ends CODE WORDS...: the program ends with that exit code when called with these words.
ends() {
  wanted=$1
  shift
  "$program" "$@" > /dev/null 2>&1
  code=$?
  if [ "$code" -eq "$wanted" ]; then
    echo "ok: tally $* ends with $code"
  else
    echo "not ok: tally $* ends with $code instead of $wanted"
    failed=1
  fi
}

program=$1
ends 2
ends 2 --top
ends 1 no-such-file
ends 0 --version
exit $failed
