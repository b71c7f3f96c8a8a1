import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as pulumi from '@pulumi/pulumi';
import { type Checkpoint } from '../../../sandbox/engine/state/checkpoint';
import { machine, type Machine } from './support/engine';
import { fakeProvider, type FakeProvider, type Script } from './support/fake-provider';
import { initFailed } from './support/grpc-details';

class Thing extends pulumi.CustomResource {
  constructor(name: string, inputs: Record<string, unknown>, options: pulumi.CustomResourceOptions = {}) {
    super('fake:index:Thing', name, inputs, { version: '1.0.0', ...options });
  }
}

describe('an update', () => {
  let host: Machine;
  let provider: FakeProvider;
  let script: Script;

  beforeEach(async () => {
    host = machine();
    script = {};
    provider = await fakeProvider({
      diff: (asked) => script.diff?.(asked) ?? { changes: 'DIFF_UNKNOWN' },
      create: (asked) =>
        script.create?.(asked) ?? {
          id: asked.preview ? '' : `id-${asked.name}`,
          outputs: { ...asked.inputs, computed: `of ${asked.name}` },
        },
      update: ({ inputs }) => inputs,
      read: (asked) => (script.read ? script.read(asked) : { outputs: asked.outputs }),
      check: (asked) => script.check?.(asked) ?? {},
    });
    provider.putOnPath(host.bin, 'fake');
  });
  afterEach(() => {
    provider.close();
    host.remove();
  });

  const stack = (program: () => void | object) =>
    host.quickStack('s', async () => program() as Record<string, unknown>);
  const up = async (program: () => void | object) => (await stack(program)).up();
  const state = () =>
    (JSON.parse(readFileSync(path.join(host.state, '.pulumi/stacks/gitlab-spot/s.json'), 'utf8')) as Checkpoint)
      .checkpoint.latest!;
  const things = () => (state().resources ?? []).filter(({ type }) => type === 'fake:index:Thing');
  const names = () => things().map(({ urn }) => urn.split('::').at(-1));
  const calls = (...methods: string[]) =>
    provider.calls
      .filter(({ method }) => methods.includes(method))
      .map(({ method, request }) => `${method} ${String(request['name'])}`);

  it('changes nothing where nothing changed', async () => {
    await up(() => void new Thing('a', { size: 1 }));
    const again = await up(() => void new Thing('a', { size: 1 }));
    expect(again.summary.resourceChanges).toEqual({ same: 2 });
    expect(calls('Create', 'Update', 'Delete')).toEqual(['Create a']);
  });

  it('changes what changed', async () => {
    await up(() => void new Thing('a', { size: 1 }));
    const again = await up(() => void new Thing('a', { size: 2 }));
    expect(again.summary.resourceChanges).toEqual({ same: 1, update: 1 });
    expect(again.stdout).toContain('[diff: ~size]');
    expect(things()[0]!.inputs).toEqual({ size: 2 });
  });

  it('deletes what is gone from the program, dependents first', async () => {
    await up(() => {
      const a = new Thing('a', { size: 1 });
      void new Thing('b', { of: a.id });
    });
    await up(() => undefined);
    expect(calls('Delete')).toEqual(['Delete b', 'Delete a']);
  });

  it('replaces by creating first and deleting last', async () => {
    await up(() => void new Thing('a', { size: 1 }));
    script.diff = () => ({ changes: 'DIFF_SOME', replaces: ['size'] });
    const again = await up(() => void new Thing('a', { size: 2 }));
    expect(again.summary.resourceChanges).toEqual({ same: 1, replace: 1 });
    expect(calls('Create', 'Delete')).toEqual(['Create a', 'Create a', 'Delete a']);
    expect(things()).toHaveLength(1);
  });

  it('replaces by deleting first where the program or the provider wants it, with what depends on it', async () => {
    const program = (size: number) => () => {
      const a = new Thing('a', { size }, { deleteBeforeReplace: true });
      void new Thing('b', { of: a.id });
    };
    await up(program(1));
    script.diff = () => ({ changes: 'DIFF_SOME', replaces: ['size'] });
    await up(program(2));
    expect(calls('Create', 'Delete').slice(2)).toEqual(['Delete b', 'Delete a', 'Create a', 'Create b']);
  });

  it('finishes what is under way when one fails, and goes on from there the next time', async () => {
    let release = (): void => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    script.create = async ({ name, inputs }) => {
      if (name === 'bad') {
        release();
        throw new Error('no stock');
      }
      await slow;
      return { id: name, outputs: inputs };
    };
    const program = () => [new Thing('bad', { n: 1 }), new Thing('good', { n: 1 })];
    await expect(up(() => void program())).rejects.toThrow(/fake:index:Thing \(bad\):\n\s+error: no stock/);
    expect(names()).toEqual(['good']);
    script = {};
    expect((await up(() => void program())).summary.resourceChanges).toEqual({ create: 1, same: 2 });
  });

  it('keeps what was made but did not become ready, and mends it the next time', async () => {
    script.create = () => {
      throw initFailed('half', { size: 1 }, ['still starting']);
    };
    await expect(up(() => void new Thing('a', { size: 1 }))).rejects.toThrow(/1 error occurred:\n.*\* still starting/);
    expect(things()[0]).toMatchObject({ id: 'half', initErrors: ['still starting'] });
    script = {};
    await up(() => void new Thing('a', { size: 1 }));
    expect(calls('Update')).toEqual(['Update a']);
    expect(things()[0]!.initErrors).toBeUndefined();
  });

  it('tells what a check finds, and makes nothing', async () => {
    script.check = () => ({ failures: [{ property: 'size', reason: 'must be 1' }] });
    await expect(up(() => void new Thing('a', { size: 3 }))).rejects.toThrow(
      "error: fake:index:Thing resource 'a': property size value {3} has a problem: must be 1",
    );
    expect(calls('Create')).toEqual([]);
  });

  it('does not delete what is protected', async () => {
    await up(() => void new Thing('a', { size: 1 }, { protect: true }));
    await expect(up(() => undefined)).rejects.toThrow(/cannot be deleted\n\s+because it is protected/);
    expect(names()).toEqual(['a']);
  });

  it('leaves in the cloud what the program says to retain', async () => {
    await up(() => void new Thing('a', { size: 1 }, { retainOnDelete: true }));
    await up(() => undefined);
    expect(calls('Delete')).toEqual([]);
    expect(names()).toEqual([]);
  });

  it('ignores the changes that the program says to ignore', async () => {
    await up(() => void new Thing('a', { size: 1, tags: { owner: 'x' } }));
    await up(() => void new Thing('a', { size: 1, tags: { owner: 'y' } }, { ignoreChanges: ['tags.owner'] }));
    expect(calls('Update')).toEqual([]);
  });

  it('knows a resource by its old name', async () => {
    await up(() => void new Thing('a', { size: 1 }));
    await up(() => void new Thing('b', { size: 1 }, { aliases: [{ name: 'a' }] }));
    expect([calls('Create', 'Delete'), names()]).toEqual([['Create a'], ['b']]);
  });

  it('hands the time limits of the program to the provider, in seconds', async () => {
    await up(() => void new Thing('a', { size: 1 }, { customTimeouts: { create: '5m', delete: '1h30m' } }));
    expect(provider.calls.find(({ method }) => method === 'Create')!.request['timeout']).toBe(300);
    expect(things()[0]!.customTimeouts).toEqual({ create: 300, delete: 5400 });
  });

  it('keeps secrets secret in state, outputs and events, and hands them to the provider', async () => {
    const result = await up(() => ({
      key: new Thing('a', { key: pulumi.secret('hush') }).id,
      word: pulumi.secret('psst'),
    }));
    expect(result.outputs['word']).toEqual({ value: 'psst', secret: true });
    expect(result.stdout).toMatch(/word: \[secret\]/);
    expect(JSON.stringify(state())).not.toMatch(/hush|psst/);
    expect(provider.calls.find(({ method }) => method === 'Create')!.request['properties']).toEqual({ key: 'hush' });
  });

  it('with components nests their names and registers their outputs', async () => {
    class Group extends pulumi.ComponentResource {
      constructor(name: string) {
        super('my:index:Group', name);
        this.registerOutputs({ inner: new Thing('inner', {}, { parent: this }).id });
      }
    }
    await up(() => void new Group('g'));
    const group = state().resources!.find(({ type }) => type === 'my:index:Group')!;
    expect(group.outputs).toEqual({ inner: 'id-inner' });
    expect(things()[0]!.urn).toBe('urn:pulumi:s::gitlab-spot::my:index:Group$fake:index:Thing::inner');
  });

  it('takes a provider that the program configures', async () => {
    class Provider extends pulumi.ProviderResource {}
    await up(() => {
      const own = new Provider('fake', 'own', { region: 'cn-hangzhou' });
      void new Thing('a', {}, { provider: own });
    });
    expect(provider.calls.find(({ method }) => method === 'Configure')!.request['args']).toEqual({
      region: 'cn-hangzhou',
    });
    expect(things()[0]!.provider).toMatch(/::pulumi:providers:fake::own::/);
  });

  it('is announced by a preview that touches nothing', async () => {
    const preview = await (await stack(() => ({ id: new Thing('a', { size: 1 }).id }))).preview();
    expect(preview.changeSummary).toEqual({ create: 2 });
    expect(provider.calls.find(({ method }) => method === 'Create')!.request['preview']).toBe(true);
    expect(state().resources).toBeUndefined();
  });

  it('can be refreshed: what the cloud says goes into the state, what is gone goes', async () => {
    const made = await stack(() => void [new Thing('a', { size: 1 }), new Thing('b', { size: 1 })]);
    await made.up();
    script.read = ({ name, outputs }) => (name === 'a' ? undefined : { outputs: { ...outputs, size: 9 } });
    const refreshed = await made.refresh();
    expect(refreshed.summary.resourceChanges).toEqual({ delete: 1, same: 1, update: 1 });
    expect(things().map(({ urn, outputs }) => [urn.split('::').at(-1), outputs!['size']])).toEqual([['b', 9]]);
  });

  it('cannot be destroyed without the right passphrase', async () => {
    await up(() => ({ word: pulumi.secret('psst') }));
    host.env['PULUMI_CONFIG_PASSPHRASE'] = 'another';
    const ran = await host.run('destroy', '--yes', '--skip-preview', '--stack', 's');
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('incorrect passphrase')]);
  });
});
