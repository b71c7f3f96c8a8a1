import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { userData } from '../../../src/prepare/user-data';
import { waitForSsh } from '../../../src/ssh';
import { generateHostKeyPair, generateLoginKeyPair, type SshKeyPair } from '../../../src/ssh/keys';
import { debian, firstBoot, withoutFirstBoot, type FirstBoot } from '../../support/boot/first-boot';
import { describeUnless } from '../../support/skip';
import { runStage } from '../../support/ssh/stages';

/**
 * What our user data does on an instance's first boot, with the real cloud-init: 22.4 (Debian 12),
 * which asks the metadata service without a token, and 25 (Debian 13), which can do both.
 */
jest.setTimeout(900_000);

const hostKey = generateHostKeyPair('first-boot');
let loginKey: SshKeyPair;
let folder: string;
let boot: FirstBoot | undefined;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'debian-'));
  loginKey = await generateLoginKeyPair('first-boot');
});
afterEach(() => boot?.end());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * @param fetchesKeys false: an image whose cloud-init takes no keys of the metadata service gets
 * another one there
 */
async function start(image: string, { hardened, fetchesKeys = true }: { hardened: boolean; fetchesKeys?: boolean }) {
  boot = await firstBoot(image, {
    hardened,
    publicKey: fetchesKeys ? loginKey.publicKey : (await generateLoginKeyPair('other')).publicKey,
    userData: userData({
      hostPrivateKey: hostKey.privateKey,
      hostPublicKey: hostKey.publicKey,
      sshUser: 'root',
      publicKey: loginKey.publicKey,
    }),
  });
  const { privateKey } = loginKey;
  const target = { address: '127.0.0.1', port: boot.port, user: 'root', privateKey, hostPublicKey: hostKey.publicKey };
  const lines: string[] = [];
  const wait = (limitMs: number) =>
    waitForSsh(target, { limitMs, log: (line) => lines.push(line), signal: new AbortController().signal });
  return { target, wait };
}

describeUnless(withoutFirstBoot(), 'the first boot of', () => {
  describe.each([
    ['bookworm', '22.4', { hardened: false }],
    ['trixie', '25.', { hardened: true }],
  ] as const)('Debian %s with cloud-init %s', (release, version, boots) => {
    let image: string;
    beforeAll(async () => (image = await debian(release, folder)));
    afterAll(() => rmSync(image, { recursive: true, force: true }));

    test.each(boots.hardened ? (['optional', 'hardened'] as const) : (['optional'] as const))(
      'with %s metadata: our host key, root’s key, sshd up, and a stage runs',
      async (mode) => {
        const { target, wait } = await start(image, { hardened: mode === 'hardened' });
        const connection = await wait(120_000);
        const { stdout } = await connection.exec(
          'cloud-init --version 2>&1; ls /etc/ssh/ssh_host_*_key; cat /etc/ssh/gitlab-spot_keys/root',
        );
        expect(stdout).toContain(version);
        expect(stdout).toContain('/etc/ssh/ssh_host_ed25519_key\n');
        // The image's own went: whoever has its snapshot could pretend to be the instance.
        expect(stdout).not.toMatch(/ssh_host_(rsa|ecdsa)_key/);
        expect(stdout).toContain(loginKey.publicKey.trim());
        connection.close();
        const { outcome, log } = await runStage(target, 'echo "as $(id -un)"; exit 7');
        expect({ outcome, log: log.text }).toEqual({ outcome: { kind: 'exited', exitCode: 7 }, log: 'as root\n' });
        // A job may remove its own authorized_keys: the second file lets us in again.
        await runStage(target, 'rm -rf ~/.ssh');
        (await wait(20_000)).close();
      },
    );

    if (!boots.hardened)
      test('with hardened metadata: neither user data nor keys, as ImdsSupport v1 says, so nobody gets in', async () => {
        const { wait } = await start(image, { hardened: true });
        await expect(wait(25_000)).rejects.toThrow(/host key|did not answer within 25 s/i);
        expect(boot!.log()).toMatch(/403|No instance datasource found/i);
      });

    test('lets us in by the key in our user data where the cloud hands out another', async () => {
      const { wait } = await start(image, { hardened: false, fetchesKeys: false });
      (await wait(120_000)).close();
    });
  });
});
