/** What the instance is told at its first boot. */
export interface UserDataFacts {
  /** OpenSSH private key of the instance's host key. */
  readonly hostPrivateKey: string;
  readonly hostPublicKey: string;
}

/**
 * cloud-config that gives the instance the host key that we made, so that it can be pinned from the first connection on. The image's own
 * host keys go, and no others are made. https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh
 */
export function userData({ hostPrivateKey, hostPublicKey }: UserDataFacts): string {
  return [
    '#cloud-config',
    'ssh_deletekeys: true',
    'ssh_genkeytypes: [ed25519]',
    'ssh_keys:',
    '  ed25519_private: |',
    ...hostPrivateKey
      .trimEnd()
      .split('\n')
      .map((line) => `    ${line}`),
    `  ed25519_public: ${JSON.stringify(hostPublicKey.trim())}`,
    'disable_root: false',
    'ssh_pwauth: false',
    '',
  ].join('\n');
}
