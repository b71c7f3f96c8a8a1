#!/usr/bin/env bash
# Makes a fresh instance into one that builds need. `gitlab-spot image build` runs it as root over SSH and makes an image of the result.
# This script belongs to the platform team: add what your jobs want. It may be run again on the same instance.
# Debian, Ubuntu (apt) and Alibaba Cloud Linux, Anolis, RHEL (dnf). Everything comes from the places named here; each may be a mirror.
set -euo pipefail

JDK_MAJOR=${JDK_MAJOR:-23}
JDK_VERSION=${JDK_VERSION:-23.0.2+7}
GRADLE_VERSION=${GRADLE_VERSION:-8.14.3}
KUBECTL_VERSION=${KUBECTL_VERSION:-1.34.1}
# The runner's own version; `image build` sets it to the version of its host.
GITLAB_RUNNER_VERSION=${GITLAB_RUNNER_VERSION:-19.3.0}

# Mirrors inside Alibaba Cloud's network: no traffic to the internet is paid for, and all is near.
DOCKER_CE=${DOCKER_CE:-https://mirrors.aliyun.com/docker-ce}
ADOPTIUM=${ADOPTIUM:-https://mirrors.tuna.tsinghua.edu.cn/Adoptium}
GRADLE=${GRADLE:-https://mirrors.cloud.tencent.com/gradle}
KUBERNETES=${KUBERNETES:-https://dl.k8s.io/release}
GITLAB_RUNNER=${GITLAB_RUNNER:-https://gitlab-runner-downloads.s3.amazonaws.com}
# Docker Hub's mirror for the jobs' images, such as https://ID.mirror.aliyuncs.com; empty: none.
DOCKER_MIRROR=${DOCKER_MIRROR:-}

case $(uname -m) in
  aarch64) cpu=arm64 jdk_cpu=aarch64 ;;
  *) cpu=amd64 jdk_cpu=x64 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { echo "provision: $*"; }

# It installs and removes as root: somebody's own machine is not meant.
check_machine() {
  if ! grep -qs 'Alibaba Cloud' /sys/class/dmi/id/sys_vendor && [ -z "${PROVISION_ANYWHERE:-}" ]; then
    echo "provision: this is no Alibaba Cloud instance; set PROVISION_ANYWHERE=1 if you mean it all the same" >&2
    exit 1
  fi
}

# fetch URL FILE
fetch() {
  curl --fail --silent --show-error --location --retry 5 --retry-all-errors --connect-timeout 20 --output "$2" "$1"
}

install_packages() {
  step "packages: git, curl, unzip and what builds usually miss"
  if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q install -y --no-install-recommends ca-certificates curl git git-lfs gnupg jq make openssh-client rsync unzip zip
  else
    dnf -q install -y ca-certificates curl git git-lfs jq make openssh-clients rsync unzip zip
  fi
}

install_docker() {
  step "docker"
  if ! command -v docker >/dev/null; then
    if command -v apt-get >/dev/null; then
      # shellcheck source=/dev/null
      . /etc/os-release
      install -d -m 0755 /etc/apt/keyrings
      fetch "$DOCKER_CE/linux/$ID/gpg" /etc/apt/keyrings/docker.asc
      echo "deb [signed-by=/etc/apt/keyrings/docker.asc] $DOCKER_CE/linux/$ID $VERSION_CODENAME stable" >/etc/apt/sources.list.d/docker.list
      apt-get -q update
      apt-get -q install -y --no-install-recommends docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
    else
      fetch "$DOCKER_CE/linux/centos/docker-ce.repo" /etc/yum.repos.d/docker-ce.repo
      sed -i "s#https://download.docker.com#$DOCKER_CE#g; s#\$releasever#8#g" /etc/yum.repos.d/docker-ce.repo
      dnf -q install -y docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
    fi
  fi
  install -d /etc/docker
  local mirrors='[]'
  [ -z "$DOCKER_MIRROR" ] || mirrors="[\"$DOCKER_MIRROR\"]"
  printf '{ "registry-mirrors": %s, "log-driver": "local" }\n' "$mirrors" >/etc/docker/daemon.json
  systemctl enable docker
}

install_jdk() {
  step "JDK $JDK_VERSION"
  local name=OpenJDK${JDK_MAJOR}U-jdk_${jdk_cpu}_linux_hotspot_${JDK_VERSION/+/_}.tar.gz
  fetch "$ADOPTIUM/$JDK_MAJOR/jdk/$jdk_cpu/linux/$name" "$work/jdk.tar.gz"
  rm -rf "/opt/jdk-$JDK_MAJOR"
  mkdir -p "/opt/jdk-$JDK_MAJOR"
  tar -xzf "$work/jdk.tar.gz" -C "/opt/jdk-$JDK_MAJOR" --strip-components 1
  ln -sfn "/opt/jdk-$JDK_MAJOR" /opt/jdk
  ln -sf /opt/jdk/bin/* /usr/local/bin/
}

install_gradle() {
  step "gradle $GRADLE_VERSION"
  fetch "$GRADLE/gradle-$GRADLE_VERSION-bin.zip" "$work/gradle.zip"
  unzip -q -o "$work/gradle.zip" -d /opt
  ln -sfn "/opt/gradle-$GRADLE_VERSION/bin/gradle" /usr/local/bin/gradle
}

install_kubectl() {
  step "kubectl $KUBECTL_VERSION"
  fetch "$KUBERNETES/v$KUBECTL_VERSION/bin/linux/$cpu/kubectl" "$work/kubectl"
  install -m 0755 "$work/kubectl" /usr/local/bin/kubectl
}

# Cache and artifacts go through it. `image build` has usually put its own host's binary there: no download, and the same version.
install_gitlab_runner() {
  step "gitlab-runner $GITLAB_RUNNER_VERSION"
  if [ -x /tmp/gitlab-spot-runner ]; then install -m 0755 /tmp/gitlab-spot-runner /usr/local/bin/gitlab-runner; fi
  rm -f /tmp/gitlab-spot-runner
  if gitlab-runner --version 2>/dev/null | grep -q "Version: *$GITLAB_RUNNER_VERSION\$"; then return; fi
  fetch "$GITLAB_RUNNER/v$GITLAB_RUNNER_VERSION/binaries/gitlab-runner-linux-$cpu" "$work/gitlab-runner"
  install -m 0755 "$work/gitlab-runner" /usr/local/bin/gitlab-runner
}

# For login shells and for jobs' own shells alike.
set_environment() {
  cat >/etc/profile.d/gitlab-spot.sh <<'TEXT'
export JAVA_HOME=/opt/jdk
TEXT
  grep -q '^JAVA_HOME=' /etc/environment 2>/dev/null || echo JAVA_HOME=/opt/jdk >>/etc/environment
}

# What would otherwise run in the first minutes of every job.
quieten() {
  step "no unattended upgrades while a job runs"
  systemctl disable --now apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service 2>/dev/null || true
  systemctl disable --now dnf-makecache.timer 2>/dev/null || true
}

# Each instance made from the image is a new machine: keys, identity and first boot are its own.
seal() {
  step "nothing of this instance stays in the image"
  rm -f /root/.ssh/authorized_keys /etc/ssh/ssh_host_*
  cloud-init clean --logs --seed 2>/dev/null || true
  truncate -s 0 /etc/machine-id
  if command -v apt-get >/dev/null; then apt-get clean; else dnf clean all -q; fi
  sync
}

show() {
  step "what the image has:"
  git --version
  docker --version
  java --version | head -n 1
  gradle --version | grep '^Gradle'
  kubectl version --client | head -n 1
  gitlab-runner --version | head -n 1
}

check_machine
install_packages
install_docker
install_jdk
install_gradle
install_kubectl
install_gitlab_runner
set_environment
quieten
show
seal
