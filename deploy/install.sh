#!/usr/bin/env bash
# Installs gitlab-spot on a host that has gitlab-runner from its package, without containers. Run it again to update; it changes only
# what differs. It registers nothing and asks nothing: `gitlab-spot init` and `gitlab-spot register` do that afterwards.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: sudo deploy/install.sh [options]

  --dry-run        print what would be done, and do nothing
  --root DIR       install below DIR instead of /, and leave the running system alone (for packages and tests)
  --no-pulumi      the pulumi CLI and the alicloud provider are there already
  --help           this text

Mirrors and versions, from the environment:
  NPM_REGISTRY                                       npm registry
  PULUMI_VERSION, PULUMI_DOWNLOAD, PULUMI_SHA256     pulumi CLI (default 3.260.0)
  ALICLOUD_PLUGIN_VERSION, ALICLOUD_PLUGIN_DOWNLOAD, ALICLOUD_PLUGIN_SHA256
                                                     provider (default: as package.json has it)
TEXT
}

dry_run=false
root=''
with_pulumi=true
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=true ;;
    --no-pulumi) with_pulumi=false ;;
    --root)
      root=${2:?--root needs a directory}
      root=${root%/}
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      echo "install: unknown option $1" >&2
      usage >&2
      exit 2
      ;;
  esac
  shift
done

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=/opt/gitlab-spot
changed=false

say() { echo "install: $*" >&2; }
fail() {
  say "$*"
  exit 1
}
# Runs a command, or only says it.
run() {
  if $dry_run; then
    printf 'would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

check_host() {
  [ -n "$root" ] || $dry_run || [ "$(id -u)" -eq 0 ] || fail "run it as root (or see --dry-run)"
  command -v node >/dev/null || fail "there is no node on PATH: install Node.js 22 or newer"
  # Pulumi's SDK asks for 22.
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 22 ] || [ -n "${GITLAB_SPOT_ANY_NODE:-}" ] ||
    fail "node on PATH is $(node --version): install Node.js 22 or newer"
  if [ -z "$root" ]; then
    command -v systemctl >/dev/null || fail "there is no systemd here: use deploy/compose.yaml"
    command -v gitlab-runner >/dev/null ||
      fail "there is no gitlab-runner: install its package first (https://docs.gitlab.com/runner/install/linux-repository/)"
    systemctl cat gitlab-runner.service >/dev/null 2>&1 ||
      fail "there is no gitlab-runner.service: run \`gitlab-runner install\` first"
  fi
}

# put FILE DESTINATION MODE: copies what differs.
put() {
  local to=$root$2
  if [ -f "$to" ] && cmp -s "$1" "$to"; then return; fi
  changed=true
  run install -D -m "$3" "$1" "$to"
}

# The package beside its new place, with its dependencies; then one rename, so that no hook ever sees half of it.
install_package() {
  local stamp digest next
  shopt -s nullglob
  [ -f "$source_dir/dist/cli/gitlab-spot.js" ] || fail "dist/ is missing: run \`npm run setup\` in $source_dir first"
  digest=$(cd "$source_dir" && find dist stacks deploy docs* package.json package-lock.json Pulumi.yaml -type f \
    ! -path 'dist/sandbox/*' ! -name .built ! -name .env -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
  stamp=$root$target/.installed
  if [ "$(cat "$stamp" 2>/dev/null || true)" = "$digest" ]; then
    say "$target is up to date"
    return
  fi
  changed=true
  next=$root$target.new
  run rm -rf "$next"
  run install -d -m 0755 "$next"
  # instances.yaml is the platform team's own page: an edited one is kept below.
  run cp -R "$source_dir/dist" "$source_dir/stacks" "$source_dir/deploy" "$source_dir/package.json" \
    "$source_dir/package-lock.json" "$source_dir/Pulumi.yaml" "$next/"
  [ ! -d "$source_dir/docs" ] || run cp -R "$source_dir/docs" "$next/"
  run rm -rf "$next/dist/sandbox" "$next/deploy/.env"
  run env ${NPM_REGISTRY:+"npm_config_registry=$NPM_REGISTRY"} npm --prefix "$next" ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  local page=stacks/instances.yaml
  if [ -f "$root$target/$page" ] && [ -f "$root$target/.instances.shipped" ] && ! cmp -s "$root$target/$page" "$root$target/.instances.shipped"; then
    say "keeping your $target/$page; the new one is beside it as instances.yaml.new"
    run cp "$next/$page" "$next/$page.new"
    run cp -p "$root$target/$page" "$next/$page"
    run cp "$next/$page.new" "$next/.instances.shipped"
  else
    run cp "$next/$page" "$next/.instances.shipped"
  fi
  if $dry_run; then return; fi
  echo "$digest" >"$next/.installed"
  rm -rf "$root$target.old"
  [ ! -e "$root$target" ] || mv "$root$target" "$root$target.old"
  mv "$next" "$root$target"
  rm -rf "$root$target.old"
}

link_command() {
  local link=$root/usr/local/bin/gitlab-spot to=$target/dist/cli/gitlab-spot.js
  [ "$(readlink "$link" 2>/dev/null || true)" != "$to" ] || return 0
  changed=true
  run install -d "$root/usr/local/bin"
  run ln -sfn "$to" "$link"
}

install_pulumi() {
  $with_pulumi || return 0
  local architecture plugin
  case $(uname -m) in
    aarch64 | arm64) architecture=arm64 ;;
    *) architecture=amd64 ;;
  esac
  plugin=${ALICLOUD_PLUGIN_VERSION:-$(node -p 'require(process.argv[1]).dependencies["@pulumi/alicloud"]' "$source_dir/package.json")}
  run env PULUMI_VERSION="${PULUMI_VERSION:-3.260.0}" ALICLOUD_PLUGIN_VERSION="$plugin" \
    "$source_dir/deploy/runner/fetch-pulumi.sh" "$root/usr/local/bin" "$architecture"
}

make_private_folders() {
  local folder
  for folder in /etc/gitlab-spot /var/lib/gitlab-spot; do
    [ -d "$root$folder" ] || run install -d -m 0700 "$root$folder"
  done
}

install_units() {
  local units=$source_dir/deploy/systemd unit
  for unit in "$units"/*.service "$units"/*.timer; do
    put "$unit" "/etc/systemd/system/$(basename "$unit")" 0644
  done
  put "$units/gitlab-runner.service.d-gitlab-spot.conf" /etc/systemd/system/gitlab-runner.service.d/gitlab-spot.conf 0644
  [ -z "$root" ] || return 0
  run systemctl daemon-reload
  run systemctl enable --now gitlab-spot-reap.timer
}

check_host
install_package
link_command
install_pulumi
make_private_folders
install_units

if $dry_run; then
  say "nothing was changed (--dry-run)"
elif $changed; then
  say "done. A running gitlab-runner goes on; \`systemctl restart gitlab-runner\` lets its jobs end first."
else
  say "done; nothing was to be changed"
fi
[ -e "$root/etc/gitlab-spot/env" ] || say "next: gitlab-spot init, gitlab-spot image build gitlab-spot-java23, gitlab-spot register"
