import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import type { Cloud, CloudInstance } from '../../../src/cloud/types';
import type { CliCall, CliResult, PulumiCli } from '../../../src/engine/cli';
import { destroy } from '../../../src/engine/destroy';
import { beginUp } from '../../../src/engine/up-marker';
import { TAG } from '../../../src/jobs/types';

const STACK = 'job-gitlab.example.com-1001-1';
let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'destroy-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const ok = (stdout = ''): CliResult => ({ exitCode: 0, stdout, stderr: '' });
const refused = (stderr: string): CliResult => ({ exitCode: 1, stdout: '', stderr: `error: ${stderr}\n` });
const UNREADABLE = refused(
  'constructing secrets manager of type "passphrase": unable to find either… incorrect passphrase',
);
const lockedBy = (host: string, pid: number, at: Date): CliResult =>
  refused(
    `the stack is currently locked by 1 lock(s). …\n  file:///state/.pulumi/locks/x.json: created by root@${host} (pid ${pid}) at ${at.toISOString()}`,
  );

type Answer = CliResult | (() => Promise<CliResult>) | CliResult[];

/**
 * What happened, in order: calls of the CLI by their verb, and what the cloud was told to delete.
 */
function world(answers: Readonly<Record<string, Answer>>, things: { instances?: number; backendUrl?: string } = {}) {
  const happened: string[] = [];
  const instances: CloudInstance[] = Array.from({ length: things.instances ?? 0 }, (_, index) =>
    instance(`i-${index}`),
  );
  const [groups, keyPairs] = [new Set(['sg-1']), new Set(['key-1'])];
  const left = new Map(
    Object.entries(answers).map(([verb, answer]) => [verb, Array.isArray(answer) ? answer : [answer]]),
  );
  const cli = {
    async run({ args }: CliCall): Promise<CliResult> {
      await Promise.resolve();
      const verb = args[0] === 'stack' ? `stack ${args[1]}${args.includes('--force') ? ' --force' : ''}` : args[0]!;
      happened.push(verb);
      const rest = left.get(verb) ?? [];
      const answer = (rest.length > 1 ? rest.shift() : rest[0]) ?? ok();
      return typeof answer === 'function' ? answer() : answer;
    },
  } as unknown as PulumiCli;
  const tell = (words: string, forget: () => void) => {
    happened.push(words);
    forget();
    return Promise.resolve();
  };
  const cloud = {
    findInstances: () => Promise.resolve([...instances]),
    deleteInstance: (id: string) => tell(`delete ${id}`, () => instances.splice(0)),
    findSecurityGroups: () => Promise.resolve([...groups].map((id) => ({ id, tags: {}, createdAt: '' }))),
    deleteSecurityGroup: (id: string) => tell(`delete ${id}`, () => groups.clear()),
    findKeyPairs: () => Promise.resolve([...keyPairs].map((name) => ({ name, tags: {}, createdAt: '' }))),
    deleteKeyPair: (name: string) => tell(`delete ${name}`, () => keyPairs.clear()),
  } as unknown as Cloud;
  const run = (onDeleting?: () => void) =>
    destroy(
      STACK,
      { log: () => undefined, ...(onDeleting ? { onDeleting } : {}) },
      { cli, cloud, directory, backendUrl: things.backendUrl ?? 's3://bucket', lookMs: 20 },
    );
  return { run, happened, instances };
}

async function waitFor(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function instance(instanceId: string): CloudInstance {
  return { instanceId, status: 'Running' } as CloudInstance;
}

const stateWith = (...resources: { type: string; tags?: Record<string, string> }[]): CliResult =>
  ok(
    JSON.stringify({
      version: 3,
      deployment: {
        resources: [
          { type: 'pulumi:pulumi:Stack' },
          { type: 'pulumi:providers:alicloud', inputs: { version: '3.108.0' } },
          ...resources.map(({ type, tags }) => ({ type, inputs: { tags } })),
        ],
      },
    }),
  );

describe('destroying a stack', () => {
  test('begins with the instance, and says so before it deletes it', async () => {
    const { run, happened } = world({}, { instances: 1 });
    const { instanceGoneAt } = await run(() => happened.push('onDeleting'));
    expect(happened.slice(0, 4)).toEqual(['onDeleting', 'delete i-0', 'destroy', 'stack rm']);
    expect(instanceGoneAt).toBeInstanceOf(Date);
  });

  test('an instance that shows up while the engine waits for its security group goes too', async () => {
    let freed: (result: CliResult) => void = () => undefined;
    const untilFreed = new Promise<CliResult>((resolve) => (freed = resolve));
    const { run, happened, instances } = world({ destroy: () => (instances.push(instance('i-late')), untilFreed) });
    const running = run();
    await waitFor(() => happened.includes('delete i-late'));
    freed(ok());
    await running;
    expect(happened).toEqual(['destroy', 'delete i-late', 'stack rm', 'delete sg-1', 'delete key-1']);
  });

  test('waits first for an `up` that its prepare has left', async () => {
    const { run, happened } = world({}, { instances: 1 });
    const up = spawn('sleep', ['60'], { stdio: 'ignore' });
    beginUp(directory, up.pid!);
    const running = run();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(happened).toEqual([]);
    up.kill();
    await running;
    expect(happened.slice(0, 2)).toEqual(['delete i-0', 'destroy']);
  });

  test('notes of interrupted creations do not keep a destroyed stack from going', async () => {
    const { run, happened } = world({ 'stack rm': refused(`'${STACK}' still has resources; removal rejected.`) });
    await run();
    expect(happened).toEqual(expect.arrayContaining(['stack rm', 'stack rm --force']));
  });
});

describe('a stack whose passphrase does not fit', () => {
  const tags = { [TAG.stack]: STACK };
  const ours = [
    { type: 'alicloud:ecs/securityGroup:SecurityGroup', tags },
    { type: 'alicloud:ecs/securityGroupRule:SecurityGroupRule' },
    { type: 'alicloud:ecs/keyPair:KeyPair', tags },
    { type: 'alicloud:ecs/instance:Instance', tags },
  ];

  test('goes once all that it names was found by its tag and is gone', async () => {
    const { run, happened } = world({ destroy: UNREADABLE, 'stack export': stateWith(...ours) });
    await run();
    expect(happened).toEqual(['destroy', 'delete sg-1', 'delete key-1', 'stack export', 'stack rm']);
  });

  test.each([
    ['a kind that no tag is looked for on', { type: 'alicloud:ecs/eipAddress:EipAddress', tags }],
    ['an instance without the tag', { type: 'alicloud:ecs/instance:Instance', tags: {} }],
  ])('stays, with an error that names it, when it names %s', async (_title, other) => {
    const { run, happened } = world({ destroy: UNREADABLE, 'stack export': stateWith(...ours, other) });
    await expect(run()).rejects.toThrow(other.type);
    expect(happened.filter((one) => one.startsWith('stack rm'))).toEqual([]);
  });

  test.each([
    ['can not be exported', refused('blob (key ".pulumi/…"): permission denied')],
    ['is no state', ok('{}')],
  ])('stays when it %s', async (_title, answer) => {
    const { run, happened } = world({ destroy: UNREADABLE, 'stack export': answer });
    await expect(run()).rejects.toThrow();
    expect(happened.filter((one) => one.startsWith('stack rm'))).toEqual([]);
  });
});

describe('the lock of a stack', () => {
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);

  test.each([
    ['whose owner is dead', hostname(), 2 ** 22 - 1, 1],
    ['whose owner’s pid is a younger process by now', hostname(), process.pid, 60 * 24 * 365 * 10],
    ['of another host, older than any update', 'another-host', 1, 61],
  ])('is cleared %s', async (_title, host, pid, minutes) => {
    const { run, happened } = world({ destroy: [lockedBy(host, pid, minutesAgo(minutes)), ok()] });
    await run();
    expect(happened.slice(0, 4)).toEqual(['destroy', 'cancel', 'destroy', 'stack rm']);
  });

  test.each([
    ['whose owner lives', hostname(), process.pid, 0],
    ['of another host, which may be at work', 'another-host', 2 ** 22 - 1, 59],
  ])('stays %s', async (_title, host, pid, minutes) => {
    const { run, happened } = world({ destroy: lockedBy(host, pid, minutesAgo(minutes)) });
    await expect(run()).rejects.toThrow(/lock/i);
    expect(happened).toEqual(['destroy']);
  });
});

test('of a stack that is gone no history stays, of which a killed CLI had written half a file', async () => {
  const ofStack = (folder: string) => path.join(directory, 'backend/.pulumi', folder, 'gitlab-spot', STACK);
  mkdirSync(ofStack('history'), { recursive: true });
  mkdirSync(ofStack('locks/organization'), { recursive: true });
  writeFileSync(path.join(ofStack('history'), 'fileblob1234'), '');
  const { run } = world({ destroy: ok(), 'stack rm': ok() }, { backendUrl: `file://${directory}/backend` });
  await run();
  expect(existsSync(ofStack('history'))).toBe(false);
  expect(existsSync(ofStack('locks/organization'))).toBe(false);
});
