import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { secondKeysFile, userData } from '../../../src/prepare/user-data';
import { generateHostKeyPair, generateLoginKeyPair } from '../../../src/ssh';
import { withoutMounts } from '../../support/mounts';
import { describeUnless, testUnless } from '../../support/skip';
import { GNU } from '../../support/ssh/machines';
import { startServer, withoutServer } from '../../support/ssh/servers';
import { runStage } from '../../support/ssh/stages';

describe('user data', () => {
  it('hands over the host key and our key, and before sshd starts a second file with it', async () => {
    const host = generateHostKeyPair('host');
    const ours = await generateLoginKeyPair('job-1');
    const facts = {
      hostPrivateKey: host.privateKey,
      hostPublicKey: host.publicKey,
      sshUser: 'ecs',
      publicKey: ours.publicKey,
    };
    const config = parse(userData(facts)) as {
      ssh_keys: Record<string, string>;
      ssh_authorized_keys: string[];
      bootcmd: string[];
    };
    expect(config.ssh_keys.ed25519_private).toBe(host.privateKey);
    expect(config.ssh_authorized_keys).toEqual([ours.publicKey]);
    expect(config.bootcmd[0]).toContain(`key='${ours.publicKey}'`);
  });
});

describeUnless(withoutServer('sshd'), 'a job that removes every authorized key of its user', () => {
  it('does not lock us out: the second file is root’s, and outside the home', async () => {
    const server = await startServer('sshd', GNU, {
      beforeSshd: ({ folder, user, publicKey }) => {
        execFileSync('sh', ['-c', secondKeysFile(user, publicKey, folder)]);
        // Twice: it runs at each boot.
        execFileSync('sh', ['-c', secondKeysFile(user, publicKey, folder)]);
      },
    });
    const config = readFileSync(path.join(server.home, '..', 'sshd_config'), 'utf8');
    expect(config.match(/gitlab-spot_keys/g)).toHaveLength(1);
    await runStage(server.target, `rm ${path.join(server.home, '..', 'authorized_keys')}`);
    const { outcome, log } = await runStage(server.target, 'echo uploaded');
    expect(log.text).toBe('uploaded\n');
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0 });
    await server.stop();
  });
});

describeUnless(withoutServer('sshd'), 'an sshd_config', () => {
  let etc: string;
  beforeEach(() => (etc = mkdtempSync(path.join(tmpdir(), 'gitlab-spot-etc-'))));
  afterEach(() => rmSync(etc, { recursive: true, force: true }));
  let publicKey: string;
  beforeAll(async () => ({ publicKey } = await generateLoginKeyPair('job-1')));

  it.each([
    ['that names a file of its own keeps it', 'AuthorizedKeysFile /keys/%u\n', '/keys/%u'],
    ['that names none gets sshd’s default', 'Port 22\n', '.ssh/authorized_keys'],
    ['that turns files off gets ours beside the default', 'AuthorizedKeysFile none\n', '.ssh/authorized_keys'],
  ])('%s', (_what, config, kept) => {
    writeFileSync(path.join(etc, 'sshd_config'), config);
    execFileSync('sh', ['-c', secondKeysFile('root', publicKey, etc)]);
    const first = `AuthorizedKeysFile ${kept} ${etc}/gitlab-spot_keys/%u\n`;
    expect(readFileSync(path.join(etc, 'sshd_config'), 'utf8')).toBe(first + config);
    expect(readFileSync(path.join(etc, 'gitlab-spot_keys', 'root'), 'utf8')).toBe(`${publicKey}\n`);
  });

  const withoutRun =
    withoutMounts() ?? (spawnSync('unshare', ['-m', 'true']).status === 0 ? undefined : "unshare isn't installed");
  testUnless(withoutRun, 'is tried before sshd’s unit has made /run/sshd', () => {
    writeFileSync(path.join(etc, 'sshd_config'), 'Port 22\n');
    const atFirstBoot = `mount -t tmpfs tmpfs /run; ${secondKeysFile('root', publicKey, etc)}`;
    execFileSync('unshare', ['-m', 'sh', '-c', atFirstBoot]);
    expect(readFileSync(path.join(etc, 'sshd_config'), 'utf8')).toMatch(/^AuthorizedKeysFile .*gitlab-spot_keys/);
  });

  it('that sshd does not take stays as it is', () => {
    const broken = 'NoSuchKeyword yes\n';
    writeFileSync(path.join(etc, 'sshd_config'), broken);
    execFileSync('sh', ['-c', secondKeysFile('root', publicKey, etc)], { stdio: 'ignore' });
    expect(readFileSync(path.join(etc, 'sshd_config'), 'utf8')).toBe(broken);
    expect(existsSync(path.join(etc, 'sshd_config.gitlab-spot'))).toBe(false);
  });
});
