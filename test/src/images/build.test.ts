import type { OwnImage } from '../../../src/cloud/images';
import { CloudRefused, CloudUnreachable } from '../../../src/cloud/errors';
import { PlacementRefused } from '../../../src/engine/errors';
import type { JobStackArgs } from '../../../src/engine/types';
import { buildImage, ImageNotReady, ProvisioningFailed, type BuildDependencies } from '../../../src/images/build';
import type { Candidate } from '../../../src/placement/types';

/**
 * `image build` in a world of fakes: what it makes, in which order, and that its stack goes
 * whatever happens.
 */
const NOW = Date.parse('2026-11-24T12:00:00Z');
const FIRST = { instanceType: 'ecs.c7.xlarge', zoneId: 'z-1', market: 'spot' } as Candidate;
const SECOND = { ...FIRST, zoneId: 'z-2' };

function ownImage(imageId: string, change: Partial<OwnImage> = {}): OwnImage {
  const made = { name: imageId, family: 'java23', status: 'Available', progress: 100, createdAt: '', sizeGiB: 40 };
  return { imageId, ...made, snapshotIds: [], tags: { 'gitlab-spot': 'image' }, ...change };
}

/** Remembers each effect in its order. */
class World {
  readonly happened: string[] = [];
  readonly said: string[] = [];
  /** Newest first. */
  images: OwnImage[] = [];
  statusOfNew = 'Available';
  refuse: Partial<Record<'launch' | 'create' | 'destroy' | 'remove' | 'rest', Error[]>> = {};
  exitCode = 0;
  instance: { status: string } | undefined = { status: 'Stopped' };
  /** So many looks at image or instance get no answer. */
  unanswered = 0;
  readonly abort = new AbortController();
  /** Ctrl-C when this happens. */
  abortAt = '';
  private clockMs = NOW;

  private effect(name: string): void {
    this.happened.push(name);
    if (this.abortAt !== '' && name.startsWith(this.abortAt)) this.abort.abort(new Error('Cancelled (SIGINT)'));
    const [error] = this.refuse[name.split(' ')[0] as 'launch']?.splice(0, 1) ?? [];
    if (error) throw error;
  }

  private async answer<T>(answer: T): Promise<T> {
    if (this.unanswered === 0) return answer;
    this.unanswered--;
    throw new CloudUnreachable('DescribeImages', 'https://ecs.example', new Error('no route'));
  }

  build(options: { keep?: number; candidates?: readonly Candidate[] } = {}): Promise<OwnImage> {
    return buildImage(
      {
        name: 'java23',
        keep: options.keep ?? 3,
        executorId: 'host-1',
        machine: 'm',
        candidates: options.candidates ?? [FIRST, SECOND],
        stackArgs: ({ zoneId }) => ({ zoneId }) as JobStackArgs,
      },
      this.dependencies(),
    );
  }

  private dependencies(): BuildDependencies {
    const effect = async (name: string): Promise<void> => this.effect(name);
    return {
      cloud: { describeInstance: () => this.answer(this.instance as never) },
      images: {
        own: () => this.answer(this.images),
        newestPublic: () => Promise.resolve(undefined),
        stop: () => effect('stop'),
        create: async (_instanceId, { name, tags }) => {
          this.effect('create');
          this.images = [ownImage('m-new', { name, tags, status: this.statusOfNew }), ...this.images];
          return 'm-new';
        },
        remove: async ({ imageId }) => {
          this.effect(`remove ${imageId}`);
          this.images = this.images.filter((one) => one.imageId !== imageId);
        },
        removeRest: () => effect('rest'),
      },
      engine: { destroy: () => effect('destroy') as never },
      launch: async ({ zoneId }) => {
        this.effect(`launch ${zoneId}`);
        const connection = { close: () => this.happened.push('close') } as never;
        const up = { check: () => undefined, giveUp: () => Promise.resolve() };
        return { instanceId: 'i-1', since: new Date(NOW), address: '10.0.0.9', connection, up };
      },
      provision: async () => {
        this.effect('provision');
        this.abort.signal.throwIfAborted();
        return this.exitCode;
      },
      atWork: () => this.happened.push('note'),
      done: () => this.happened.push('forget'),
      say: (line) => this.said.push(line),
      signal: this.abort.signal,
      now: () => this.clockMs,
      pause: async (ms) => void (this.clockMs += ms),
    };
  }
}

const refusedLaunch = (code: string) => new PlacementRefused(code, 'RunInstances', 'Refused.');
let world: World;
beforeEach(() => (world = new World()));

test('instance, script, stop, image; the stack is noted before it is made, and forgotten when it is gone', async () => {
  const image = await world.build();
  expect(image).toMatchObject({ imageId: 'm-new', name: 'java23-20261124120000' });
  expect(image.tags).toMatchObject({
    'gitlab-spot': 'image',
    'gitlab-spot/stack': 'image-java23-20261124120000',
    'gitlab-spot/executor': 'host-1',
  });
  expect(world.happened).toEqual([
    ...['note', 'launch z-1', 'provision', 'close', 'stop', 'create', 'destroy', 'forget', 'rest'],
  ]);
});

test.each([
  [1, ['remove m-2', 'remove m-1', 'remove m-broken']],
  [2, ['remove m-1', 'remove m-broken']],
  [9, ['remove m-broken']],
])('--keep %i leaves so many of the family, and what somebody made by hand', async (keep, removed) => {
  const byHand = ownImage('m-hand', { tags: {} });
  const broken = ownImage('m-broken', { status: 'CreateFailed' });
  world.images = [ownImage('m-2'), byHand, ownImage('m-1'), broken];
  await world.build({ keep });
  expect(world.happened.filter((one) => one.startsWith('remove'))).toEqual(removed);
  for (const line of removed) expect(world.said.join('\n')).toContain(`(${line.slice('remove '.length)})`);
});

test('an older image that a job still uses stays; the new one is good, and the others go', async () => {
  const used = { action: 'DeleteImage', code: 'ImageUsingByInstance', message: 'Used.', requestId: '' };
  world.refuse = { remove: [new CloudRefused(used, false)] };
  world.images = [ownImage('m-2'), ownImage('m-1')];
  expect(await world.build({ keep: 1 })).toMatchObject({ imageId: 'm-new' });
  expect(world.images.map(({ imageId }) => imageId)).toEqual(['m-new', 'm-2']);
  expect(world.said.join('\n')).toMatch(/m-2 \(m-2\) stays: .*ImageUsingByInstance/);
});

test('a pool that is sold out is not the end: its stack goes, and the next is tried', async () => {
  world.refuse = { launch: [refusedLaunch('OperationDenied.NoStock')] };
  await world.build();
  expect(world.happened.slice(0, 4)).toEqual(['note', 'launch z-1', 'destroy', 'launch z-2']);
  expect(world.said.join('\n')).toMatch(/OperationDenied\.NoStock.*; trying the next/);
});

test('where each pool is sold out, the last refusal is told, and nothing is left', async () => {
  world.refuse = { launch: [1, 2].map(() => refusedLaunch('OperationDenied.NoStock')) };
  await expect(world.build()).rejects.toThrow(
    /^No pool that was tried has an instance now \(tried: 2; last: .*NoStock/,
  );
  expect(world.happened.slice(-2)).toEqual(['destroy', 'forget']);
});

test('where no pool takes the disk, the remedy says what to change', async () => {
  world.refuse = { launch: [1, 2].map(() => refusedLaunch('CategoryNotSupported')) };
  await expect(world.build()).rejects.toMatchObject({
    remedy: expect.stringMatching(/profile's disk in .* Try again later/) as string,
  });
});

test('what no other pool mends ends at once', async () => {
  world.refuse = { launch: [refusedLaunch('InvalidAccountStatus.NotEnoughBalance')] };
  await expect(world.build()).rejects.toThrow('NotEnoughBalance');
  expect(world.happened).toEqual(['note', 'launch z-1', 'destroy', 'forget']);
});

test('a script that fails makes no image', async () => {
  world.exitCode = 3;
  const error = await world.build().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ProvisioningFailed);
  expect((error as Error).message).toBe('The provisioning script ended with exit 3 on i-1');
  expect(world.happened).toEqual(['note', 'launch z-1', 'provision', 'close', 'destroy', 'forget']);
});

test.each(['launch', 'provision', 'stop', 'create'])(
  'Ctrl-C at %s: the stack goes, and no image stays',
  async (moment) => {
    world.abortAt = moment;
    // Else the cloud would be done with the image before anybody looks.
    world.statusOfNew = 'Creating';
    await expect(world.build()).rejects.toThrow('Cancelled (SIGINT)');
    expect(world.happened.slice(-2)).toEqual(['destroy', 'forget']);
    expect(world.images).toEqual([]);
  },
);

test('an instance that the cloud took back, and an image that it could not make, are told', async () => {
  world.instance = undefined;
  await expect(world.build()).rejects.toThrow('i-1 was taken back by the cloud before its image was made');
  world = new World();
  world.statusOfNew = 'CreateFailed';
  await expect(world.build()).rejects.toThrow('The cloud could not make image m-new');
  expect(world.images).toEqual([]);
});

test('a cloud that gives no answer for a while is asked again', async () => {
  world.unanswered = 3;
  await expect(world.build()).resolves.toMatchObject({ imageId: 'm-new' });
  world.unanswered = Infinity;
  await expect(world.build()).rejects.toThrow(CloudUnreachable);
  expect(world.happened.slice(-2)).toEqual(['destroy', 'forget']);
});

test('an instance that never stops is waited for until the limit, by name', async () => {
  world.instance = { status: 'Stopping' };
  await expect(world.build()).rejects.toThrow(new ImageNotReady('Waited 5 min for i-1 to stop'));
  expect(world.happened.slice(-2)).toEqual(['destroy', 'forget']);
});

test('a stack that can not be destroyed stays noted for the reaper, and the image counts', async () => {
  world.refuse = { destroy: [new Error('no answer')] };
  await expect(world.build()).resolves.toMatchObject({ imageId: 'm-new' });
  expect(world.happened).not.toContain('forget');
  expect(world.said).toContain(
    'image-java23-20261124120000 is not destroyed yet: no answer. `gitlab-spot reap` tries again',
  );
});

test('an image counts where an older one can not be removed, since a job runs on it', async () => {
  world.images = [ownImage('m-2'), ownImage('m-1')];
  world.refuse = { remove: [new Error('it is in use')], rest: [new Error('away')] };
  await expect(world.build({ keep: 1 })).resolves.toMatchObject({ imageId: 'm-new' });
  expect(world.happened.slice(-3)).toEqual(['remove m-2', 'remove m-1', 'rest']);
  expect(world.said).toContain('Snapshots of removed images may be left: away');
  expect(world.said).toContain('The older image m-2 (m-2) stays: it is in use. The next build tries again');
});

test('a refused image names what to do', async () => {
  const refused = { action: 'CreateImage', code: 'QuotaExceed.Image', message: 'Refused.', requestId: '' };
  world.refuse = { create: [new CloudRefused(refused, false)] };
  await expect(world.build()).rejects.toMatchObject({
    message: expect.stringMatching(/^Alibaba Cloud refused CreateImage: QuotaExceed\.Image/) as string,
    remedy: expect.stringContaining('remove older images: `gitlab-spot image ls`') as string,
  });
  expect(refusedLaunch('QuotaExceed.ElasticQuota').remedy).toContain('Raise the quota in the console');
  expect(world.happened.slice(-2)).toEqual(['destroy', 'forget']);
});
