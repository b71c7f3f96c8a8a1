import { jobIdentity } from '../../src/jobs/identity';
import type { InstanceFacts, JobRecord } from '../../src/jobs/types';

const AT = '2026-11-24T12:00:00.000Z';

/** A job whose prepare has just begun. */
export function preparingRecord(jobId = 1001, attempt = 1): Extract<JobRecord, { phase: 'preparing' }> {
  return {
    version: 2,
    phase: 'preparing',
    identity: jobIdentity('https://gitlab.example.com', jobId, attempt),
    executorId: 'host-1',
    serverUrl: 'https://gitlab.example.com',
    project: 'root/demo',
    ref: 'main',
    jobName: 'build',
    userLogin: 'root',
    profile: 'standard',
    timeoutMs: 3_600_000,
    startedAt: AT,
    releaseAt: undefined,
    heartbeatAt: AT,
    hookPid: undefined,
    tried: [],
    stages: [],
  };
}

/** A job that is over, whose instance is to go. */
export function destroyingRecord(jobId = 1001): Extract<JobRecord, { phase: 'destroying' }> {
  return {
    ...preparingRecord(jobId),
    phase: 'destroying',
    instance: instanceFacts,
    result: 'success',
    endedAt: '2026-11-24T13:00:00.000Z',
    notBefore: undefined,
    tries: 0,
  };
}

export const instanceFacts: InstanceFacts = {
  instanceId: 'i-1',
  address: '10.0.0.9',
  sshPort: 22,
  sshUser: 'root',
  hostPublicKey: 'ssh-ed25519 AAAA',
  pool: { zoneId: 'z', vSwitchId: 'v', instanceType: 'ecs.c7.xlarge', market: 'spot' },
  priceYuanPerHour: 0.155,
  onDemandYuanPerHour: 0.815,
  createdAt: AT,
  readyAt: AT,
};
