#!/usr/bin/env bash
# Makes a fresh instance into one that builds need. `gitlab-spot image build` runs it as root over SSH and makes an image of the result.
# This script belongs to the platform team: add what your jobs want. It may be run again on the same instance.
# Debian, Ubuntu (apt) and Alibaba Cloud Linux, Anolis, RHEL (dnf). Everything comes from the places named here; each may be a mirror.
set -euo pipefail

# Versions. The newest builds of Temurin that we know are 21.0.8+9, 23.0.2+7 and 25.0.1+8.
JDK_VERSION=${JDK_VERSION:-23.0.2+7}
GRADLE_VERSION=${GRADLE_VERSION:-8.14.3}
KUBECTL_VERSION=${KUBECTL_VERSION:-1.34.1}
# Docker's packages, as `28.5.1`; empty: the newest of the repository.
DOCKER_VERSION=${DOCKER_VERSION:-}
# The runner's own version; `image build` sets it to the version of its host.
GITLAB_RUNNER_VERSION=${GITLAB_RUNNER_VERSION:-19.3.0}

# Mirrors are asked first, then their owner's own place. Empty: none. Those here are near Alibaba Cloud's regions.
DOCKER_CE=${DOCKER_CE-https://mirrors.aliyun.com/docker-ce}
# It keeps the newest build of Java 8, 11, 17, 21 and 25 only; others come from GitHub.
ADOPTIUM=${ADOPTIUM-https://mirrors.tuna.tsinghua.edu.cn/Adoptium}
GRADLE=${GRADLE-https://mirrors.cloud.tencent.com/gradle}
KUBERNETES=${KUBERNETES-}
GITLAB_RUNNER=${GITLAB_RUNNER-}
# Docker Hub's mirror for the jobs' images, such as https://ID.mirror.aliyuncs.com; empty: none.
DOCKER_MIRROR=${DOCKER_MIRROR:-}
# A registry without TLS, such as 10.0.0.5:5050; empty: none.
INSECURE_REGISTRY=${INSECURE_REGISTRY:-}

# SHA-256 of another version's file, from where you trust it. Left out: the one below, else what the file's owner publishes.
JDK_SHA256=${JDK_SHA256:-}
GRADLE_SHA256=${GRADLE_SHA256:-}
KUBECTL_SHA256=${KUBECTL_SHA256:-}
GITLAB_RUNNER_SHA256=${GITLAB_RUNNER_SHA256:-}

JDK_MAJOR=${JDK_VERSION%%[.+]*}
case ${PROVISION_CPU:-$(uname -m)} in
  aarch64 | arm64) cpu=arm64 jdk_cpu=aarch64 ;;
  *) cpu=amd64 jdk_cpu=x64 ;;
esac

# With the seconds since the start.
step() { echo "provision: ${SECONDS} s: $*"; }
fail() {
  echo "provision: $*" >&2
  exit 1
}

# It installs and removes as root: somebody's own machine is not meant.
check_machine() {
  if ! grep -qs 'Alibaba Cloud' /sys/class/dmi/id/sys_vendor && [ -z "${PROVISION_ANYWHERE:-}" ]; then
    fail "this is no Alibaba Cloud instance; set PROVISION_ANYWHERE=1 if you mean it all the same"
  fi
}

# Where a file comes from, one place a line, the first to be asked first; and where its owner publishes its SHA-256.
jdk_file=OpenJDK${JDK_MAJOR}U-jdk_${jdk_cpu}_linux_hotspot_${JDK_VERSION/+/_}.tar.gz
jdk_release=https://github.com/adoptium/temurin${JDK_MAJOR}-binaries/releases/download/jdk-${JDK_VERSION/+/%2B}/$jdk_file
gradle_file=gradle-$GRADLE_VERSION-bin.zip
gradle_release=https://services.gradle.org/distributions/$gradle_file
kubectl_file=v$KUBECTL_VERSION/bin/linux/$cpu/kubectl
kubectl_release=https://dl.k8s.io/release/$kubectl_file
runner_release=https://gitlab-runner-downloads.s3.amazonaws.com/v$GITLAB_RUNNER_VERSION

sources() {
  case $1 in
    jdk)
      case $JDK_MAJOR in 8 | 11 | 17 | 21 | 25) mirrored "$ADOPTIUM" "$JDK_MAJOR/jdk/$jdk_cpu/linux/$jdk_file" ;; esac
      echo "$jdk_release"
      echo "https://api.adoptium.net/v3/binary/version/jdk-${JDK_VERSION/+/%2B}/linux/$jdk_cpu/jdk/hotspot/normal/eclipse"
      ;;
    gradle) mirrored "$GRADLE" "$gradle_file" && echo "$gradle_release" ;;
    kubectl)
      mirrored "$KUBERNETES" "$kubectl_file"
      echo "$kubectl_release"
      echo "https://cdn.dl.k8s.io/release/$kubectl_file"
      ;;
    gitlab-runner)
      mirrored "$GITLAB_RUNNER" "v$GITLAB_RUNNER_VERSION/binaries/gitlab-runner-linux-$cpu"
      echo "$runner_release/binaries/gitlab-runner-linux-$cpu"
      echo "https://s3.dualstack.us-east-1.amazonaws.com/gitlab-runner-downloads/v$GITLAB_RUNNER_VERSION/binaries/gitlab-runner-linux-$cpu"
      ;;
  esac
}
mirrored() { [ -z "$1" ] || echo "$1/$2"; }

# published NAME: the page with the file's SHA-256, and the file's name on it.
published() {
  case $1 in
    jdk) echo "$jdk_release.sha256.txt $jdk_file" ;;
    gradle) echo "$gradle_release.sha256" ;;
    kubectl) echo "$kubectl_release.sha256" ;;
    gitlab-runner) echo "$runner_release/release.sha256 binaries/gitlab-runner-linux-$cpu" ;;
  esac
}

# As their owners publish them.
known() {
  case $1-$cpu in
    jdk-*)
      case $JDK_VERSION-$cpu in
        21.0.8+9-amd64) echo f2dc5418092c43003db8f9005c4a286e1c0104fea96ccdd49e8ebd037cac9219 ;;
        21.0.8+9-arm64) echo e5c41a1ab0865ea5de9b4529bf8526005f1d4593090845387d14fe450ce39c33 ;;
        23.0.2+7-amd64) echo 870ac8c05c6fe563e7a3878a47d0234b83c050e83651d2c47e8b822ec74512dd ;;
        23.0.2+7-arm64) echo fb43ae1202402842559cb6223886ec1663b90ffbec48479abbcb92c92c9012eb ;;
        25.0.1+8-amd64) echo 8daf77d1aacffe38c9889689bc224a13557de77559d9a5bb91991e6a298baa0d ;;
        25.0.1+8-arm64) echo 5c83b7d2121ed482fd06831a1eba1633dbab818aba6addddf48e075b97e6e9b8 ;;
      esac
      ;;
    gradle-*) [ "$GRADLE_VERSION" != 8.14.3 ] || echo bd71102213493060956ec229d946beee57158dbd89d0e62b91bca0fa2c5f3531 ;;
    kubectl-amd64) [ "$KUBECTL_VERSION" != 1.34.1 ] || echo 7721f265e18709862655affba5343e85e1980639395d5754473dafaadcaa69e3 ;;
    kubectl-arm64) [ "$KUBECTL_VERSION" != 1.34.1 ] || echo 420e6110e3ba7ee5a3927b5af868d18df17aae36b720529ffa4e9e945aa95450 ;;
  esac
}

given() {
  case $1 in
    jdk) echo "$JDK_SHA256" ;;
    gradle) echo "$GRADLE_SHA256" ;;
    kubectl) echo "$KUBECTL_SHA256" ;;
    gitlab-runner) echo "$GITLAB_RUNNER_SHA256" ;;
  esac
}

# get URL FILE [SECONDS]: five tries, bounded in time.
get() {
  curl --fail --silent --show-error --location --retry 4 --retry-all-errors --retry-max-time 300 --connect-timeout 20 \
    --max-time "${3:-900}" --speed-limit 1000 --speed-time 60 --output "$2" "$1"
}

# checksum NAME: what the file must have.
checksum() {
  local page file sum
  sum=$(given "$1")
  [ -n "$sum" ] || sum=$(known "$1")
  if [ -z "$sum" ]; then
    read -r page file <<<"$(published "$1")"
    get "$page" "$work/$1.sha256" 60 || return 1
    # Some pages hold the bare checksum, others a line for each file of the release.
    sum=$(awk -v file="${file:-}" 'NF == 1 || substr($NF, length($NF) - length(file) + 1) == file { print $1; exit }' \
      "$work/$1.sha256" | grep -xiE '[0-9a-f]{64}')
  fi
  [ -n "$sum" ] && echo "$sum"
}

# fetch NAME FILE: from the first place that serves the right file.
fetch() {
  local sum url variable
  variable=$(tr 'a-z-' 'A-Z_' <<<"$1")_SHA256
  sum=$(checksum "$1") ||
    fail "$1: its SHA-256 is not known for this version, and $(published "$1") does not tell it: set $variable"
  while read -r url; do
    if ! get "$url" "$2"; then
      step "$url does not serve it; trying the next place"
    elif sha256sum --check --status - <<<"$sum  $2"; then
      return
    else
      step "$url has another SHA-256 than $sum: not used; trying the next place"
    fi
  done < <(sources "$1")
  rm -f "$2"
  fail "$1: no place serves the file with SHA-256 $sum. A mirror of yours that has it can be named (see the top of this script)"
}

# For deploy/image/check-downloads.sh: what this script would fetch, as it is set now.
list_downloads() {
  local name
  for name in jdk gradle kubectl gitlab-runner; do
    sources "$name" | sed "s#^#$name $(given "$name" | grep . || known "$name" | grep . || echo published) #"
    echo "$name checksum $(published "$name" | cut -d' ' -f1)"
  done
}

install_packages() {
  step "packages: git, curl, unzip and what builds usually miss"
  if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q install -y --no-install-recommends ca-certificates curl git git-lfs gnupg jq make openssh-client rsync unzip zip
  else
    dnf -q install -y ca-certificates curl git git-lfs gnupg2 jq make openssh-clients rsync unzip zip
  fi
}

# Packages are checked by their signature, and the key by its fingerprint (docs.docker.com/engine/install).
# fetch_docker_key PATH FINGERPRINT FILE: sets docker_ce to the first place that has it.
fetch_docker_key() {
  for docker_ce in ${DOCKER_CE:+"$DOCKER_CE"} https://download.docker.com; do
    if ! get "$docker_ce/$1" "$work/docker.asc" 60; then
      step "$docker_ce/$1 is not served; trying the next place"
    elif gpg --batch --quiet --show-keys --with-colons "$work/docker.asc" | grep -q "^fpr:.*:$2:"; then
      install -D -m 0644 "$work/docker.asc" "$3"
      return
    else
      step "$docker_ce/$1 is another key than Docker's ($2): not used; trying the next place"
    fi
  done
  fail "no place has Docker's key: set DOCKER_CE to a mirror that does"
}

install_docker() {
  step "docker"
  if ! command -v docker >/dev/null; then
    if command -v apt-get >/dev/null; then
      # shellcheck source=/dev/null
      . /etc/os-release
      install -d -m 0755 /etc/apt/keyrings
      fetch_docker_key "linux/$ID/gpg" 9DC858229FC7DD38854AE2D88D81803C0EBFCD88 /etc/apt/keyrings/docker.asc
      echo "deb [signed-by=/etc/apt/keyrings/docker.asc] $docker_ce/linux/$ID $VERSION_CODENAME stable" >/etc/apt/sources.list.d/docker.list
      apt-get -q update
      # A Debian version reads 5:28.5.1-1~debian.12~bookworm.
      local version=${DOCKER_VERSION:+"=5:$DOCKER_VERSION-1~*"}
      apt-get -q install -y --no-install-recommends "docker-ce$version" "docker-ce-cli$version" containerd.io \
        docker-buildx-plugin docker-compose-plugin
    else
      fetch_docker_key linux/centos/gpg 060A61C51B558A7F742B77AAC52FEB6B621E9F35 /etc/pki/rpm-gpg/docker.asc
      cat >/etc/yum.repos.d/docker-ce.repo <<TEXT
[docker-ce-stable]
name=Docker CE
baseurl=$docker_ce/linux/centos/${DOCKER_EL:-8}/\$basearch/stable
enabled=1
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/docker.asc
TEXT
      dnf -q install -y "docker-ce${DOCKER_VERSION:+-$DOCKER_VERSION}" "docker-ce-cli${DOCKER_VERSION:+-$DOCKER_VERSION}" \
        containerd.io docker-buildx-plugin docker-compose-plugin
    fi
  fi
  install -d /etc/docker
  local mirrors='' insecure=''
  [ -z "$DOCKER_MIRROR" ] || mirrors="\"$DOCKER_MIRROR\""
  [ -z "$INSECURE_REGISTRY" ] || insecure="\"$INSECURE_REGISTRY\""
  printf '{ "registry-mirrors": [%s], "insecure-registries": [%s], "log-driver": "local" }\n' "$mirrors" "$insecure" \
    >/etc/docker/daemon.json
  systemctl enable docker
}

install_jdk() {
  step "JDK $JDK_VERSION"
  fetch jdk "$work/jdk.tar.gz"
  rm -rf "/opt/jdk-$JDK_MAJOR"
  mkdir -p "/opt/jdk-$JDK_MAJOR"
  tar -xzf "$work/jdk.tar.gz" -C "/opt/jdk-$JDK_MAJOR" --strip-components 1
  ln -sfn "/opt/jdk-$JDK_MAJOR" /opt/jdk
  ln -sf /opt/jdk/bin/* /usr/local/bin/
}

install_gradle() {
  step "gradle $GRADLE_VERSION"
  fetch gradle "$work/gradle.zip"
  unzip -q -o "$work/gradle.zip" -d /opt
  ln -sfn "/opt/gradle-$GRADLE_VERSION/bin/gradle" /usr/local/bin/gradle
}

install_kubectl() {
  step "kubectl $KUBECTL_VERSION"
  fetch kubectl "$work/kubectl"
  install -m 0755 "$work/kubectl" /usr/local/bin/kubectl
}

# Cache and artifacts go through it. `image build` has usually put its own host's binary there: no download, and the same version.
install_gitlab_runner() {
  step "gitlab-runner $GITLAB_RUNNER_VERSION"
  if [ -x /tmp/gitlab-spot-runner ]; then install -m 0755 /tmp/gitlab-spot-runner /usr/local/bin/gitlab-runner; fi
  rm -f /tmp/gitlab-spot-runner
  if gitlab-runner --version 2>/dev/null | grep -q "Version: *$GITLAB_RUNNER_VERSION\$"; then return; fi
  fetch gitlab-runner "$work/gitlab-runner"
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
  rm -rf /root/.ssh/authorized_keys /etc/ssh/ssh_host_* /etc/ssh/gitlab-spot_keys
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

case ${1:-install} in
  downloads)
    list_downloads
    exit
    ;;
  docker-key) # docker-key PATH FINGERPRINT FILE: prints the place whose key is Docker's.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    fetch_docker_key "$2" "$3" "$4"
    echo "$docker_ce"
    exit
    ;;
  fetch) # fetch NAME FILE: one file alone, for a try of a version or a mirror.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    fetch "$2" "$3"
    exit
    ;;
esac

check_machine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
