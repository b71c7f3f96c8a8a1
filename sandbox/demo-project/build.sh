#!/bin/sh
# build.sh NAME VERSION: one file out of many.
set -eu
mkdir -p out
{
  echo '#!/bin/sh'
  echo "version='$2'"
  cat lib/*.sh main.sh
} > "out/$1"
chmod +x "out/$1"
echo "built out/$1, $(wc -l < "out/$1" | tr -d ' ') lines"
