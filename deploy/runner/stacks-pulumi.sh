#!/bin/sh
# stacks-pulumi ARGUMENTS: pulumi with this host's backend, passphrase and project, such as `stacks-pulumi stack ls`.
set -eu
state=${GITLAB_SPOT_STATE_DIR:-/var/lib/gitlab-spot}
env_file=${GITLAB_SPOT_ENV_FILE:-/etc/gitlab-spot/env}
set -a
# shellcheck source=/dev/null
[ ! -e "$env_file" ] || . "$env_file"
set +a
# In a URL these three are no part of a path.
folder=$(printf '%s\n' "$state/pulumi" | sed 's/%/%25/g; s/#/%23/g; s/?/%3F/g')
: "${PULUMI_BACKEND_URL:=file://$folder}"
[ -n "${PULUMI_CONFIG_PASSPHRASE:-}" ] || : "${PULUMI_CONFIG_PASSPHRASE_FILE:=$state/passphrase}"
export PULUMI_BACKEND_URL ${PULUMI_CONFIG_PASSPHRASE_FILE+PULUMI_CONFIG_PASSPHRASE_FILE}
# The project of the stacks is Pulumi.yaml of the package.
cd "${GITLAB_SPOT_PACKAGE:-/opt/gitlab-spot}"
exec pulumi "$@"
