import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import type { SimulatedSpares } from './spare-keeper';
import { simulate, type Day, type Outcome, type Plant } from './simulation';

/**
 * What one host and one account of ours look like; docs/scale.md says where each figure comes from.
 */
const plant: Plant = {
  hosts: 1,
  concurrentJobs: 60,
  concurrentUps: 4,
  upSeconds: 12,
  acceptSeconds: 3,
  acceptedUps: 6,
  bootSeconds: 20,
  concurrentDestroys: 2,
  destroySeconds: 12,
  cpuSecondsPerJob: 3,
  cores: 2,
  vcpuPerInstance: 4,
  vcpuQuota: 1000,
  securityGroupQuota: 100,
  securityGroup: 'own',
  apiCallsPerJob: {},
  apiCallsPerMinute: 1000,
  memoryMiB: { always: 350, job: 17, up: 175 },
  hotSeconds: 0.9,
};

/** ecs.c7.xlarge's spot price with 40 GiB of PL0 (docs/profiles.md). */
const YUAN_AN_HOUR = 0.155 + 0.042;

/**
 * As one job makes them (test/fixtures/alicloud, and the simulated cloud's own list); prices and
 * stock are asked once a minute for all.
 */
const CALLS = {
  DescribeInstances: 15,
  DescribeDisks: 3,
  DescribeKeyPairs: 2,
  DeleteInstance: 2,
  RunInstances: 1,
  ImportKeyPair: 1,
  DeleteKeyPairs: 1,
  DescribeUserData: 1,
  ModifyInstanceMetadataOptions: 1,
};
const CALLS_OF_OWN_GROUP = {
  DescribeSecurityGroupAttribute: 5,
  DescribeSecurityGroups: 2,
  CreateSecurityGroup: 1,
  ModifySecurityGroupPolicy: 1,
  AuthorizeSecurityGroup: 1,
  RevokeSecurityGroup: 1,
  DeleteSecurityGroup: 1,
};
const CALLS_BY_GROUP = { own: { ...CALLS, ...CALLS_OF_OWN_GROUP }, shared: CALLS } as const;

async function main(): Promise<void> {
  const args = await yargs(hideBin(process.argv))
    .scriptName('npm run scale --')
    .usage('$0 [options]\n\nSimulates a day of jobs: how far one runner host goes, and what more of them change.')
    .options({
      jobs: { type: 'number', default: 10_000, describe: 'jobs a day' },
      hosts: { type: 'string', default: '1,2,4', describe: 'runner hosts, one run for each number' },
      ups: {
        type: 'number',
        default: plant.concurrentUps,
        describe: 'concurrent ups of a host (GITLAB_SPOT_CONCURRENT_UPS)',
      },
      accepted: {
        type: 'number',
        default: plant.acceptedUps,
        describe: 'accepted instances that ups of a host wait for beyond those (GITLAB_SPOT_ACCEPTED_UPS)',
      },
      destroys: {
        type: 'number',
        default: plant.concurrentDestroys,
        describe: 'concurrent destroys of a host (GITLAB_SPOT_CONCURRENT_DESTROYS)',
      },
      concurrent: {
        type: 'number',
        default: plant.concurrentJobs,
        describe: 'jobs a host takes at a time (concurrent in config.toml)',
      },
      'api-per-minute': {
        type: 'number',
        default: plant.apiCallsPerMinute,
        describe: 'API calls of each action that the account may make a minute (Quota Center has yours)',
      },
      'up-seconds': { type: 'number', default: plant.upSeconds, describe: 'how long one up holds its slot' },
      'security-groups': {
        type: 'number',
        default: plant.securityGroupQuota,
        describe: 'security groups a region may have',
      },
      'security-group': {
        type: 'string',
        default: 'own,shared',
        describe: 'a group for each job, or one for all; one run for each',
      },
      vcpu: { type: 'number', default: plant.vcpuQuota, describe: 'vCPU quota for spot instances' },
      'job-minutes': { type: 'number', default: 4, describe: 'median length of a job' },
      stages: {
        type: 'string',
        default: '',
        describe: 'jobs of each stage of a pipeline, such as 1,3,1; left out: five jobs at once',
      },
      spares: {
        type: 'string',
        default: '',
        describe: 'as in instances.yaml: auto, or keep; a run without any and one with each, such as auto,2,5',
      },
      max: { type: 'number', default: 20, describe: 'spares of a host at most, where they are made for expected jobs' },
      seed: { type: 'number', default: 1 },
      json: { type: 'boolean', default: false },
    })
    .strict()
    .parse();
  const day: Day = {
    jobs: args.jobs,
    workShare: 0.85,
    jobSeconds: args['job-minutes'] * 60,
    jobSpread: 0.8,
    pipelineJobs: 5,
    stages: args.stages === '' ? undefined : args.stages.split(',').map(Number),
    seed: args.seed,
  };
  const spares = args.spares === '' ? [] : args.spares.split(',').map((text) => sparesOf(text, args.max));
  const securityGroups = args.securityGroup.split(',').map((text): Plant['securityGroup'] => {
    if (text === 'own' || text === 'shared') return text;
    throw new Error(`--security-group takes own, shared or both, not "${text}"`);
  });
  const runs = args.hosts.split(',').flatMap((text) => securityGroups.map((group) => ({ text, group })));
  const outcomes = runs.flatMap(({ text, group }) => {
    const hosts = Number(text);
    if (!Number.isInteger(hosts) || hosts < 1)
      throw new Error(`--hosts takes whole numbers such as 1,2,4, not "${text}"`);
    const changed = {
      hosts,
      concurrentJobs: args.concurrent,
      concurrentUps: args.ups,
      acceptedUps: args.accepted,
      concurrentDestroys: args.destroys,
      apiCallsPerMinute: args['api-per-minute'],
      upSeconds: args['up-seconds'],
      securityGroupQuota: args['security-groups'],
      vcpuQuota: args.vcpu,
      securityGroup: group,
      apiCallsPerJob: CALLS_BY_GROUP[group],
    };
    return [undefined, ...spares].map((one) => ({
      hosts,
      securityGroup: group,
      spares: one?.name ?? 'none',
      ...simulate(day, { ...plant, ...changed, spares: one }),
    }));
  });
  if (args.json) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
  else process.stdout.write(spares.length > 0 ? sparesTable(outcomes) : table(outcomes));
}

function sparesOf(text: string, max: number): SimulatedSpares & { readonly name: string } {
  if (text === 'auto') return { name: text, keep: 0, max, when: '07:00-22:00' };
  const keep = Number(text);
  if (!Number.isInteger(keep) || keep < 1) throw new Error(`--spares takes auto or whole numbers, not "${text}"`);
  return { name: `keep ${keep}`, keep, max: keep, when: '09:00-19:00' };
}

type Run = Outcome & { readonly hosts: number; readonly securityGroup: string; readonly spares: string };

/** What a second costs: the same day without spares and with them. */
function sparesTable(runs: readonly Run[]): string {
  const head = ['hosts', 'spares', 'first line p50', 'p95', 'hot', 'yuan', 'more', 'waited', 'waited 22-07'];
  const yuan = ({ machineSeconds }: Run): number => (machineSeconds / 3600) * YUAN_AN_HOUR;
  const lines = runs.map((run) => {
    const { hosts, securityGroup } = run;
    const none = runs.find(
      (one) => one.spares === 'none' && one.hosts === hosts && one.securityGroup === securityGroup,
    )!;
    return [
      hosts,
      run.spares,
      `${run.readySeconds.median.toFixed(1)} s`,
      `${run.readySeconds.p95.toFixed(1)} s`,
      `${(run.hotShare * 100).toFixed(0)} %`,
      yuan(run).toFixed(1),
      `${((run.machineSeconds / none.machineSeconds - 1) * 100).toFixed(1)} %`,
      `${(run.waitedSeconds / 3600).toFixed(1)} h`,
      `${run.waitedAtNightSeconds.toFixed(0)} s`,
    ];
  });
  return aligned([head, ...lines]);
}

function table(outcomes: readonly Run[]): string {
  const head = [
    'hosts',
    'group',
    'jobs',
    'ready p50',
    'p95',
    'max',
    'wait runner p95',
    'wait up p95',
    'wait quota p95',
    'wait API p95',
    'peak jobs',
    'peak vCPU',
    'groups',
    'API/min of',
    'CPU',
    'memory',
  ];
  const s = (seconds: number) => `${seconds.toFixed(0)} s`;
  const lines = outcomes.map((o) => [
    o.hosts,
    o.securityGroup,
    o.jobs,
    s(o.readySeconds.median),
    s(o.readySeconds.p95),
    s(o.readySeconds.max),
    s(o.waitRunner.p95),
    s(o.waitUp.p95),
    s(o.waitQuota.p95),
    s(o.waitApi.p95),
    o.peak.runningJobs,
    o.peak.vcpu,
    o.peak.securityGroups,
    `${o.peak.apiCallsPerMinute} ${o.peak.busiestAction}`,
    `${Math.round(o.peakCpuShare * 100)} %`,
    `${(o.peakMemoryMiB / 1024).toFixed(1)} GiB`,
  ]);
  return aligned([head, ...lines]);
}

function aligned(rows: readonly (readonly (string | number)[])[]): string {
  const all = rows.map((line) => line.map(String));
  const widths = all[0]!.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  return all.map((line) => `${line.map((cell, column) => cell.padStart(widths[column]!)).join('  ')}\n`).join('');
}

main().catch((error: unknown) => {
  process.stderr.write(`scale: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
