import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import fc from '../support/property';
import { decide } from '../../src/reaper/decide';
import { observe } from '../../src/reaper/observe';
import { createAccount } from '../../src/cloud/account';
import { EcsCloud } from '../../src/cloud/client';
import { credentialsProvider } from '../../src/cloud/credentials';
import { createImages } from '../../src/cloud/images';
import { Rpc } from '../../src/cloud/rpc';
import { gitlabApi } from '../../src/gitlab/api';
import { runnersApi } from '../../src/gitlab/runners';
import { factsOf } from '../../src/billing/found-instance';
import { createPlacement } from '../../src/placement';
import type { Profile } from '../../src/settings/types';
import { ANSWERS, REFUSAL } from './answers';
import { clearly, expectNoPollution, hostileText, mutatedText, runs } from './support';

/** Answers of the cloud and of GitLab: mutated, cut off, or not theirs at all. */
interface Answer {
  readonly status: number;
  readonly body: string;
}

let server: Server;
let url: string;
let answerTo: (action: string) => Answer;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'fuzz-cloud-'));
  server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const { status, body } = answerTo(new URLSearchParams(text).get('Action') ?? '');
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

function rpc(): Rpc {
  const credentials = { accessKeyId: 'id', accessKeySecret: 'secret', securityToken: undefined };
  return new Rpc({
    environment: {},
    region: 'cn-hangzhou',
    endpoints: { ecs: url, vpc: url, ram: url, sts: url, cms: url },
    credentials: credentialsProvider({ credentials, ecsRoleName: undefined }),
    retryMs: 1_000,
    pause: () => Promise.resolve(),
  });
}
const cloud = () => new EcsCloud(rpc(), 'cn-hangzhou');

const status = fc.constantFrom(200, 200, 200, 200, 400, 403, 404, 429, 500, 502, 503);
const answers = (action: keyof typeof ANSWERS): fc.Arbitrary<Answer> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ status, body: mutatedText(ANSWERS[action]) }) },
    { weight: 1, arbitrary: fc.record({ status, body: mutatedText(REFUSAL) }) },
  );

const tags = { 'gitlab-spot': 'job' };
const requirements = { vcpu: 4, memoryGiB: 8, architecture: 'x86_64' as const, gpus: 0 };

const POOL = { instanceType: 'ecs.c7.xlarge', zoneId: 'cn-hangzhou-k' };

/** Every question, and the action that answers it. */
const QUESTIONS: readonly (readonly [keyof typeof ANSWERS, () => Promise<unknown>])[] = [
  ['DescribeInstances', () => cloud().findInstances(tags)],
  ['DescribeInstances', () => cloud().describeInstance('i-bp1')],
  ['DescribeSecurityGroups', () => cloud().findSecurityGroups(tags)],
  ['DescribeKeyPairs', () => cloud().findKeyPairs(tags)],
  ['DescribeVSwitches', () => cloud().vSwitches('vpc-1')],
  ['DescribeAvailableResource', () => cloud().stock('ecs.c7.xlarge', 'spot', 'cloud_essd')],
  ['DescribeSpotPriceHistory', () => cloud().spotPrices('ecs.c7.xlarge', 1)],
  ['DescribeSpotPriceHistory', () => cloud().spotPriceHistory(POOL, 0, { from: new Date(0), to: new Date(1) })],
  ['DescribeDisks', () => cloud().madeAt('i-bp1')],
  ['DescribeDisks', () => cloud().systemDisk('i-bp1')],
  ['DescribeSpotAdvice', () => cloud().spotAdvice(['ecs.c7.xlarge'])],
  ['DescribePrice', () => cloud().diskPrice({ category: 'cloud_essd', sizeGiB: 40 })],
  ['DescribeInstanceTypes', () => cloud().instanceTypes(requirements)],
  ['DescribeImages', () => cloud().resolveImage('gitlab-spot-java23')],
  ['DescribeImages', () => createImages(rpc()).own()],
  ['DescribeImages', () => createImages(rpc()).newestPublic('acs:ubuntu')],
  ['CreateImage', () => createImages(rpc()).create('i-1', { name: 'n', family: 'f', description: '', tags: {} })],
  ['DescribeRegions', () => createAccount(rpc()).regions()],
  ['DescribeVpcs', () => createAccount(rpc()).vpcs('cn-hangzhou')],
  ['DeleteInstance', () => cloud().deleteInstance('i-bp1')],
  ['DeleteSecurityGroup', () => cloud().deleteSecurityGroup('sg-1')],
  ['DeleteKeyPairs', () => cloud().deleteKeyPair('kp-1')],
];

const profile: Profile = {
  name: 'standard',
  instances: { types: ['ecs.c7.xlarge'] },
  image: 'm-1',
  disk: { category: 'cloud_essd', sizeGiB: 40 },
  spot: { maxPriceYuanPerHour: 1, protectedHour: 'auto', fallback: 'on-demand', afterInterruption: 'spot' },
  internetBandwidthMbps: 0,
  zones: [],
  allow: { projects: [], protectedRefs: false, forks: false },
  debugKeepMaxMs: 0,
};

/** No number of an answer is none, and no text is something else. */
function expectSound(value: unknown): void {
  if (typeof value === 'number') expect(value).not.toBeNaN();
  else if (typeof value === 'object' && value !== null) Object.values(value).forEach(expectSound);
}

describe('answers of the cloud', () => {
  test.each(QUESTIONS)('%s: a clear error, or an answer of the right types', async (action, ask) => {
    await fc.assert(
      fc.asyncProperty(answers(action), async (answer) => {
        answerTo = () => answer;
        expectSound(await clearly(ask));
        expectNoPollution();
      }),
      runs(40, 20),
    );
  });

  test('a page that is no answer is never taken for an empty list', async () => {
    for (const body of [
      '{}',
      '[]',
      'null',
      '{"Instances":{}}',
      '{"RequestId":"x","Instances":{"Instance":[]}}',
      '{"RequestId":"x","TotalCount":3}',
    ]) {
      answerTo = () => ({ status: 200, body });
      for (const [action, ask] of QUESTIONS.slice(0, 5))
        await expect(ask().then((found) => ({ action, body, found }))).rejects.toThrow(/could not be asked/);
    }
  });

  test('what is made of them: a place for a job or a clear error', async () => {
    const market = [
      'DescribeVSwitches',
      'DescribeAvailableResource',
      'DescribeSpotPriceHistory',
      'DescribeSpotAdvice',
    ] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(
          ...market.map((action) =>
            fc.oneof(fc.constant({ status: 200, body: JSON.stringify(ANSWERS[action]) }), answers(action)),
          ),
        ),
        async (given) => {
          answerTo = (action) => given[market.findIndex((one) => one === action)] ?? { status: 404, body: '' };
          const settings = {
            stateDir: mkdtempSync(path.join(directory, 'state-')),
            cloud: { vpcId: 'vpc-1', vSwitchIds: [], region: 'cn-hangzhou' },
          };
          const placement = createPlacement({ cloud: cloud(), settings, now: Date.now });
          const ranking = await clearly(() => placement.candidates({ profile, timeoutMs: 3_600_000, jobKey: 'k' }));
          for (const one of ranking?.candidates ?? []) expect(one.priceYuanPerHour ?? 0).toBeLessThanOrEqual(1);
          expectSound(ranking);
          rmSync(settings.stateDir, { recursive: true });
        },
      ),
      runs(60, 40),
    );
  });

  test('what reap sees: half a picture decides nothing, and a job that runs is never touched', async () => {
    const seen = ['DescribeInstances', 'DescribeSecurityGroups', 'DescribeKeyPairs'] as const;
    await fc.assert(
      fc.asyncProperty(fc.tuple(...seen.map(answers)), hostileText, async (given, name) => {
        answerTo = (action) => given[seen.findIndex((one) => one === action)] ?? { status: 404, body: '' };
        const observations = await clearly(() =>
          observe({
            cloud: cloud(),
            engine: {
              list: () =>
                Promise.resolve([{ name, lastUpdate: name, resourceCount: undefined, updateInProgress: false }]),
            },
            store: { list: () => [], takerOf: () => undefined },
            executorId: 'host-1',
            stateDir: '/s',
            machine: 'm',
            ownBackend: false,
            now: Date.now,
            bootMs: 0,
            hookAlive: () => false,
            destroyerAlive: () => false,
            folderChangedMs: () => undefined,
            askGitLab: () => Promise.resolve({ state: 'active' }),
            warn: () => undefined,
          }),
        );
        for (const one of observations ?? []) {
          expectSound(one.ageMs);
          const { action } = decide(one, { graceMs: 0, allHosts: true, nowMs: Date.now() });
          if (one.gitlab.state === 'running') expect(action).toBe('keep');
          const facts = await clearly(() => factsOf(one.instances[0], cloud()));
          if (facts) expect(Date.parse(facts.createdAt)).not.toBeNaN();
        }
      }),
      runs(60, 40),
    );
  });
});

describe('answers of GitLab', () => {
  const job = { id: 7, status: 'failed', finished_at: '2026-11-24T12:00:00.000Z', name: 'build' };
  const runner = { id: 7, token: 'glrt-abc', token_expires_at: null };
  const given = (valid: unknown): fc.Arbitrary<typeof fetch> =>
    fc.record({ status, body: mutatedText(valid) }).map(
      ({ status, body }) =>
        () =>
          Promise.resolve(new Response(body, { status })),
    );
  const api = (fetch: typeof globalThis.fetch) =>
    gitlabApi({ url: 'https://gitlab.example.com', token: 'glpat-hush', fetch });

  test('about a job: its state or a clear error, without the token', async () => {
    await fc.assert(
      fc.asyncProperty(given(job), async (fetch) => {
        const word = await clearly(() => api(fetch).job('team/app', 7));
        if (word?.state === 'over' && word.finishedAt) expect(word.finishedAt.getTime()).not.toBeNaN();
        await clearly(() => api(fetch).retry('team/app', 7));
      }),
      runs(200, 4),
    );
  });

  test('about a runner: its token or a clear error', async () => {
    await fc.assert(
      fc.asyncProperty(given(runner), async (fetch) => {
        const runners = runnersApi({ url: 'https://gitlab.example.com', fetch });
        const verified = await clearly(() => runners.verify('glrt-abc'));
        if (verified) expect(verified.token).not.toBe('');
        const created = await clearly(() =>
          runners.create(
            { description: 'd', scope: { type: 'instance' }, tags: [], runUntagged: false, protectedRefs: false },
            'glpat-hush',
          ),
        );
        if (created) expect(created.token).toMatch(/^[\w.=-]+$/);
      }),
      runs(200, 4),
    );
  });
});
