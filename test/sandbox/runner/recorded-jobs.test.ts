import { existsSync, readdirSync } from 'node:fs';
import { describeWithFixtures, fixture, fixturePath } from '../../support/fixtures';
import { parseEnvironment } from '../../support/recordings';
import { jobResponse } from '../../../sandbox/runner/driver/job-response';
import { runnerVersion, type RunnerVersionName } from '../../../sandbox/runner/versions';
import { readPayload, runScripted, type ScriptedJob, type ScriptedOptions } from './scripted-hooks';

const VERSIONS: Readonly<Record<string, RunnerVersionName>> = { '19.3.0': '19.3', '17.4.0': '17.4' };

interface Recording {
  /** `config start`, `run-build_script SIGTERM`, `prepare exit 2`, … */
  readonly events: readonly string[];
  /** By the hook's number. */
  readonly environments: readonly Record<string, string>[];
  readonly trace: string;
  readonly final: { state?: string; failure_reason?: string; exit_code?: number };
}

function recording(version: string, name: string): Recording {
  const folder = `gitlab-runner/${version}/${name}`;
  const events = fixture(`${folder}/events.txt`)
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\d+ \d+-/, ''));
  const files = readdirSync(fixturePath(folder)).filter((file) => file.endsWith('.env'));
  const calls = JSON.parse(fixture(`${folder}/gitlab.json`)) as { body?: Recording['final'] }[];
  return {
    events,
    environments: files.sort().map((file) => parseEnvironment(fixture(`${folder}/${file}`))),
    trace: fixture(`${folder}/trace.txt`),
    final: calls.at(-1)?.body ?? {},
  };
}

/** Hooks that end as the recorded ones did: the same exit codes at the same stages, and a sleep where the job was stopped. */
function hooksLike(recorded: Recording): ScriptedOptions {
  const exits = recorded.events.filter((event) => event.startsWith('run-') && /script-exit/.test(event));
  const prepare = recorded.events.find((event) => event.startsWith('prepare exit')) ?? 'prepare exit 0';
  const stopped = recorded.events.find((event) => event.endsWith('SIGTERM'))?.split(' ')[0] ?? 'none';
  const failures = [...new Set(exits)].map((event) => {
    const [stage = '', , code = '1'] = event.replace('run-', '').split(' ');
    return `[ "$2" != ${stage} ] || { [ -z "$BUILD_EXIT_CODE_FILE" ] || echo ${code} > "$BUILD_EXIT_CODE_FILE"; exit 1; }`;
  });
  return {
    prepare: `echo preparing; exit ${prepare.split(' ')[2]}`,
    run: [
      ...failures,
      `[ "run-$2" != ${stopped} ] || { trap 'exit 143' TERM; echo waiting; sleep 100 >/dev/null 2>&1 & wait; }`,
    ].join('\n'),
  };
}

function events(job: ScriptedJob): string[] {
  return job.hooks.flatMap((hook) => [
    `${hook.name} start`,
    ...(hook.exit?.stopped ? [`${hook.name} SIGTERM`] : []),
    `${hook.name} exit ${hook.exit?.code}`,
  ]);
}

const withoutScriptExits = (all: readonly string[]) => all.filter((event) => !event.includes('script-exit'));

/** Sections and the runner's own lines of a trace, without times and without what programs on the machine said. */
function landmarks(trace: string): string[] {
  return [
    ...trace.matchAll(
      /section_(?:start|end):\d+:\w+|(?:WARNING|ERROR): [^\x1b\n]*|Will be retried[^\x1b\n]*|Job succeeded/g,
    ),
  ]
    .map(([found]) => found.replace(/:\d+:/, ':'))
    .filter((line) => !line.includes('Cache file'));
}

/** Instead of the recorded 15 s, so long that a busy machine comes to the stage that it cuts off. */
const SHORT_S = 4;

const replays = new Map<string, Promise<{ recorded: Recording; job: ScriptedJob }>>();

/** One run answers all questions about a case. */
function replay(version: string, name: string): Promise<{ recorded: Recording; job: ScriptedJob }> {
  const key = `${version}/${name}`;
  if (!replays.has(key)) replays.set(key, runAgain(version, name));
  return replays.get(key) as Promise<{ recorded: Recording; job: ScriptedJob }>;
}

async function runAgain(version: string, name: string): Promise<{ recorded: Recording; job: ScriptedJob }> {
  const recorded = recording(version, name);
  const payload = await readPayload(fixturePath(`gitlab-runner/jobs/${name}.json`));
  const cancels = name.includes('cancel');
  const job = await runScripted(
    name.includes('timeout') ? { ...payload, runner_info: { timeout: SHORT_S } } : payload,
    {
      ...hooksLike(recorded),
      version: VERSIONS[version] ?? '19.3',
      onHook: (hook, control) => {
        if (cancels && hook.name === 'run-build_script') control.cancel();
      },
    },
  );
  return { recorded, job };
}

for (const version of Object.keys(VERSIONS)) {
  const folder = `gitlab-runner/${version}`;
  describeWithFixtures(`the stand-in runner as gitlab-runner ${version}`, folder, () => {
    const names = existsSync(fixturePath(folder)) ? readdirSync(fixturePath(folder)) : [];

    test.each(names)('%s: calls the hooks in the recorded order', async (name) => {
      const { recorded, job } = await replay(version, name);
      expect(events(job)).toEqual(withoutScriptExits(recorded.events));
    });

    test.each(names)('%s: gives each hook the recorded environment', async (name) => {
      const { recorded, job } = await replay(version, name);
      job.hooks.forEach((hook, index) => {
        const own = Object.keys(hook.env).filter((key) => !['PATH', 'HOME'].includes(key));
        const expected = { ...recorded.environments[index] };
        expect(own.sort()).toEqual(Object.keys(expected).sort());
        const given: Record<string, string> = {};
        for (const key of own) given[key] = (hook.env[key] ?? '').replace(hook.env['TMPDIR'] ?? '', '@TMPDIR@');
        given['TMPDIR'] = '@TMPDIR@';
        if (name.includes('timeout')) given['CUSTOM_ENV_CI_JOB_TIMEOUT'] = expected['CUSTOM_ENV_CI_JOB_TIMEOUT'] ?? '';
        expect({ hook: hook.name, ...given }).toEqual({ hook: hook.name, ...expected });
      });
    });

    test.each(names)('%s: ends as the recorded job did, and its log has the same sections and words', async (name) => {
      const { recorded, job } = await replay(version, name);
      const { state, failureReason, exitCode } = job.outcome;
      expect({ state, failureReason, exitCode }).toEqual({
        state: recorded.final.state,
        failureReason: recorded.final.failure_reason,
        exitCode: recorded.final.exit_code,
      });
      expect(landmarks(job.log).map((line) => line.replace(`${SHORT_S}s seconds`, '15s seconds'))).toEqual(
        landmarks(recorded.trace),
      );
    });

    test.each(names)('%s: JOB_RESPONSE_FILE is the recorded one', async (name) => {
      const payload = await readPayload(fixturePath(`gitlab-runner/jobs/${name}.json`));
      const recorded = JSON.parse(fixture(`${folder}/${name}/job-response.json`)) as unknown;
      expect(jobResponse(payload, runnerVersion(VERSIONS[version] ?? '19.3'))).toEqual(recorded);
    });
  });
}
