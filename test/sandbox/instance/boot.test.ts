import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateKeyPair } from '../../../sandbox/instance/keys';
import { userData } from '../../../src/prepare/user-data';
import { login, run, testMachine, type TestMachine } from './support/machines';
import { describeEachKind } from './support/kinds';

/** Logs in only where the host key is the given public one. */
async function hasHostKey(instance: TestMachine, publicKey: string): Promise<boolean> {
  const expected = publicKey.split(' ')[1];
  const hostVerifier = (key: Buffer): boolean => key.toString('base64') === expected;
  try {
    (await login(instance.spec, { privateKey: instance.privateKey, hostVerifier })).destroy();
    return true;
  } catch {
    return false;
  }
}

const indented = (text: string): string => text.trim().replaceAll(/^/gm, '    ');

describeEachKind('the first boot of an instance', (kind) => {
  let instance: TestMachine | undefined;
  afterEach(() => instance?.dispose());

  test('takes the host key and the authorized keys of cloud-config', async () => {
    const hostKey = generateKeyPair();
    const second = generateKeyPair();
    const cloudConfig = [
      '#cloud-config',
      `ssh_authorized_keys: ['${second.public} second']`,
      'ssh_keys:',
      '  ed25519_private: |',
      indented(hostKey.private),
      `  ed25519_public: ${hostKey.public}`,
    ].join('\n');
    instance = await testMachine(kind, { userData: cloudConfig });
    expect(await hasHostKey(instance, hostKey.public)).toBe(true);
    expect(await run(await instance.connect({ privateKey: second.private }), 'echo in')).toMatchObject({
      stdout: 'in\n',
    });
  });

  test('asks for keys where a boot command has had its sshd_config say so', async () => {
    const hostKey = generateKeyPair();
    const own = generateKeyPair();
    instance = await testMachine(kind, {
      userData: userData({
        hostPrivateKey: hostKey.private,
        hostPublicKey: hostKey.public,
        sshUser: userInfo().username,
        publicKey: own.public,
      }),
    });
    const client = await instance.connect({ privateKey: own.private });
    await run(client, 'rm -rf ~/.ssh');
    expect(await run(await instance.connect({ privateKey: own.private }), 'echo in')).toMatchObject({ stdout: 'in\n' });
    // The image's own key was in the file that is gone.
    await expect(instance.connect()).rejects.toThrow(/authentication/i);
  });

  test('makes a host key of its own without, and keeps it in a second life', async () => {
    instance = await testMachine(kind);
    const publicKey = await readFile(
      path.join(instance.spec.directory, 'root/etc/ssh/ssh_host_ed25519_key.pub'),
      'utf8',
    );
    expect(await hasHostKey(instance, publicKey)).toBe(true);
    await instance.machine.kill();
    instance = await testMachine(kind, instance.spec);
    expect(await hasHostKey(instance, publicKey)).toBe(true);
  });

  test('writes files and runs commands in the instance’s own folder, not in the host’s', async () => {
    const cloudConfig = [
      '#cloud-config',
      'write_files:',
      '  - path: /etc/profile.d/tool.sh',
      '    content: export TOOL=yes',
      'runcmd:',
      '  - [sh, -c, "echo one >> /var/lib/order"]',
      '  - echo two >> /var/lib/order; mkdir -p /opt/tool && touch /opt/tool/bin; systemctl enable something',
    ].join('\n');
    instance = await testMachine(kind, { userData: cloudConfig });
    const client = await instance.connect();
    const finished =
      'until [ -e $SANDBOX_ROOT/var/lib/cloud/instance/boot-finished ]; do sleep 0.02; done; cat $SANDBOX_ROOT/var/lib/order; ls $SANDBOX_ROOT/opt/tool';
    expect(await run(client, finished)).toMatchObject({ code: 0, stdout: 'one\ntwo\nbin\n' });
    expect(await run(client, 'bash -lc "echo \\$TOOL"')).toMatchObject({ stdout: 'yes\n' });
  });

  test('a script that writes a host key and restarts the SSH server changes the host key', async () => {
    const hostKey = generateKeyPair();
    const cloudConfig = `#!/bin/bash\ncat > /etc/ssh/ssh_host_ed25519_key <<'END'\n${hostKey.private}END\nsystemctl restart sshd\n`;
    instance = await testMachine(kind, { userData: cloudConfig });
    while (!(await hasHostKey(instance, hostKey.public))) await delay(20);
  });

  test('comes up with user data that nobody can read, and says so in its journal', async () => {
    instance = await testMachine(kind, { userData: '#cloud-config\nssh_keys: [' });
    await instance.connect();
    expect(await readFile(path.join(instance.spec.directory, 'machine.log'), 'utf8')).toContain(
      'cloud-config is not YAML',
    );
  });
});
