/** What the instance is told at its first boot. */
export interface UserDataFacts {
  /** OpenSSH private key of the instance's host key. */
  readonly hostPrivateKey: string;
  readonly hostPublicKey: string;
  /**
   * The user with whom jobs are run, and the public key that lets us in. It also stands here:
   * cloud-init of some images fetches no keys.
   */
  readonly sshUser: string;
  readonly publicKey: string;
}

/**
 * cloud-config that gives the instance the host key that we made, so that it can be pinned from the
 * first connection on. The image's own host keys go, and no others are made.
 * https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh
 */
export function userData({ hostPrivateKey, hostPublicKey, sshUser, publicKey }: UserDataFacts): string {
  return [
    '#cloud-config',
    'ssh_deletekeys: true',
    'ssh_genkeytypes: [ed25519]',
    'ssh_keys:',
    '  ed25519_private: |',
    ...indented(hostPrivateKey.trimEnd()),
    `  ed25519_public: ${JSON.stringify(hostPublicKey.trim())}`,
    'ssh_authorized_keys:',
    `  - ${JSON.stringify(publicKey.trim())}`,
    'disable_root: false',
    'ssh_pwauth: false',
    // Before sshd: https://cloudinit.readthedocs.io/en/latest/reference/modules.html#bootcmd
    'bootcmd:',
    '  - |',
    ...indented(secondKeysFile(sshUser, publicKey)),
    '',
  ].join('\n');
}

/**
 * A second file of authorized keys, which is root's and outside the home: a job that removes ~/.ssh
 * must not lock us out. The line stands first in sshd_config, where the first value of a keyword
 * counts, so that it works without `Include` as well, and beside what the image says. An image
 * whose sshd does not take the new file keeps its own. Shell text for POSIX sh, idempotent.
 *
 * @param etc the folder of sshd's files
 */
export function secondKeysFile(sshUser: string, publicKey: string, etc = '/etc/ssh'): string {
  return `
etc=${etc}
user='${sshUser.replace(/[^\w.-]/g, '')}'
key='${publicKey.trim().replace(/[^\w@%+=:,./ -]/g, '')}'
umask 022
mkdir -p "$etc/gitlab-spot_keys" && printf '%s\n' "$key" >"$etc/gitlab-spot_keys/$user"
if [ -f "$etc/sshd_config" ] && ! grep -q gitlab-spot_keys "$etc/sshd_config"; then
  files=$(cat "$etc"/sshd_config.d/*.conf "$etc/sshd_config" 2>/dev/null |
    sed -n 's/^[[:space:]]*[Aa]uthorized[Kk]eys[Ff]ile[[:space:]=]*//p' | head -n 1)
  [ -n "$files" ] && [ "$files" != none ] || files=.ssh/authorized_keys
  new=$etc/sshd_config.gitlab-spot
  { echo "AuthorizedKeysFile $files $etc/gitlab-spot_keys/%u" && cat "$etc/sshd_config"; } >"$new"
  chmod 600 "$new"
  # The host keys may not be there yet, nor the folder that Debian's sshd asks for: its unit makes it.
  [ -d /run/sshd ] || mkdir -m 755 /run/sshd 2>/dev/null
  rm -f "$new.key" "$new.key.pub"
  ssh-keygen -q -t ed25519 -N '' -f "$new.key"
  if PATH=$PATH:/usr/sbin:/sbin sshd -t -f "$new" -h "$new.key"; then
    mv "$new" "$etc/sshd_config"
    # Where it runs already.
    if [ "$etc" = /etc/ssh ] && [ -s /run/sshd.pid ]; then kill -HUP "$(cat /run/sshd.pid)"; fi
  fi
  rm -f "$new" "$new.key" "$new.key.pub"
fi`.trim();
}

function indented(text: string): string[] {
  return text.split('\n').map((line) => `    ${line}`);
}
