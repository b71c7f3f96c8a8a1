usage() {
  echo 'usage: tally [--top N] FILE' >&2
  exit 2
}

count=5
while [ $# -gt 0 ]; do
  case $1 in
    --version) echo "tally $version"; exit 0 ;;
    --top) [ $# -ge 2 ] || usage; count=$2; shift 2 ;;
    -*) usage ;;
    *) break ;;
  esac
done
[ $# -eq 1 ] || usage
[ -r "$1" ] || { echo "tally: $1 cannot be read" >&2; exit 1; }

echo "$(words "$1" | wc -l | tr -d ' ') words"
words "$1" | top "$count"
