import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { monthOf } from '../billing/ledger';
import { lastReap } from '../reaper/last-run';
import { createAccount } from '../cloud/account';
import { createCloud, createRpc, PERSON_WAITS } from '../cloud/client';
import { placeOf } from '../cloud/host-place';
import { waysOut } from '../cloud/way-out';
import type { Cloud } from '../cloud/types';
import { createEngine } from '../engine';
import { createInspection } from '../engine/inspect';
import { gitlabApi, ProjectHidden } from '../gitlab/api';
import { gitlabFetch } from '../gitlab/fetch';
import { runnersApi } from '../gitlab/runners';
import { clockAhead } from '../host/clock';
import { machineId } from '../host/machine';
import { drainedSince } from '../jobs/drain';
import { RecordStore } from '../jobs/record-store';
import { TAG } from '../jobs/types';
import { asBilled } from '../billing/budget';
import { ledgerOf, unreadable } from '../billing/budget-check';
import { MAX_TRIES } from '../teardown/destroyer';
import { createPlacement } from '../placement';
import { HOOK_FILES } from '../register/config-file';
import { readProfiles } from '../settings/profiles';
import type { Settings } from '../settings/types';
import { createFetch, type Fetch } from '../web/fetch';
import { proxies } from './proxies';
import { accessOf, runningRunner } from './access';
import type { ExamineDependencies } from './examine';
import { realHost } from './host';
import type { RunnerFacts } from './runner';
import { knownJobProgram } from '../engine/job-program';
import { budget, destroys, jobStack, namesakes, reaper, takesJobs } from './upkeep';
import { webhook } from './webhook';

export interface HostFacts {
  /** Where config.toml may be; the first that is there counts. */
  readonly configFiles: readonly string[];
  /** Somebody named it. */
  readonly configNamed: boolean;
  /** The folder that holds the hooks of this installation. */
  readonly hooks: string;
  readonly envFile: string | undefined;
}

/** The real outside world of `doctor`. Tests hand in their own. */
export function examineDependencies(settings: Settings, facts: HostFacts): Omit<ExamineDependencies, 'onFinding'> {
  const rpc = createRpc(settings, PERSON_WAITS);
  const cloud = createCloud(settings, PERSON_WAITS);
  const { token, url } = settings.gitlab;
  const { timeoutMs } = PERSON_WAITS;
  return {
    settings,
    host: realHost(settings.childEnvironment.PATH ?? ''),
    inspection: () => createInspection(settings),
    engine: { list: () => createEngine(settings, cloud).list() },
    profiles: () => readProfiles(settings.profilesFile),
    rpc,
    account: createAccount(rpc),
    cloud,
    placement: createPlacement({ cloud, settings, now: Date.now }),
    runner: runnerFacts(settings, facts),
    runnerUser: () =>
      accessOf(
        runningRunner(facts.configFiles.find((file) => existsSync(file))),
        neededFiles(settings, facts),
        process.getuid?.() ?? 0,
      ),
    gitlab: {
      url,
      retry: settings.gitlab.retry,
      askWithToken:
        token !== undefined && url !== undefined
          ? () => askWithToken(url, token, gitlabFetch(settings, { timeoutMs }))
          : undefined,
      runners: (at, caFiles) => runnersApi({ url: at, fetch: gitlabFetch(settings, { caFiles, timeoutMs }) }),
    },
    cloudClockAhead: (at) => clockAhead(at, createFetch({ environment: settings.childEnvironment, timeoutMs })),
    gitlabClockAhead: (at, caFiles) => clockAhead(at, gitlabFetch(settings, { caFiles, timeoutMs })),
    proxies: (urls) => proxies(urls, settings.childEnvironment),
    hostPlace: () => placeOf(settings),
    waysOut: (vSwitches) => waysOut(rpc, settings.cloud.vpcId, vSwitches),
    cloudUrl: rpc.endpoint('ecs'),
    upkeep: upkeep(settings, cloud),
  };
}

/**
 * Asks about a job that need not exist: a token that GitLab does not take is refused before that.
 */
async function askWithToken(url: string, token: string, fetch: Fetch): Promise<void> {
  await gitlabApi({ url, token, fetch })
    .job(1, 1)
    .catch((error: unknown) => {
      if (!(error instanceof ProjectHidden)) throw error;
    });
}

export function runnerFacts(settings: Settings, { configFiles, configNamed, hooks, envFile }: HostFacts): RunnerFacts {
  return {
    files: configFiles,
    named: configNamed,
    read: (file) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined),
    exists: existsSync,
    hooks,
    envFile,
    settings,
  };
}

function neededFiles(settings: Settings, { configFiles, hooks, envFile }: HostFacts) {
  const read = [
    ...(envFile === undefined ? [] : [envFile]),
    settings.profilesFile,
    ...(settings.pulumi.passphraseFile === undefined ? [] : [settings.pulumi.passphraseFile]),
    ...configFiles.filter((file) => existsSync(file)).slice(0, 1),
    ...Object.values(HOOK_FILES).map((file) => path.join(hooks, file)),
  ];
  return [
    ...read.map((file) => ({ file, access: 'read' as const })),
    { file: settings.stateDir, access: 'write' as const },
  ];
}

/** No job has run here: there is no record and no ledger. */
function isNew(stateDir: string): boolean {
  return new RecordStore(stateDir).list().length === 0 && !existsSync(path.join(stateDir, 'ledger'));
}

function upkeep(settings: Settings, cloud: Pick<Cloud, 'findInstances'>): ExamineDependencies['upkeep'] {
  return [
    {
      condition: 'machine',
      look: async () =>
        namesakes(settings, machineId(settings.stateDir), [
          ...(await cloud.findInstances({ [TAG.executor]: settings.executorId })).map(({ tags }) => tags[TAG.machine]),
          ...new RecordStore(settings.stateDir).list().map(({ record }) => record?.machine),
        ]),
    },
    { condition: "job's stack", look: () => jobStack(knownJobProgram(settings.stateDir)) },
    { condition: 'new jobs', look: () => takesJobs(drainedSince(settings.stateDir)) },
    { condition: 'reaper', look: () => reaper(lastReap(settings.stateDir), Date.now(), isNew(settings.stateDir)) },
    {
      condition: 'destroys',
      look: () =>
        destroys(
          new RecordStore(settings.stateDir).list().flatMap(({ record }) => record ?? []),
          MAX_TRIES,
        ),
    },
    { condition: 'webhook', look: () => webhook(settings) },
    {
      condition: 'budget',
      look: async () => {
        const ledger = ledgerOf(settings);
        const [month, store] = [monthOf(new Date()), new RecordStore(settings.stateDir)];
        const spent = await ledger.spentOn(month);
        const records = store.list().flatMap(({ record }) => record ?? []);
        const billed = asBilled(settings.budget, records, spent);
        return budget(billed, spent.get(billed.currency) ?? [], await unreadable(ledger, month, store));
      },
    },
  ];
}
