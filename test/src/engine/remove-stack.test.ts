import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { removeStack } from '../../../src/engine/remove-stack';
import { machine, type Machine } from '../../sandbox/engine/support/engine';

const STACK = 'job-gitlab.example.com-1001-1';
const OTHER = 'job-gitlab.example.com-1002-1';
const RULE = { urn: 'urn:pulumi:x', type: 'alicloud:ecs/securityGroupRule:SecurityGroupRule' };

let host: Machine;
let called: string[];
beforeEach(async () => {
  host = machine();
  called = [];
  for (const name of [STACK, OTHER]) {
    await cli('stack', 'init', name, '--no-select');
    await cli('destroy', '--yes', '--skip-preview', '--stack', name);
  }
  called = [];
});
afterEach(() => host.remove());

async function cli(...args: string[]) {
  called.push(args.slice(0, 2).join(' '));
  const { stdout, stderr, code } = await host.quickRun(...args);
  return { stdout, stderr, exitCode: Number(code) };
}

const remove = () =>
  removeStack(STACK, { call: (args) => cli(...args), backendUrl: `file://${host.state}?metadata=skip` });
const inBackend = (kind: string, file: string) => path.join(host.state, '.pulumi', kind, 'gitlab-spot', file);
const stateFile = () => inBackend('stacks', `${STACK}.json`);
/** The files of a stack. */
const filesOf = (name: string): string[] =>
  readdirSync(host.state, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => file.includes(name));

function changeState(change: (checkpoint: State['checkpoint']) => void): void {
  const state = JSON.parse(readFileSync(stateFile(), 'utf8')) as State;
  change(state.checkpoint);
  writeFileSync(stateFile(), JSON.stringify(state));
}

interface State {
  checkpoint: { stack: string; latest: { resources?: unknown[]; pending_operations?: unknown[] } };
}

test('a destroyed stack in a folder goes without the CLI, with as little left as the CLI leaves', async () => {
  // A newer CLI's, for its tags.
  writeFileSync(inBackend('stacks', `${STACK}.pulumi-tags`), '{"version":1}');
  expect(filesOf(STACK).length).toBeGreaterThan(2);
  expect(await remove()).toBeUndefined();
  expect(called).toEqual([]);
  await cli('stack', 'rm', '--yes', '--remove-backups', OTHER);
  expect(filesOf(STACK)).toEqual(filesOf(OTHER));
  expect(filesOf(STACK)).toEqual([]);
});

test.each<[string, () => void]>([
  [
    'that somebody holds the lock of',
    () => {
      mkdirSync(inBackend('locks/organization', STACK), { recursive: true });
      writeFileSync(inBackend('locks/organization', `${STACK}/1.json`), '{}');
    },
  ],
  ['with something in it', () => changeState(({ latest }) => (latest.resources = [RULE]))],
  [
    'with a creation that was cut off',
    () => changeState(({ latest }) => (latest.pending_operations = [{ type: 'creating', resource: RULE }])),
  ],
  ['of another name', () => changeState((checkpoint) => (checkpoint.stack = `organization/gitlab-spot/${OTHER}`))],
  ['of half a file', () => writeFileSync(stateFile(), readFileSync(stateFile(), 'utf8').slice(0, -3))],
  ['that is packed beside', () => writeFileSync(`${stateFile()}.gz`, '')],
])('a stack %s is left to the CLI', async (_which, change) => {
  change();
  const before = filesOf(STACK);
  const asked: string[][] = [];
  const call = (args: readonly string[]) => {
    asked.push([...args]);
    return Promise.resolve({ stdout: '', stderr: '', exitCode: 0 });
  };
  expect(await removeStack(STACK, { call, backendUrl: `file://${host.state}` })).toMatchObject({ exitCode: 0 });
  expect(asked).toEqual([['stack', 'rm', '--yes', '--remove-backups', STACK]]);
  expect(filesOf(STACK)).toEqual(before);
});
