import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from '../support/property';
import { stringify } from 'yaml';
import { entryOf } from '../../src/billing/cost';
import { costPage } from '../../src/billing/cost-page';
import { Ledger } from '../../src/billing/ledger';
import { decide } from '../../src/reaper/decide';
import { observe } from '../../src/reaper/observe';
import { summarize } from '../../src/billing/report';
import { runningCli } from '../../src/engine/cli';
import { failureOf } from '../../src/engine/diagnostics';
import { isStale, locksIn } from '../../src/engine/locks';
import { backendDirectory, cliEnvironment } from '../../src/engine/workspace';
import { ConfigurationError } from '../../src/errors';
import { readHookContext } from '../../src/gitlab/contract';
import { jobEnv } from '../support/job-env';
import { machineId } from '../../src/host/machine';
import { queueLength } from '../../src/host/queue';
import { countAttempt, countedAttempts } from '../../src/jobs/attempts';
import { RecordCorrupt, RecordStore } from '../../src/jobs/record-store';
import type { JobRecord } from '../../src/jobs/types';
import { markForDestroy } from '../../src/teardown/clean-up';
import { destroyPending } from '../../src/teardown/destroyer';
import { PlacementMemory, refusalOf } from '../../src/placement';
import { chooseProfile } from '../../src/settings/choose-profile';
import { parseProfiles } from '../../src/settings/profiles';
import { readSettings } from '../../src/settings/settings';
import { destroyingRecord, instanceFacts, preparingRecord } from '../support/job-record';
import { ledgerEntry } from '../support/ledger-entry';
import { clearly, expectClear, expectNoPollution, hostileText, mutated, mutatedText, runs, spoiled } from './support';

/**
 * Files on the host: instances.yaml, the env file, and all that the executor itself wrote, damaged
 * in any way.
 */
let directory: string;
let case_ = 0;
beforeAll(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'fuzz-files-'))));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A folder of its own for one case. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = path.join(directory, String(case_++));
  mkdirSync(folder);
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('instances.yaml', () => {
  const PAGE = {
    default: 'standard',
    profiles: {
      standard: {
        types: ['ecs.c7.xlarge', 'ecs.u1-c1m2.xlarge'],
        image: 'gitlab-spot-java23',
        disk: { category: 'cloud_essd', sizeGiB: 40 },
        spot: { maxPrice: 0.4, protectedHour: 'auto', fallback: 'on-demand' },
        debugKeepMax: '1h',
        zones: ['cn-hangzhou-k'],
      },
      gpu: { vcpu: 4, memoryGiB: 8, gpus: 1, allow: { projects: ['ml/*'], protectedRefs: true } },
    },
  };
  const bomb = (levels: number): string =>
    [
      'a0: &a0 [x, x, x, x, x, x, x, x, x]',
      ...Array.from({ length: levels }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
      'default: a',
      `profiles: *a${levels}`,
    ].join('\n');
  const yaml = fc.oneof(
    { weight: 4, arbitrary: mutated(PAGE).map((value) => stringify(value)) },
    { weight: 4, arbitrary: spoiled(mutated(PAGE, 1).map((value) => stringify(value))) },
    { weight: 1, arbitrary: hostileText },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        bomb(3),
        bomb(12),
        'a: &a [*a]',
        'default: &x a\nprofiles: { *x : { types: [ecs.c7.large], image: m-1 } }',
        'default: a\nprofiles:\n  a: &p { types: [ecs.c7.large], image: m-1 }\n  b: { <<: *p }',
        'default: !!js/function "function () { return 1 }"\nprofiles: {}',
        'default: !!binary aGVsbG8=\nprofiles: !!set { a }',
        '--- 1\n--- 2\n',
        '%YAML 9.9\n---\ndefault: a\n',
        `default: a\nprofiles: ${'['.repeat(3_000)}`,
        `${'- '.repeat(3_000)}x`,
        `${'? '.repeat(500)}x`,
        'default: a\ndefault: b\nprofiles: {}',
        '\t\tdefault: a',
      ),
    },
  );

  test('mutated: the page, or an error that names file, place and remedy, quickly', async () => {
    await fc.assert(
      fc.asyncProperty(yaml, async (text) => {
        const began = process.cpuUsage();
        try {
          const page = parseProfiles(text, '/etc/instances.yaml');
          const profile = chooseProfile(page, {
            choice: { profile: undefined, debugKeepMs: undefined, noRetry: false },
            project: { id: 1, path: 'ml/app' },
            ref: { name: 'main', protected: true },
            verified: true,
          });
          expect(profile.image).toMatch(/^[\w.:-]+$/);
          expect(profile.debugKeepMaxMs).not.toBeNaN();
        } catch (error) {
          expectClear(error);
          if (!(error instanceof ConfigurationError)) return;
          expect(error.message).toMatch(/^\/etc\/instances\.yaml is not right: \S/);
          expect(error.remedy).not.toBe('');
        }
        expectNoPollution();
        expect(process.cpuUsage(began).user).toBeLessThan(3_000_000);
      }),
      runs(300, 4),
    );
  });
});

describe('settings', () => {
  const FINE = {
    ALICLOUD_REGION: 'cn-hangzhou',
    ALICLOUD_ACCESS_KEY: 'LTAI5tHush',
    ALICLOUD_SECRET_KEY: 'xxxxxxxxxxxxsecret-of-the-host',
    GITLAB_SPOT_VPC_ID: 'vpc-1',
    GITLAB_SPOT_GITLAB_TOKEN: 'glpat-xxxxxxsecret-of-the-host',
  };
  const NAMES = [
    ...['GITLAB_SPOT_PROFILES_FILE', 'GITLAB_SPOT_EXECUTOR_ID', 'PULUMI_BACKEND_URL', 'PULUMI_CONFIG_PASSPHRASE_FILE'],
    ...[
      'ALICLOUD_REGION',
      'GITLAB_SPOT_VPC_ID',
      'GITLAB_SPOT_VSWITCH_IDS',
      'GITLAB_SPOT_EXECUTOR_CIDR',
      'ECS_ENDPOINT',
    ],
    ...['GITLAB_SPOT_PUBLIC_ADDRESS', 'GITLAB_SPOT_SSH_PORT', 'GITLAB_SPOT_SSH_USER', 'GITLAB_SPOT_BUILDS_DIR'],
    ...['GITLAB_SPOT_BOOT_TIMEOUT', 'GITLAB_SPOT_CONCURRENT_UPS', 'GITLAB_SPOT_CLEANUP', 'GITLAB_SPOT_GITLAB_URL'],
    ...[
      'GITLAB_SPOT_BUDGET',
      'GITLAB_SPOT_BUDGET_PER_PROJECT',
      'GITLAB_SPOT_RUNNER_HELPER',
      'GITLAB_SPOT_METADATA_URL',
    ],
    ...['GITLAB_SPOT_CACHE_DIR', 'PULUMI_CONFIG_PASSPHRASE', 'HTTPS_PROXY', 'UNKNOWN'],
  ];
  const lines = (values: Readonly<Record<string, string>>): string =>
    Object.entries(values)
      .map(([name, value]) => `${name}=${value}\n`)
      .join('');
  const file = fc
    .dictionary(fc.constantFrom(...NAMES), hostileText, { maxKeys: 4 })
    .map((more) => lines({ ...FINE, ...more }));

  test('of an env file, mutated: settings that hold what they say, or an error that names the variable and no secret', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(file, spoiled(file)), (text) =>
        inFolder(async (folder) => {
          const envFile = path.join(folder, 'env');
          writeFileSync(envFile, text, { mode: 0o600 });
          try {
            const settings = readSettings({
              GITLAB_SPOT_ENV_FILE: envFile,
              GITLAB_SPOT_STATE_DIR: path.join(folder, 'state'),
              PATH: '/usr/bin',
            });
            if (settings.gitlab.url !== undefined) expect(() => new URL(settings.gitlab.url!)).not.toThrow();
            for (const value of Object.values(settings.limits)) expect(value).toBeGreaterThan(0);
            // What goes into a command line or a URL of ours.
            for (const word of [
              settings.ssh.user,
              settings.buildsDir,
              settings.cacheDir,
              settings.executorId,
              settings.metadataUrl,
              settings.cloud.region,
            ])
              expect(word).toMatch(/^[\w.:/{}?&=%@,;+~#*()[\]$!'"<>|^`\\-]*$/);
            backendDirectory(settings.pulumi.backendUrl);
            if (!settings.pulumi.backendUrl.startsWith('file://') && settings.pulumi.passphraseFile?.startsWith(folder))
              cliEnvironment(settings);
            for (const value of Object.values(settings.childEnvironment)) expect(value).not.toContain('\0');
          } catch (error) {
            expectClear(error);
            expect(error).toBeInstanceOf(ConfigurationError);
            expect(error.message).toMatch(/[A-Z]{3,}/);
            expect(error.message).not.toMatch(/secret-of-the-host/);
          }
        }),
      ),
      runs(300, 4),
    );
  });
});

const RECORDS: readonly JobRecord[] = [
  preparingRecord(),
  { ...preparingRecord(), phase: 'running', instance: instanceFacts, releaseAt: '2026-11-24T14:00:00Z' },
  {
    ...preparingRecord(),
    phase: 'lost',
    instance: instanceFacts,
    loss: { reason: 'interrupted', at: '2026-11-24T13:00:00Z', sentence: 'Gone.' },
  },
  {
    ...destroyingRecord(),
    stages: [{ stage: 'build_script', startedAt: '2026-11-24T12:10:00Z', durationMs: 1, exitCode: 0 }],
    tried: [{ pool: instanceFacts.pool, code: 'OperationDenied.NoStock', at: '2026-11-24T12:10:00Z' }],
  },
];
const STACK = preparingRecord().identity.stackName;
const recordText = fc.constantFrom(...RECORDS).chain((record) => mutatedText(JSON.parse(JSON.stringify(record))));

describe('what the executor itself wrote', () => {
  test('a damaged record is told as such, harms no other stack, and keeps neither cleanup nor reap from their work', async () => {
    await fc.assert(
      fc.asyncProperty(recordText, (text) =>
        inFolder(async (folder) => {
          const store = new RecordStore(folder);
          mkdirSync(store.files(STACK).directory, { recursive: true });
          writeFileSync(store.files(STACK).record, text);
          let record: JobRecord | undefined;
          try {
            record = store.read(STACK);
          } catch (error) {
            expect(error).toBeInstanceOf(RecordCorrupt);
          }
          if (record) {
            expect(record.identity.stackName).toBe(STACK);
            const entry = entryOf(record, new Date());
            if (entry) {
              expect(JSON.stringify(entry)).not.toContain('null');
              await new Ledger(path.join(folder, 'ledger')).put(entry);
              expect(
                await new Ledger(path.join(folder, 'ledger')).entries({ from: '0000-01-01', to: '9999-12-31' }),
              ).toMatchObject({ unreadable: 0 });
            }
          }
          const observations = await observe({
            cloud: { findInstances: async () => [], findSecurityGroups: async () => [], findKeyPairs: async () => [] },
            engine: { list: async () => [] },
            store,
            executorId: 'host-1',
            stateDir: '/s',
            machine: machineId(folder),
            ownBackend: true,
            now: Date.now,
            bootMs: 0,
            hookAlive: () => false,
            destroyerAlive: () => false,
            folderChangedMs: () => 0,
            askGitLab: undefined,
            warn: () => undefined,
          });
          expect(
            observations.map((one) => decide(one, { graceMs: 0, allHosts: false, nowMs: Date.now() }).action),
          ).toEqual([expect.stringMatching(/^(destroy|adopt|keep|report)$/)]);

          const context = readHookContext(jobEnv());
          const settings = readSettings({ GITLAB_SPOT_ENV_FILE: '', GITLAB_SPOT_STATE_DIR: folder }, { cloud: false });
          markForDestroy(context.job, { settings, store, now: Date.now, status: 'failed' });
          const destroyed: string[] = [];
          let nowMs = Date.now();
          await destroyPending({
            settings,
            store,
            engine: { destroy: async (name) => (destroyed.push(name), { instanceGoneAt: undefined }) },
            log: () => undefined,
            now: () => nowMs,
            pause: async (ms) => void (nowMs += ms),
            onGone: async () => undefined,
          });
          expect(new Set(destroyed).size).toBeLessThanOrEqual(1);
          expect(destroyed.every((name) => name === STACK)).toBe(true);
        }),
      ),
      runs(150, 20),
    );
  });

  test('a ledger with damaged lines gives the whole ones, and loses nothing when it is folded', async () => {
    const entry = JSON.parse(JSON.stringify(ledgerEntry())) as unknown;
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutatedText(entry), { maxLength: 4 }),
        fc.array(mutatedText(entry), { maxLength: 3 }),
        (lines, files) =>
          inFolder(async (folder) => {
            const day = path.join(folder, '2026-11-24');
            mkdirSync(day);
            // A line can't hold its own end.
            const text = lines.map((line) => line.replace(/[\r\n]/g, ' ')).join('\n');
            writeFileSync(`${day}.jsonl`, text);
            files.forEach((one, index) => writeFileSync(path.join(day, `job-${index}@i.json`), one));
            const ledger = new Ledger(folder);
            await ledger.put(ledgerEntry({ instanceId: 'i-sound' }));
            const range = { from: '2026-11-01', to: '2026-11-30' };
            const before = await ledger.entries(range);
            expect(before.entries.map(({ instanceId }) => instanceId)).toContain('i-sound');
            costPage({
              entries: before.entries,
              range,
              generatedAt: new Date(0),
              yearly: { vcpu: 4, memoryGiB: 8, yuanPerYear: 1 },
            });
            summarize(before.entries, 'job');
            await ledger.fold('2026-11-25');
            expect(await ledger.entries(range)).toEqual(before);
            expect(existsSync(path.join(day, 'job-gitlab.example.com-1001-1@i-sound.json'))).toBe(false);
          }),
      ),
      runs(100, 20),
    );
  });

  test('placement’s memory, damaged, is forgotten', async () => {
    const pool = instanceFacts.pool;
    const failure = { pool, code: 'OperationDenied.NoStock', atMs: 1_000 };
    const losses = { pools: [pool], atMs: 1_000 };
    await fc.assert(
      fc.asyncProperty(mutatedText(failure), mutatedText(losses), (first, second) =>
        inFolder(async (folder) => {
          const memory = new PlacementMemory(folder, () => 2_000);
          await memory.remember(pool, 'x');
          await memory.rememberLoss('k', pool);
          for (const [kind, text] of [
            ['failures', first],
            ['losses', second],
          ] as const) {
            for (const name of readdirSync(path.join(folder, kind))) writeFileSync(path.join(folder, kind, name), text);
          }
          for (const one of await memory.failures()) expect(refusalOf(one.code).meaning).not.toBe('');
          for (const one of await memory.losses('k')) expect(typeof one.zoneId).toBe('string');
          await memory.rememberLoss('k', pool);
          expect((await memory.losses('k')).length).toBeGreaterThan(0);
        }),
      ),
      runs(100, 20),
    );
  });

  test('tickets, counters and pids that are none keep nobody waiting and name no process', async () => {
    const owner = { pid: 1, startTicks: '0', bootId: 'b', pidNamespace: 'p' };
    await fc.assert(
      fc.asyncProperty(mutatedText({ owner }), mutatedText(owner), hostileText, (ticket, cli, counter) =>
        inFolder(async (folder) => {
          const queue = path.join(folder, 'queue');
          mkdirSync(queue);
          writeFileSync(path.join(queue, '00000000000000000001'), ticket);
          expect(queueLength({ directory: queue, slots: 1 })).toBeLessThanOrEqual(1);
          writeFileSync(path.join(folder, 'cli.json'), cli);
          expect(runningCli(folder)).toBeUndefined();
          const job = { serverUrl: 'https://gitlab.example.com', jobId: 7 };
          countAttempt(folder, job, 0);
          writeFileSync(path.join(folder, 'attempts', 'job-gitlab.example.com-7-0'), counter);
          const counted = countedAttempts(folder, job);
          expect(Number.isSafeInteger(counted) && counted >= 0).toBe(true);
          expect(countAttempt(folder, job, 0)).toBe(counted + 1);
        }),
      ),
      runs(100, 20),
    );
  });
});

describe('what the engine says', () => {
  const FAILURE = refusalText();
  test('when it fails, mutated: one clear sentence', async () => {
    await fc.assert(
      fc.asyncProperty(spoiled(fc.constant(FAILURE)), spoiled(fc.constant(FAILURE)), async (stderr, diagnostic) => {
        await clearly(() => {
          throw failureOf({ verb: 'up', diagnostics: [diagnostic], stdout: '', stderr, exitCode: 255 });
        });
        for (const lock of locksIn(stderr)) isStale(lock, STACK, Date.now());
      }),
      runs(300, 2),
    );
  });
});

/** What the real CLI prints of a refused instance, and of a lock. */
function refusalText(): string {
  return [
    'error: update failed',
    '  alicloud:ecs:Instance (job-1):',
    '    error: 1 error occurred:',
    '    \t* [ERROR] terraform-provider-alicloud/resource.go:1: Resource alicloud_instance RunInstances Failed!!! [SDK alibaba-cloud-sdk-go ERROR]:',
    '    SDK.ServerError',
    '    ErrorCode: OperationDenied.NoStock',
    '    Message: code: 400, The requested resource is sold out. request id: 473469C7',
    'error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.',
    '  file:///backend/.pulumi/locks/organization/gitlab-spot/job-1/a.json: created by root@vm (pid 13228) at 2026-11-24T13:14:21Z',
  ].join('\n');
}
