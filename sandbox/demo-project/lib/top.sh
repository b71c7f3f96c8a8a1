# top N: the N most frequent lines of standard input, each with its count.
top() {
  sort | uniq -c | sort -k1,1nr -k2 | head -n "$1" | awk '{ print $1, $2 }'
}
