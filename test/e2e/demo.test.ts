import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { builtFolder } from '../../sandbox/start';
import { makeRepository } from '../sandbox/runner/local-hooks';

interface Report {
  readonly succeeded: boolean;
  readonly jobs: readonly {
    readonly name: string;
    readonly state: string;
    readonly exitCode?: number;
    readonly failureReason?: string;
    readonly log: string;
    readonly figures: {
      instanceType: string;
      zone: string;
      yuanPerHour?: number;
      readySeconds?: number;
      yuan: number;
      exit: string;
    };
  }[];
  readonly leftovers: { instances: unknown[]; securityGroupIds: string[]; keyPairNames: string[] };
  readonly stacks: readonly string[];
  readonly stackList: string;
}

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'demo-test-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const LIMIT_MS = 240_000;

/** The demo as `npm run demo` starts it. `interruptAt`: SIGINT once, when its progress says that. */
async function demo(args: readonly string[], options: { interruptAt?: RegExp; env?: Record<string, string> } = {}) {
  const child = spawn(process.execPath, [path.join(builtFolder(), 'demo.js'), ...args], {
    env: { ...process.env, TMPDIR: folder, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (!interrupted && options.interruptAt?.test(stderr)) {
      interrupted = true;
      child.kill('SIGINT');
    }
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr, report: () => JSON.parse(stdout) as Report };
}

const NOTHING = { leftovers: { instances: [], securityGroupIds: [], keyPairNames: [] }, stacks: [] };

test(
  'npm run demo: every job on an instance of its own, artifacts handed on, and nothing left',
  async () => {
    const run = await demo(['--json']);
    const report = run.report();
    expect(report.jobs.map((job) => [job.name, job.state])).toEqual(
      ['check', 'build', 'test: [poem]', 'test: [numbers]', 'edges', 'package'].map((name) => [name, 'success']),
    );
    expect(report.jobs.find((job) => job.name === 'test: [poem]')?.log).toContain('as expected');
    for (const { figures } of report.jobs) {
      expect(figures).toMatchObject({
        instanceType: expect.stringMatching(/^ecs\./),
        zone: expect.stringMatching(/^cn-hangzhou-/),
        exit: '0',
      });
      expect(figures.yuan).toBeGreaterThan(0);
      expect(figures.readySeconds).toBeGreaterThan(0);
    }
    expect(report).toMatchObject(NOTHING);
    expect(report.stackList).toMatch(/^NAME\s+LAST UPDATE\s+RESOURCE COUNT\s*$/);
    expect(run.code).toBe(0);
  },
  LIMIT_MS,
);

test(
  '--repo: a failing job of another repository has its own exit code, and the demo fails',
  async () => {
    const repository = await makeRepository(folder, {
      '.gitlab-ci.yml':
        'good: { script: [cat file] }\nbad: { script: [exit 42], after_script: [echo "after $CI_JOB_STATUS"] }\n',
      file: 'text of the file\n',
    });
    const run = await demo(['--json', '--repo', repository]);
    const [good, bad] = run.report().jobs;
    expect(good).toMatchObject({ state: 'success', log: expect.stringContaining('text of the file') });
    expect(bad).toMatchObject({
      state: 'failed',
      exitCode: 42,
      failureReason: 'script_failure',
      log: expect.stringContaining('after failed'),
    });
    expect(run.report()).toMatchObject({ ...NOTHING, succeeded: false });
    expect(run.code).toBe(1);
  },
  LIMIT_MS,
);

test(
  '--job: one job alone, without what it needs; no process and no file stays behind',
  async () => {
    const run = await demo(['--json', '--job', 'check']);
    expect(run.report().jobs.map((job) => [job.name, job.state])).toEqual([['check', 'success']]);
    expect(run.code).toBe(0);
    const processes = readdirSync('/proc').filter((id) => {
      try {
        return /^\d+$/.test(id) && readFileSync(`/proc/${id}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
    expect(processes).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  },
  LIMIT_MS,
);

describe('Ctrl-C', () => {
  const repositoryOf = (script: string) =>
    makeRepository(folder, {
      '.gitlab-ci.yml': `job: { script: ${script}, after_script: [echo "after $CI_JOB_STATUS"] }\n`,
    });

  test(
    'while the script runs: after_script still runs, and nothing is left',
    async () => {
      const repository = await repositoryOf("['for i in $(seq 600); do echo tick; sleep 0.1; done']");
      const run = await demo(['--json', '--verbose', '--repo', repository], { interruptAt: /\| tick/ });
      const report = run.report();
      expect(report.jobs[0]).toMatchObject({ state: 'canceled', log: expect.stringContaining('after canceled') });
      expect(report).toMatchObject(NOTHING);
      expect(run.code).toBe(130);
    },
    LIMIT_MS,
  );

  test(
    'while the instance is being created: nothing is left',
    async () => {
      const run = await demo(['--json', '--verbose', '--repo', await repositoryOf('[echo x]')], {
        interruptAt: /Taking ecs/,
      });
      const report = run.report();
      expect(report.jobs[0]).toMatchObject({ state: 'canceled' });
      expect(report).toMatchObject(NOTHING);
      expect(run.code).toBe(130);
    },
    LIMIT_MS,
  );
});

describe('what cannot be run is one sentence', () => {
  test.each([
    ['no repository', ['--repo', '/nowhere/at/all'], /^demo: git clone failed: .*\/nowhere\/at\/all.*\n$/],
    [
      'no such job',
      ['--job', 'nobody'],
      /^demo: --job: there is no job nobody in this pipeline; it has check, build, test, edges, package\n$/,
    ],
    [
      'no such branch',
      ['--ref', 'nowhere'],
      /^demo: the repository has no branch or tag nowhere \(or no commit yet\)\n$/,
    ],
    ['a variable that is none', ['--variable', 'x'], /^demo: --variable x: should look like KEY=VALUE/],
  ])(
    '%s',
    async (_title, args, sentence) => {
      const run = await demo(args);
      expect(run.stderr).toMatch(sentence);
      expect(run.code).toBe(1);
    },
    LIMIT_MS,
  );

  test(
    'a pipeline with mistakes: each with its place',
    async () => {
      const repository = await makeRepository(folder, {
        '.gitlab-ci.yml': 'a: { script: [x], retry: 9 }\nb: { scrip: [x] }\n',
      });
      const run = await demo(['--repo', repository]);
      expect(run.stderr).toBe(
        'demo: jobs:a:retry:max: should be 0, 1, or 2\njobs:b:scrip: is no keyword that the sandbox knows here\n',
      );
    },
    LIMIT_MS,
  );

  test(
    'no git on PATH',
    async () => {
      const run = await demo([], { env: { PATH: folder } });
      expect(run.stderr).toBe(
        'demo: git is not on PATH; the sandbox serves and clones repositories with it: install git 2.20 or newer\n',
      );
    },
    LIMIT_MS,
  );
});

test(
  '--images skip: a job that wants a container runs on the instance itself, and that is said',
  async () => {
    const repository = await makeRepository(folder, {
      '.gitlab-ci.yml': 'job: { image: alpine, services: [redis], script: [echo here] }\n',
    });
    const run = await demo(['--json', '--images', 'skip', '--repo', repository]);
    expect(run.stderr).toContain(
      'note: jobs:job: image and services are passed over, the script runs on the instance itself',
    );
    expect(run.report().jobs[0]).toMatchObject({ state: 'success' });
  },
  LIMIT_MS,
);
