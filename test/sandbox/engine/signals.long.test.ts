import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Checkpoint } from '../../../sandbox/engine/state/checkpoint';
import { machine, type Machine } from './support/engine';
import { fakeProvider, type FakeProvider } from './support/fake-provider';
import { jobProgram, SMALL } from './support/job-program';

describe('an update that is told to stop', () => {
  let host: Machine;
  let provider: FakeProvider;
  let creating: Promise<void>;
  let finish: () => void;

  beforeEach(async () => {
    host = machine();
    let begun!: () => void;
    creating = new Promise((resolve) => (begun = resolve));
    const finished = new Promise<void>((resolve) => (finish = resolve));
    provider = await fakeProvider({
      create: async ({ type, name, inputs }) => {
        if (type.endsWith(':Instance')) {
          begun();
          await finished;
        }
        return { id: `${type}/${name}`, outputs: { ...inputs, privateIp: '', publicIp: '' } };
      },
    });
    provider.putOnPath(host.bin, 'alicloud');
  });
  afterEach(() => {
    finish();
    provider.close();
    host.remove();
  });

  const locks = () => path.join(host.state, '.pulumi/locks/organization/gitlab-spot/job-1');
  const holder = () => {
    const [file] = readdirSync(locks()).filter((name) => name.endsWith('.json'));
    return (JSON.parse(readFileSync(path.join(locks(), file!), 'utf8')) as { pid: number }).pid;
  };
  const state = () =>
    (JSON.parse(readFileSync(path.join(host.state, '.pulumi/stacks/gitlab-spot/job-1.json'), 'utf8')) as Checkpoint)
      .checkpoint.latest!;
  const isThere = (type: string) => state().resources!.some((resource) => resource.type.endsWith(`:${type}`));

  async function interrupted(signals: NodeJS.Signals[]): Promise<string> {
    const stack = await host.stack('job-1', jobProgram(SMALL));
    let said = '';
    let heard = (): void => undefined;
    const update = stack.up({
      onOutput: (text) => {
        said += text;
        heard();
      },
    });
    const outcome = update.then(
      () => 'succeeded',
      (error: Error) => error.message,
    );
    await creating;
    for (const signal of signals) {
      const before = said.length;
      const answered = new Promise<void>((resolve) => {
        heard = () => /received; (cancelling|terminating)/.test(said.slice(before)) && resolve();
      });
      process.kill(holder(), signal);
      await answered;
    }
    if (signals.length === 1) finish();
    return outcome;
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s lets the creation finish, writes it down, gives the lock back',
    async (signal) => {
      expect(await interrupted([signal])).toMatch(/exit code 1[\s\S]*error: update canceled/);
      expect(isThere('Instance')).toBe(true);
      expect(state().pending_operations).toBeUndefined();
      expect(readdirSync(locks())).toEqual([]);
    },
  );

  it('tells the provider, and ends it', async () => {
    await interrupted(['SIGTERM']);
    expect(provider.summary()).toContain('Cancel');
  });

  it('begins nothing new', async () => {
    await interrupted(['SIGTERM']);
    expect(state().resources!.find(({ type }) => type.endsWith(':Stack'))!.outputs).toBeUndefined();
  });

  it('twice ends at once and leaves the creation pending, but no lock', async () => {
    expect(await interrupted(['SIGTERM', 'SIGTERM'])).toMatch(/exit code 8[\s\S]*error: update cancelled/);
    expect(isThere('Instance')).toBe(false);
    expect(state().pending_operations).toMatchObject([
      { type: 'creating', resource: { type: 'alicloud:ecs/instance:Instance' } },
    ]);
    expect(readdirSync(locks())).toEqual([]);
  });

  it('by a kill is locked until it is cancelled, and its pending creation stays until the stack is removed', async () => {
    const stack = await host.stack('job-1', jobProgram(SMALL));
    const update = stack.up().catch((error: Error) => error.message);
    await creating;
    process.kill(holder(), 'SIGKILL');
    await update;
    const named = ['--stack', 'job-1'];
    expect(await host.run('destroy', '--yes', '--skip-preview', ...named)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the stack is currently locked by 1 lock(s)') as string,
    });
    expect(await host.run('cancel', '--yes', 'job-1')).toMatchObject({ code: 0 });
    expect(await host.run('refresh', '--yes', '--skip-preview', ...named)).toMatchObject({ code: 0 });
    expect(state().pending_operations).toHaveLength(1);
    expect(await host.run('destroy', '--yes', '--skip-preview', ...named)).toMatchObject({ code: 0 });
    expect(await host.run('stack', 'rm', '--yes', '--force', 'job-1')).toMatchObject({ code: 0 });
    expect(existsSync(path.join(host.state, '.pulumi/stacks/gitlab-spot/job-1.json'))).toBe(false);
  });
});
