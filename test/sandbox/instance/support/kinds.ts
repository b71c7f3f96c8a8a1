import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { MachineKind } from '../../../../sandbox/instance';

const missing = !existsSync('/usr/sbin/sshd')
  ? '/usr/sbin/sshd is not installed'
  : !/\/bash$/.test(userInfo().shell ?? '')
    ? 'the login shell of this account is not bash'
    : undefined;

/** The same cases against each kind of server; says so where OpenSSH's can't be tried. */
export function describeEachKind(title: string, body: (kind: MachineKind) => void): void {
  describe(`${title} (ssh2)`, () => body('ssh2'));
  if (missing === undefined) describe(`${title} (sshd)`, () => body('sshd'));
  else describe.skip(`${title} (sshd; skipped: ${missing})`, () => void test('skipped', () => undefined));
}
