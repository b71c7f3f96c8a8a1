#!/bin/sh
# run.sh PROGRAM TEXT: what the program says of a text is what the file beside the text expects.
set -eu
expected=${2%.txt}.expected
actual=$("$1" --top 3 "$2")
echo "$actual"
if [ "$actual" != "$(cat "$expected")" ]; then
  echo "expected $expected:"
  cat "$expected"
  exit 1
fi
echo "as expected"
