import type { LedgerEntry } from '../../src/billing/types';

/** An 8-minute job on a 4c8g spot instance, as a line of the ledger. */
export function ledgerEntry(change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    version: 1,
    stack: 'job-gitlab.example.com-1001-1',
    executorId: 'runner-1',
    server: 'gitlab.example.com',
    jobId: 1001,
    attempt: 1,
    project: 'team/app',
    ref: 'main',
    jobName: 'build',
    userLogin: 'root',
    profile: 'standard',
    instanceId: 'i-1',
    instanceType: 'ecs.c7.xlarge',
    zoneId: 'cn-hangzhou-h',
    market: 'spot',
    priceYuanPerHour: 0.155,
    onDemandYuanPerHour: 0.815,
    from: '2026-11-24T10:00:00.000Z',
    to: '2026-11-24T10:08:00.000Z',
    seconds: 480,
    yuan: 0.020667,
    readySeconds: 25,
    result: 'success',
    interrupted: false,
    ...change,
  };
}
