#!/bin/sh
# fetch-pulumi DIRECTORY [amd64|arm64]: the pulumi CLI, its Node.js language host and the alicloud provider, in the versions and from
# the places that the environment names (PULUMI_VERSION, PULUMI_DOWNLOAD, PULUMI_SHA256, ALICLOUD_PLUGIN_VERSION, …). What is there
# already in the right version is left alone. Without a SHA-256 of yours, the one counts that pulumi publishes with its release.
# fetch-pulumi --list [amd64|arm64]: what it would fetch.
set -eu

directory=$1
architecture=${2:-amd64}
case $architecture in
  amd64) cli_architecture=x64 ;;
  arm64) cli_architecture=arm64 ;;
  *) echo "fetch-pulumi: there is no pulumi for $architecture, only amd64 and arm64" >&2; exit 1 ;;
esac
[ "$directory" != --list ] || PULUMI_VERSION=${PULUMI_VERSION:-3.260.0} ALICLOUD_PLUGIN_VERSION=${ALICLOUD_PLUGIN_VERSION:-3.108.0}
: "${PULUMI_VERSION:?}" "${ALICLOUD_PLUGIN_VERSION:?}"
cli_file=pulumi-v$PULUMI_VERSION-linux-$cli_architecture.tar.gz
cli_url=${PULUMI_DOWNLOAD:-https://get.pulumi.com/releases/sdk}/$cli_file
cli_release=https://github.com/pulumi/pulumi/releases/download/v$PULUMI_VERSION
cli_sums=${PULUMI_CHECKSUMS:-$cli_release/pulumi-$PULUMI_VERSION-checksums.txt}
plugin_file=pulumi-resource-alicloud-v$ALICLOUD_PLUGIN_VERSION-linux-$architecture.tar.gz
plugin_url=${ALICLOUD_PLUGIN_DOWNLOAD:-https://get.pulumi.com/releases/plugins}/$plugin_file
plugin_release=https://github.com/pulumi/pulumi-alicloud/releases/download/v$ALICLOUD_PLUGIN_VERSION
plugin_sums=${ALICLOUD_PLUGIN_CHECKSUMS:-$plugin_release/pulumi-alicloud_${ALICLOUD_PLUGIN_VERSION}_checksums.txt}

if [ "$directory" = --list ]; then
  printf '%s\n' "pulumi ${PULUMI_SHA256:-published} $cli_url" "pulumi ${PULUMI_SHA256:-published} $cli_release/$cli_file" \
    "pulumi checksum $cli_sums" "alicloud ${ALICLOUD_PLUGIN_SHA256:-published} $plugin_url" \
    "alicloud ${ALICLOUD_PLUGIN_SHA256:-published} $plugin_release/$plugin_file" "alicloud checksum $plugin_sums"
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "fetch-pulumi: $*" >&2; exit 1; }
get() {
  echo "fetch-pulumi: $1" >&2
  curl --fail --silent --show-error --location --retry 3 --retry-max-time 300 --connect-timeout 20 --max-time 900 \
    --speed-limit 1000 --speed-time 60 --output "$2" "$1"
}

# checksum VARIABLE SHA256 PAGE FILE: the given one, else the one on the page that the file's owner publishes.
checksum() {
  [ -z "$2" ] || { echo "$2"; return; }
  get "$3" "$work/sums" || fail "no checksum for $4: $3 can't be had. Set $1, or PULUMI_CHECKSUMS and ALICLOUD_PLUGIN_CHECKSUMS to a mirror"
  sum=$(awk -v file="$4" '{ name = $NF; sub(/^.*\//, "", name); sub(/^\*/, "", name) } name == file { print $1; exit }' "$work/sums")
  [ -n "$sum" ] || fail "no checksum for $4 on $3: set $1"
  echo "$sum"
}

# fetch CHECKSUM FILE URL…: from the first place that serves it. Another file under its name is an end.
# The page of a provider's release holds SHA-1, which still tells another file from the published one.
fetch() {
  sum=$1 file=$2
  shift 2
  for url in "$@"; do
    get "$url" "$file" || continue
    kind=256
    [ "${#sum}" -ne 40 ] || kind=1
    printf '%s  %s\n' "$sum" "$file" | "sha${kind}sum" --check --quiet - ||
      fail "$url has another SHA-$kind than asked for ($sum); it is not used"
    return
  done
  fail "not served: $*"
}

mkdir -p "$directory"
if [ "$("$directory/pulumi" version 2>/dev/null || true)" != "v$PULUMI_VERSION" ]; then
  sum=$(checksum PULUMI_SHA256 "${PULUMI_SHA256:-}" "$cli_sums" "$cli_file")
  fetch "$sum" "$work/cli.tar.gz" "$cli_url" "$cli_release/$cli_file"
  # The archive holds a language host for every language; only ours is kept.
  tar -xzf "$work/cli.tar.gz" -C "$work"
  install -m 0755 "$work/pulumi/pulumi" "$work/pulumi/pulumi-language-nodejs" "$directory/"
fi
stamp=$directory/.pulumi-resource-alicloud.version
if [ ! -x "$directory/pulumi-resource-alicloud" ] || [ "$(cat "$stamp" 2>/dev/null || true)" != "$ALICLOUD_PLUGIN_VERSION" ]; then
  sum=$(checksum ALICLOUD_PLUGIN_SHA256 "${ALICLOUD_PLUGIN_SHA256:-}" "$plugin_sums" "$plugin_file")
  fetch "$sum" "$work/plugin.tar.gz" "$plugin_url" "$plugin_release/$plugin_file"
  tar -xzf "$work/plugin.tar.gz" -C "$work" pulumi-resource-alicloud
  install -m 0755 "$work/pulumi-resource-alicloud" "$directory/"
  echo "$ALICLOUD_PLUGIN_VERSION" >"$stamp"
fi
