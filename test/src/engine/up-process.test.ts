import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PlacementRefused, startUp, type JobStackArgs, type UpApart } from '../../../src/engine';
import type { UpOptions } from '../../../src/engine/types';
import type { Settings } from '../../../src/settings/types';

let stateDir: string;
let apart: UpApart | undefined;
beforeEach(() => (stateDir = mkdtempSync(path.join(tmpdir(), 'up-process-'))));
afterEach(async () => {
  await apart?.end();
  rmSync(stateDir, { recursive: true, force: true });
});

const args = { stackName: 'job-x-1-1' } as JobStackArgs;

/** The process at the other end answers as this code says. */
function started(answers: string, childEnvironment: Readonly<Record<string, string>> = {}): UpApart {
  const program = path.join(stateDir, 'up.js');
  const error = {
    name: 'PlacementRefused',
    message: '',
    refusal: { code: 'NoStock', action: 'RunInstances', detail: '' },
  };
  writeFileSync(
    program,
    `let ups = 0;
     const tell = (kind, more) => process.send({ kind, ...more });
     const refuse = () => tell('failed', { error: ${JSON.stringify({ ...error, details: '' })} });
     process.on('message', ({ kind }) => { if (kind === 'up') ups += 1; ${answers} });
     process.on('disconnect', () => process.exit());`,
  );
  const settings = { stateDir, pulumi: { backendUrl: 's3://bucket' }, childEnvironment, cloud: { region: '' } };
  return (apart = startUp(settings as unknown as Settings, { program, variables: {} }, args.stackName));
}

const options = (change: Partial<UpOptions> = {}): UpOptions => ({
  create: false,
  signal: new AbortController().signal,
  log: () => undefined,
  ...change,
});

test('the refusal of one pool is no failure of the next, which may be left', async () => {
  const up = started(`
    if (kind === 'up' && ups === 1) refuse();
    if (kind === 'up' && ups === 2) tell('mayLeave');
    if (kind === 'leave') tell('left');`);
  await expect(up.up(args, options())).rejects.toBeInstanceOf(PlacementRefused);
  await new Promise<void>((onMayLeave) => void up.up(args, options({ onMayLeave })));
  await expect(up.leave()).resolves.toBeUndefined();
});

test('what fails in the moment in which it is left fails the prepare', async () => {
  const up = started(`
    if (kind === 'up') tell('mayLeave');
    if (kind === 'leave') { refuse(); tell('left'); }`);
  await new Promise<void>((onMayLeave) => void up.up(args, options({ onMayLeave })).catch(() => undefined));
  await expect(up.leave()).rejects.toBeInstanceOf(PlacementRefused);
});

describe('begun before it is known what is to be made', () => {
  test('it is told so, and then what; its lines are heard meanwhile', async () => {
    const up = started(`
      if (kind === 'begin') tell('log', { line: 'its types are checked first' });
      if (kind === 'up') tell('done', { result: { instanceId: 'i-1', privateIp: '', publicIp: '' } });`);
    const heard = new Promise<string>((log) => up.begin(options({ log })));
    expect(await heard).toBe('its types are checked first');
    await expect(up.up(args, options())).resolves.toMatchObject({ instanceId: 'i-1' });
  });

  test.each<[string, string]>([
    ['fails before that', `if (kind === 'begin') refuse();`],
    ['fails when it is told', `if (kind === 'up') refuse();`],
  ])('and %s: the `up` is told', async (_when, answers) => {
    const up = started(`${answers} if (kind === 'begin') tell('log', { line: '' });`);
    await new Promise<unknown>((log) => up.begin(options({ log })));
    await expect(up.up(args, options())).rejects.toBeInstanceOf(PlacementRefused);
  });

  test('and not wanted after all: a CLI that still makes the stack is waited for', async () => {
    const [begun, made] = ['begun', 'made'].map((name) => path.join(stateDir, name)) as [string, string];
    writeFileSync(
      path.join(stateDir, 'pulumi'),
      `#!/bin/sh\n[ "$1" = stack ] || { echo v3.260.0; exit; }\n: >${begun}\nsleep 1\n: >${made}\n`,
      { mode: 0o755 },
    );
    const up = started('', { PATH: `${stateDir}:${process.env.PATH}` });
    up.begin(options({ create: true }));
    while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 10));
    await up.end();
    expect(existsSync(made)).toBe(true);
  });

  test('a stack that can not be made is told by the `up`', async () => {
    const up = started('');
    up.begin(options({ create: true }));
    await expect(up.up(args, options())).rejects.toThrow('There is no `pulumi` on PATH');
  });
});

test('a process that is killed is told as that, to the `up` and to who would leave it', async () => {
  const up = started(`if (kind === 'up') process.kill(process.pid, 'SIGKILL');`);
  await expect(up.up(args, options())).rejects.toThrow('has ended (SIGKILL)');
  await expect(up.leave()).rejects.toThrow('has ended (SIGKILL)');
});
