import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/**
 * The process at the other end answers as this code says, and the CLI is this script of sh.
 */
function started(answers: string, cli = ''): UpApart {
  const bin = path.join(stateDir, 'bin');
  mkdirSync(bin);
  const says = 'case $1 in version) echo v3.260.0; exit ;; esac';
  writeFileSync(path.join(bin, 'pulumi'), `#!/bin/sh\n${says}\n${cli}\n`, { mode: 0o755 });
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
  const settings = {
    stateDir,
    pulumi: { backendUrl: 's3://bucket' },
    childEnvironment: { PATH: `${bin}:${process.env.PATH}` },
    cloud: { region: '' },
  };
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

test('a process that is killed is told as that, to the `up` and to who would leave it', async () => {
  const up = started(`if (kind === 'up') process.kill(process.pid, 'SIGKILL');`);
  await expect(up.up(args, options())).rejects.toThrow('has ended (SIGKILL)');
  await expect(up.leave()).rejects.toThrow('has ended (SIGKILL)');
});

describe('its stack', () => {
  const never = new AbortController().signal;
  const done = `if (kind === 'up') tell('done', { result: { instanceId: 'i-1', privateIp: '', publicIp: '' } });`;

  test('is made once, before an `up` is asked for', async () => {
    const made = path.join(stateDir, 'made');
    const up = started(done, `echo "$*" >>'${made}'`);
    up.makeStack(never);
    await expect(up.up(args, options({ create: true }))).resolves.toMatchObject({ instanceId: 'i-1' });
    expect(readFileSync(made, 'utf8')).toMatch(/^stack init job-x-1-1 .*\n$/);
  });

  test('is made again for the pool after one whose stack was destroyed', async () => {
    const made = path.join(stateDir, 'made');
    const up = started(done, `echo "$*" >>'${made}'`);
    up.makeStack(never);
    await up.up(args, options({ create: true }));
    await up.up(args, options({ create: true }));
    expect(readFileSync(made, 'utf8').match(/stack init/g)).toHaveLength(2);
  });

  test('fails the `up` that waits for it', async () => {
    const up = started(done, 'echo "error: the bucket is gone" >&2; exit 255');
    up.makeStack(never);
    await expect(up.up(args, options({ create: true }))).rejects.toThrow('the bucket is gone');
  });

  test('is made no further where no `up` was asked for, and nobody is at work on it then', async () => {
    const begun = path.join(stateDir, 'begun');
    const up = started(done, `trap 'rm "${begun}"; exit 1' TERM; : >'${begun}'; while :; do sleep 0.02; done`);
    up.makeStack(never);
    while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 10));
    await up.end();
    expect(existsSync(begun)).toBe(false);
  });
});
