import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import fc from '../support/property';
import { reserved } from '../../src/billing/budget-check';
import type { CloudInstance } from '../../src/cloud/types';
import type { HookContext } from '../../src/gitlab/contract';
import { outcomeOf } from '../../src/hooks/outcome';
import { RecordStore } from '../../src/jobs/record-store';
import { createStageRunner, DEFAULT_INTERPRETER } from '../../src/ssh';
import { runStage } from '../../src/stages/run-stage';
import { cloudInstance, keptLog } from '../support/fakes';
import { instanceFacts, preparingRecord } from '../support/job-record';
import { acts, owned } from './owned-instance';
import { runs } from './support';

/** Any text will do: this server runs nothing. */
const SCRIPT = __filename;

/** What the cloud says of the instance; an error: it can't be asked. */
const cloudSays = fc.constantFrom<CloudInstance | undefined | Error>(
  cloudInstance(),
  cloudInstance({ status: 'Stopped' }),
  cloudInstance({ recycling: true }),
  undefined,
  new Error('Throttling'),
);

const record = {
  ...preparingRecord(),
  phase: 'running' as const,
  instance: instanceFacts,
  projectId: 42,
  reservedYuan: 0.9,
  jobKey: 'gitlab.example.com 1 build',
};
const other = { ...preparingRecord(2002), project: 'team/other', projectId: 7, reservedYuan: 0.5 };

test(
  'a stage on an instance that a job owns ends in order, and touches no other job, pool or budget',
  async () => {
    await fc.assert(
      fc.asyncProperty(acts, cloudSays, async (plan, says) => {
        const stateDir = mkdtempSync(path.join(os.tmpdir(), 'fuzz-instance-'));
        const server = await owned(plan);
        const store = new RecordStore(stateDir);
        const { address, port: sshPort, hostPublicKey } = server.target;
        store.write({ ...record, instance: { ...instanceFacts, address, sshPort, hostPublicKey } });
        store.write(other);
        const { stackName } = record.identity;
        writeFileSync(store.files(stackName).privateKey, server.target.privateKey, { mode: 0o600 });
        const others = readFileSync(store.files(other.identity.stackName).record, 'utf8');
        const held = reserved(store);
        const log = keptLog();
        const output = new PassThrough().resume();
        const losses: boolean[] = [];
        const limit = new AbortController();
        const timer = setTimeout(() => limit.abort(new Error('cancelled')), 1_500);
        const startMs = Date.now();
        try {
          const project = { id: 42, path: record.project };
          const job = {
            serverUrl: record.serverUrl,
            project,
            jobId: 1001,
            attempt: 1,
            files: {},
            exitCodes: { buildFailure: 91, systemFailure: 92 },
          };
          const ended = await runStage(
            { job } as unknown as HookContext,
            { scriptFile: SCRIPT, stage: 'build_script' },
            {
              settings: { limits: { reconnectMs: 200 }, metadataUrl: '' } as never,
              store,
              stages: createStageRunner({ graceMs: 50, askMs: 20, futileTries: 3, refusalMs: 100 }),
              interpreter: DEFAULT_INTERPRETER,
              loadLookup: () =>
                Promise.resolve({
                  describeInstance: () => (says instanceof Error ? Promise.reject(says) : Promise.resolve(says)),
                  rememberLoss: (_key, pool, { confirmed }) => {
                    expect(pool).toEqual(instanceFacts.pool);
                    losses.push(confirmed);
                    return Promise.resolve();
                  },
                }),
              log,
              output,
              now: Date.now,
              signal: limit.signal,
            },
          ).catch((error: unknown) => error);
          if (typeof ended === 'number') expect([0, 91]).toContain(ended);
          else {
            const { exitCode, message } = outcomeOf(ended, { buildFailure: 91, systemFailure: 92 });
            expect(exitCode).toBe(92);
            expect(message).not.toMatch(/defect of gitlab-spot|\n {4}at /);
            expect(message.length).toBeLessThan(3_000);
          }
          expect(Date.now() - startMs).toBeLessThan(25_000);
          // Told once, at most.
          expect(log.lines.filter((line) => /takes this spot instance back/.test(line)).length).toBeLessThanOrEqual(1);
          // What the instance says of itself counts for others only where the cloud says it too.
          const confirmedByCloud = says === undefined || (!(says instanceof Error) && says.recycling);
          if (!confirmedByCloud) expect(losses).not.toContain(true);
          const now = store.read(stackName)!;
          expect(now).toMatchObject({
            projectId: 42,
            project: record.project,
            reservedYuan: 0.9,
            identity: record.identity,
          });
          expect(['running', 'lost']).toContain(now.phase);
          expect(readFileSync(store.files(other.identity.stackName).record, 'utf8')).toBe(others);
          expect(reserved(store)).toEqual(held);
        } finally {
          clearTimeout(timer);
          await server.stop();
          rmSync(stateDir, { recursive: true, force: true });
        }
      }),
      runs(25),
    );
  },
  Number(process.env.FUZZ_RUNS ?? 0) > 0 ? 3 * 3_600_000 : 120_000,
);
