import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endOrphanedPlugins } from '../../../src/engine/orphans';
import { processStat } from '../../../src/host/process-owner';

/**
 * Real processes under the names of the real ones: a `pulumi` that starts a provider, and prints
 * its pid.
 */
let directory: string;
let backendUrl: string;
const started: number[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'orphans-'));
  backendUrl = `file://${directory}/backend`;
  copyFileSync('/bin/sleep', path.join(directory, 'pulumi-resource-alicloud'));
  writeFileSync(
    path.join(directory, 'pulumi'),
    `const { spawn } = require('node:child_process');
     const [program, detached] = process.argv.slice(2);
     const child = spawn(program, ['600'], { stdio: 'ignore', detached: detached === 'own-session' });
     child.once('spawn', () => process.stdout.write(String(child.pid)));
     setInterval(() => undefined, 1000);`,
  );
});
afterEach(() => {
  for (const pid of started.splice(0)) if (processStat(pid)) process.kill(pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function cliWithProvider(session: 'same-session' | 'own-session'): Promise<[ChildProcess, number]> {
  const provider = path.join(directory, 'pulumi-resource-alicloud');
  const cli = spawn(process.execPath, [path.join(directory, 'pulumi'), provider, session], {
    env: { PULUMI_BACKEND_URL: backendUrl },
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [text] = (await once(cli.stdout, 'data')) as [Buffer];
  started.push(cli.pid!, Number(text));
  return [cli, Number(text)];
}

async function killed(cli: ChildProcess): Promise<void> {
  const exit = once(cli, 'exit');
  cli.kill('SIGKILL');
  await exit;
}

describe('endOrphanedPlugins', () => {
  test.each(['same-session', 'own-session'] as const)(
    'ends a provider whose CLI was killed (%s), and leaves one whose CLI is at work',
    async (session) => {
      const [cli] = await cliWithProvider(session);
      const [, busy] = await cliWithProvider(session);
      await killed(cli);
      expect(endOrphanedPlugins(backendUrl)).toBe(1);
      expect(processStat(busy)?.ended).toBe(false);
    },
  );

  test('leaves a provider of another backend', async () => {
    const [cli] = await cliWithProvider('same-session');
    await killed(cli);
    expect(endOrphanedPlugins(`${backendUrl}-of-another`)).toBe(0);
    expect(endOrphanedPlugins(backendUrl)).toBe(1);
  });
});
