import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { MachineKind } from '../../../../sandbox/instance';
import { describeUnless } from '../../../support/skip';

const missing = !existsSync('/usr/sbin/sshd')
  ? "sshd isn't installed"
  : !/\/bash$/.test(userInfo().shell ?? '')
    ? 'the login shell of this account is not bash'
    : undefined;

/** The same cases against each kind of server; says so where OpenSSH's can't be tried. */
export function describeEachKind(title: string, body: (kind: MachineKind) => void): void {
  describe(`${title} (ssh2)`, () => body('ssh2'));
  describeUnless(missing, `${title} (sshd)`, () => body('sshd'));
}
