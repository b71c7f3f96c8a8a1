#!/bin/sh
# fetch-pulumi DIRECTORY [amd64|arm64]: the pulumi CLI, its Node.js language host and the alicloud provider, in the versions and from the
# places that the environment names (PULUMI_VERSION, PULUMI_DOWNLOAD, PULUMI_SHA256, ALICLOUD_PLUGIN_VERSION, …). What is there already in
# the right version is left alone.
set -eu

directory=$1
architecture=${2:-amd64}
case $architecture in
  amd64) cli_architecture=x64 ;;
  arm64) cli_architecture=arm64 ;;
  *) echo "fetch-pulumi: there is no pulumi for $architecture, only amd64 and arm64" >&2; exit 1 ;;
esac
: "${PULUMI_VERSION:?}" "${ALICLOUD_PLUGIN_VERSION:?}"
cli_url=${PULUMI_DOWNLOAD:-https://get.pulumi.com/releases/sdk}/pulumi-v$PULUMI_VERSION-linux-$cli_architecture.tar.gz
plugin_url=${ALICLOUD_PLUGIN_DOWNLOAD:-https://get.pulumi.com/releases/plugins}/pulumi-resource-alicloud-v$ALICLOUD_PLUGIN_VERSION-linux-$architecture.tar.gz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch URL SHA256 FILE
fetch() {
  echo "fetch-pulumi: $1" >&2
  curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$3" "$1"
  if [ -n "$2" ]; then
    printf '%s  %s\n' "$2" "$3" | sha256sum --check --quiet - || {
      echo "fetch-pulumi: $1 has another SHA-256 than asked for; it is not used" >&2
      exit 1
    }
  fi
}

mkdir -p "$directory"
if [ "$("$directory/pulumi" version 2>/dev/null || true)" != "v$PULUMI_VERSION" ]; then
  fetch "$cli_url" "${PULUMI_SHA256:-}" "$work/cli.tar.gz"
  # The archive holds a language host for every language; only ours is kept.
  tar -xzf "$work/cli.tar.gz" -C "$work"
  install -m 0755 "$work/pulumi/pulumi" "$work/pulumi/pulumi-language-nodejs" "$directory/"
fi
stamp=$directory/.pulumi-resource-alicloud.version
if [ ! -x "$directory/pulumi-resource-alicloud" ] || [ "$(cat "$stamp" 2>/dev/null || true)" != "$ALICLOUD_PLUGIN_VERSION" ]; then
  fetch "$plugin_url" "${ALICLOUD_PLUGIN_SHA256:-}" "$work/plugin.tar.gz"
  tar -xzf "$work/plugin.tar.gz" -C "$work" pulumi-resource-alicloud
  install -m 0755 "$work/pulumi-resource-alicloud" "$directory/"
  echo "$ALICLOUD_PLUGIN_VERSION" >"$stamp"
fi
