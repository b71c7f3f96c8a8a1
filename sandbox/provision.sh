#!/bin/sh
# Stands in for deploy/image/provision.sh: an instance of the sandbox shares this machine, so nothing may be installed on it.
set -eu
echo "provision: a real instance would get docker, JDK 23, gradle, kubectl and git now"
git --version
