import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PlacementRefused, startUp, type JobStackArgs, type UpApart } from '../../../src/engine';
import type { UpOptions } from '../../../src/engine/types';
import type { Settings } from '../../../src/settings/types';

let stateDir: string;
let apart: UpApart | undefined;
beforeEach(() => (stateDir = mkdtempSync(path.join(tmpdir(), 'up-process-'))));
afterEach(() => {
  apart?.end();
  rmSync(stateDir, { recursive: true, force: true });
});

const args = { stackName: 'job-x-1-1' } as JobStackArgs;

/** The process at the other end answers as this code says. */
function started(answers: string): UpApart {
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
  const settings = { stateDir, pulumi: { backendUrl: 's3://bucket' }, childEnvironment: {}, cloud: { region: '' } };
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
