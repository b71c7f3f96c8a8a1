#!/usr/bin/env bash
# check-downloads.sh: asks each place named in provision.sh and fetch-pulumi.sh whether it has the file, and each owner
# whether its published SHA-256 is the one that we know. Run it by hand, where there is internet, before a default is
# changed. It downloads no archive. Exit 1: a file that no place has, or another checksum.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bad=0

has() { curl --fail --silent --head --location --connect-timeout 20 --max-time 60 --output /dev/null "$1"; }

# check LABEL: reads lines `NAME SHA256 URL` and `NAME checksum URL`.
check() {
  local name sum url names='' served=' ' other=' ' page
  while read -r name sum url; do
    [[ " $names " == *" $name "* ]] || names+=" $name"
    if [ "$sum" = checksum ]; then
      # Known checksums are compared; a page that can't be had is no harm where we know the checksum ourselves.
      page=$(curl --fail --silent --location --connect-timeout 20 --max-time 60 "$url" || true)
      if [ "${known[$name]}" != published ] && [ -n "$page" ] && ! grep -qiF "${known[$name]}" <<<"$page"; then
        other+="$name "
        echo "other checksum: $1 $name: $url does not have ${known[$name]}"
      elif [ "${known[$name]}" = published ] && [ -z "$page" ]; then
        other+="$name "
        echo "no checksum: $1 $name: $url"
      fi
    elif known[$name]=$sum && has "$url"; then
      served+="$name "
      echo "ok: $1 $name: $url"
    else
      echo "not served: $1 $name: $url"
    fi
  done
  for name in $names; do
    [[ "$served" == *" $name "* && "$other" != *" $name "* ]] || bad=$((bad + 1))
  done
}

declare -A known
for jdk in ${JDK_VERSIONS:-21.0.8+9 23.0.2+7 25.0.1+8}; do
  for cpu in x86_64 aarch64; do
    check "JDK $jdk on $cpu" < <(JDK_VERSION=$jdk PROVISION_CPU=$cpu "$here/provision.sh" downloads)
  done
done
# Docker's packages are found through their repository; one of its two places must have the key.
served=
for place in "${DOCKER_CE-https://mirrors.aliyun.com/docker-ce}" https://download.docker.com; do
  for distribution in debian ubuntu centos; do
    if [ -z "$place" ]; then continue; fi
    if has "$place/linux/$distribution/gpg"; then
      served+=" $distribution "
      echo "ok: docker for $distribution: $place"
    else
      echo "not served: docker for $distribution: $place"
    fi
  done
done
for distribution in debian ubuntu centos; do [[ $served == *" $distribution "* ]] || bad=$((bad + 1)); done
for architecture in amd64 arm64; do
  check "pulumi on $architecture" < <("$here/../runner/fetch-pulumi.sh" --list "$architecture")
done
[ "$bad" -eq 0 ] || echo "check-downloads: $bad files have no place that serves them, or another checksum" >&2
[ "$bad" -eq 0 ]
