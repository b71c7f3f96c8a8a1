import { type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { type Checkpoint, type Resource } from '../../../sandbox/engine/state/checkpoint';
import { machine, type Machine } from './support/engine';
import { fakeProvider, type FakeProvider } from './support/fake-provider';
import { jobProgram } from './support/job-program';
import { playback, recordedInputs, recordedUp, steady } from './support/recording';

describeWithFixtures('the state that the engine leaves', 'pulumi', () => {
  let host: Machine;
  let provider: FakeProvider;
  /** Creates instances never, when it is set. */
  let hang: Promise<never> | undefined;
  const hanging = new Set<() => void>();

  beforeEach(async () => {
    host = machine('p');
    hang = undefined;
    const script = playback(recordedUp());
    provider = await fakeProvider({
      ...script,
      create: async (request) => {
        if (hang && request.type.endsWith(':Instance')) {
          hanging.forEach((tell) => tell());
          await hang;
        }
        return script.create!(request);
      },
    });
    provider.putOnPath(host.bin, 'alicloud');
  });
  afterEach(() => {
    provider.close();
    host.remove();
  });

  const program = () => jobProgram(recordedInputs(recordedUp()));
  const stateOf = (name: string) =>
    JSON.parse(readFileSync(path.join(host.state, `.pulumi/stacks/gitlab-spot/${name}.json`), 'utf8')) as Checkpoint;
  const files = () =>
    (readdirSync(host.state, { recursive: true }) as string[])
      .filter((file) => statSync(path.join(host.state, file)).isFile())
      .map((file) => file.replace(/\d{19}/, 'TIME'))
      .sort();

  it('after an update is the recorded checkpoint', async () => {
    await (await host.stack('job-1001', program())).up();
    expect(comparable(stateOf('job-1001'))).toEqual(
      comparable(JSON.parse(fixture('pulumi/checkpoint-after-up.json')) as Checkpoint),
    );
  });

  it('has the fields of each resource in the order in which the real one writes them', async () => {
    await (await host.stack('job-1001', program())).up();
    const recorded = JSON.parse(fixture('pulumi/checkpoint-after-up.json')) as Checkpoint;
    for (const resource of recorded.checkpoint.latest!.resources!) {
      const ours = stateOf('job-1001').checkpoint.latest!.resources!.find(({ urn }) => urn === resource.urn)!;
      expect(Object.keys(ours)).toEqual(Object.keys(resource));
      expect(Object.keys(ours.outputs ?? {})).toEqual(Object.keys(resource.outputs ?? {}));
    }
  });

  it('after an update is in the recorded files', async () => {
    await (await host.stack('job-1001', program())).up();
    const recorded = fixture('pulumi/backend-files-after-up.txt').trim().split('\n').sort();
    expect(files()).toEqual(recorded.map((file) => file.replace(/\d{19}/, 'TIME')));
  });

  it('after a kill while the instance is created is the recorded checkpoint, with a lock and the provider left', async () => {
    hang = new Promise(() => undefined);
    const stack = await host.stack('job-1002', program());
    const creating = new Promise<void>((resolve) => hanging.add(resolve));
    const update = stack.up().catch((error: Error) => error);
    await creating;
    process.kill(lockOwner('job-1002'), 'SIGKILL');
    expect(String(await update)).toContain('SIGKILL');
    const recorded = JSON.parse(
      fixture('pulumi/checkpoint-killed-while-creating.json').replace(/2026-11-24T15:14:00Z/g, '2026-11-24T15:11:00Z'),
    ) as Checkpoint;
    expect(comparable(stateOf('job-1002'))).toEqual(comparable(recorded));
    expect(lock('job-1002')).toMatchObject({
      username: expect.any(String) as string,
      hostname: expect.any(String) as string,
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    });
    expect(Object.keys(lock('job-1002'))).toEqual(['pid', 'username', 'hostname', 'timestamp']);
  });

  const lock = (stack: string) => {
    const folder = path.join(host.state, `.pulumi/locks/organization/gitlab-spot/${stack}`);
    const file = readdirSync(folder).find((name) => name.endsWith('.json'))!;
    return JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as { pid: number };
  };
  const lockOwner = (stack: string): NonNullable<ChildProcess['pid']> => lock(stack).pid;
});

/** A checkpoint without what differs from run to run; resources and dependencies in one order. */
function comparable(checkpoint: Checkpoint): object {
  const { stack, latest } = checkpoint.checkpoint;
  const inOrder = (resource: Resource) => ({
    ...resource,
    ...(resource.dependencies && { dependencies: [...resource.dependencies].sort() }),
  });
  return steady({
    version: checkpoint.version,
    stack: stack.replace(/job-\d+/, 'STACK'),
    ...latest!,
    resources: latest!.resources!.map(inOrder).sort((a, b) => (a.urn < b.urn ? -1 : 1)),
    ...(latest!.pending_operations && {
      pending_operations: latest!.pending_operations.map(({ resource, type }) => ({
        resource: inOrder(resource),
        type,
      })),
    }),
  });
}
