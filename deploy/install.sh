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
  --user NAME      who runs gitlab-runner and the reaper (default gitlab-spot, made if missing). `--user root` where this host's
                   gitlab-runner has runners of other executors, too
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
user=gitlab-spot
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
    --user)
      user=${2:?--user needs a name}
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
releases=/opt/gitlab-spot-releases
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
  command -v node >/dev/null || fail "there is no node on PATH: install Node.js 20.19 or newer"
  # The floor of package.json (docs/adr/0013-node-floor.md).
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
    fail "node on PATH is $(node --version): install Node.js 20.19 or newer"
  if [ -z "$root" ]; then
    check_services_node
    command -v systemctl >/dev/null || fail "there is no systemd here: use deploy/compose.yaml"
    command -v gitlab-runner >/dev/null ||
      fail "there is no gitlab-runner: install its package first (https://docs.gitlab.com/runner/install/linux-repository/)"
    systemctl cat gitlab-runner.service >/dev/null 2>&1 ||
      fail "there is no gitlab-runner.service: run \`gitlab-runner install\` first"
  fi
}

# The services have a PATH of their own, and ProtectHome hides what nvm installs for one user.
check_services_node() {
  local node
  node=$(PATH=$(sed -n 's/^Environment=PATH=//p' "$source_dir/deploy/systemd/gitlab-runner.service.d-gitlab-spot.conf") command -v node || true)
  # Nothing: there is none, or it is where this user may not look.
  case $(readlink -f "$node" 2>/dev/null) in
    '' | /root/* | /home/*) fail "the services find no node: install Node.js 20.19 or newer for all users (below /root and /home, where nvm puts it, they see none)" ;;
  esac
}

# put FILE DESTINATION MODE: copies what differs.
put() {
  local to=$root$2
  if [ -f "$to" ] && cmp -s "$1" "$to"; then return; fi
  changed=true
  run install -D -m "$3" "$1" "$to"
}

# Each version has a folder of its own; /opt/gitlab-spot names the one that counts from the next hook on. A hook that runs goes on with
# the files that it began with.
install_package() {
  local digest version release next
  shopt -s nullglob
  [ -f "$source_dir/dist/cli/gitlab-spot.js" ] || fail "dist/ is missing: run \`npm run setup\` in $source_dir first"
  digest=$(cd "$source_dir" && find dist stacks deploy docs* package.json package-lock.json Pulumi.yaml -type f \
    ! -path 'dist/sandbox/*' ! -name .built ! -name .env -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
  version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$source_dir/package.json")
  release=$releases/$version-${digest:0:12}
  if [ "$(cat "$root$target/.installed" 2>/dev/null || true)" = "$digest" ]; then
    say "$target is up to date ($(basename "$release"))"
    return
  fi
  changed=true
  next=$root$release.new
  run rm -rf "$next"
  run install -d -m 0755 "$root$releases" "$next"
  run cp -R "$source_dir/dist" "$source_dir/stacks" "$source_dir/deploy" "$source_dir/package.json" \
    "$source_dir/package-lock.json" "$source_dir/Pulumi.yaml" "$next/"
  [ ! -d "$source_dir/docs" ] || run cp -R "$source_dir/docs" "$next/"
  run rm -rf "$next/dist/sandbox" "$next/deploy/.env"
  run env ${NPM_REGISTRY:+"npm_config_registry=$NPM_REGISTRY"} npm --prefix "$next" ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  # Whatever umask the clone was made under: the service's user reads it.
  run chmod -R u=rwX,go=rX "$next"
  run cp -R "$next/stacks" "$next/.shipped"
  keep_edits "$next"
  if $dry_run; then return; fi
  echo "$target" >"$next/.installed-as"
  echo "$digest" >"$next/.installed"
  rm -rf "$root${release:?}"
  mv "$next" "$root$release"
  switch_to "$release"
  remove_old_releases "$release"
}

# keep_edits NEXT: stacks/ is the platform team's. What was edited or added on the host stays; a new one of ours is put beside it.
keep_edits() {
  local stacks=$root$target/stacks name shipped
  [ -d "$stacks" ] || return 0
  while read -r name; do
    shipped=$root$target/.shipped/$name
    if [ ! -d "$root$target/.shipped" ]; then
      # An older install.sh remembered instances.yaml alone.
      [ "$name" = instances.yaml ] || continue
      shipped=$root$target/.instances.shipped
    elif [ ! -f "$shipped" ] && [ "${name%.new}" != "$name" ]; then
      continue # Put there by the update before.
    fi
    if cmp -s "$stacks/$name" "$shipped"; then continue; fi
    say "keeping your $target/stacks/$name"
    if [ -f "$1/stacks/$name" ]; then
      say "the new one is beside it as $name.new"
      run cp "$1/stacks/$name" "$1/stacks/$name.new"
    fi
    run install -d "$(dirname "$1/stacks/$name")"
    run cp -p "$stacks/$name" "$1/stacks/$name"
  done < <(cd "$stacks" && find . -type f -printf '%P\n' | sort)
}

# switch_to RELEASE: one rename, so that there is always a version.
switch_to() {
  if [ -d "$root$target" ] && [ ! -L "$root$target" ]; then
    # An older install.sh had the package itself here.
    rm -rf "$root${releases:?}/before"
    mv "$root$target" "$root$releases/before"
  fi
  # Relative: it fits below --root, too.
  ln -sfn "$(basename "$releases")/$(basename "$1")" "$root$target.new"
  mv -T "$root$target.new" "$root$target"
}

# The three before this one stay, for the hooks that run from them, and to go back to.
remove_old_releases() {
  local folder kept=0
  # shellcheck disable=SC2012 # The names are ours: a version and a checksum.
  ls -dt "$root$releases"/*/ | while read -r folder; do
    [ "${folder%/}" != "$root$1" ] || continue
    kept=$((kept + 1))
    [ "$kept" -le 3 ] || rm -rf "$folder"
  done
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

# The runner of a host may serve other executors, which need its rights.
check_user() {
  [ "$user" != root ] || return 0
  ! grep -qsE '^[[:space:]]*executor[[:space:]]*=' "$root/etc/gitlab-runner/config.toml" ||
    ! grep -E '^[[:space:]]*executor[[:space:]]*=' "$root/etc/gitlab-runner/config.toml" | grep -qv '"custom"' ||
    fail "/etc/gitlab-runner/config.toml has runners of other executors, which would run as $user: pass --user root"
}

make_user() {
  [ "$user" != root ] && [ -z "$root" ] || return 0
  getent passwd "$user" >/dev/null || run useradd --system --user-group --home-dir /var/lib/gitlab-spot --shell /usr/sbin/nologin "$user"
}

make_private_folders() {
  local folder
  for folder in /etc/gitlab-spot /var/lib/gitlab-spot; do
    [ -d "$root$folder" ] || run install -d -m 0700 "$root$folder"
  done
}

# put_unit FILE DESTINATION: as it is, but for the user.
put_unit() {
  local unit
  unit=$(mktemp)
  sed "s/gitlab-spot:gitlab-spot/$user:/; s/^User=gitlab-spot\$/User=$user/" "$1" >"$unit"
  put "$unit" "$2" 0644
  rm -f "$unit"
}

install_units() {
  local units=$source_dir/deploy/systemd drop_in=/etc/systemd/system/gitlab-runner.service.d unit
  for unit in "$units"/*.service "$units"/*.timer; do
    put_unit "$unit" "/etc/systemd/system/$(basename "$unit")"
  done
  put_unit "$units/gitlab-runner.service.d-gitlab-spot.conf" "$drop_in/gitlab-spot.conf"
  if [ "$user" = root ]; then
    [ ! -e "$root$drop_in/gitlab-spot-user.conf" ] || run rm "$root$drop_in/gitlab-spot-user.conf"
  else
    put_unit "$units/gitlab-runner.service.d-gitlab-spot-user.conf" "$drop_in/gitlab-spot-user.conf"
  fi
  [ -z "$root" ] || return 0
  run systemctl daemon-reload
  run systemctl enable --now gitlab-spot-reap.timer
}

check_host
check_user
install_package
link_command
install_pulumi
make_user
make_private_folders
install_units

if $dry_run; then
  say "nothing was changed (--dry-run)"
elif $changed; then
  say "done. A running gitlab-runner goes on; \`systemctl restart gitlab-runner\` lets its jobs end first."
else
  say "done; nothing was to be changed"
fi
[ -e "$root/etc/gitlab-spot/env" ] || say "next: gitlab-spot init, gitlab-spot image build gitlab-spot-java23, gitlab-spot register, systemctl restart gitlab-runner"
