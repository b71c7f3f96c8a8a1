import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { builtHooks } from '../../sandbox/start';
import { ownFields } from '../support/job-env';
import { startHook } from '../support/ssh/run-hook';

/** The built config hook under a job response that its author made as bad as 80 KB can be. */
const MIB = 1024 * 1024;
let directory: string;
beforeAll(() => (directory = mkdtempSync(path.join(tmpdir(), 'config-'))));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const variable = (key: string, value: string) => ({ key, value, public: true });
/** A1 is twice A2, which is twice A3 … */
const doubling = Array.from({ length: 60 }, (_, index) => variable(`A${index}`, `$A${index + 1}$A${index + 1}`));
const long = variable('A', 'x'.repeat(60_000));

test.each<[string, object]>([
  [
    'an alias that is expanded 4,200 times',
    { variables: [long], services: [{ name: 'db', alias: '$$A '.repeat(4_200) }] },
  ],
  ['an image whose name grows', { variables: [long], image: { name: '$A'.repeat(4_000) } }],
  ['variables that double', { variables: doubling, services: [{ name: '$A0', alias: '$A0' }], image: { name: '$A0' } }],
  [
    'many services that grow',
    {
      variables: [long],
      services: Array.from({ length: 200 }, () => ({ name: '$A$A', alias: '$A', variables: [variable('B', '$A$A')] })),
    },
  ],
])('%s takes at most 200 MiB, and changes nothing of who the job is', async (_what, response) => {
  const file = path.join(directory, 'response.json');
  writeFileSync(file, JSON.stringify({ ...ownFields({ jobId: 1001 }), steps: [{ name: 'script' }], ...response }));
  const peakFile = path.join(directory, 'peak');
  const { code, stdout, stderr } = await startHook(builtHooks().config, {
    PATH: process.env.PATH,
    HOME: directory,
    TMPDIR: directory,
    GITLAB_SPOT_STATE_DIR: path.join(directory, 'state'),
    GITLAB_SPOT_VPC_ID: 'vpc-1',
    ALICLOUD_REGION: 'cn-hangzhou',
    ALICLOUD_ACCESS_KEY: 'LTAItest',
    ALICLOUD_SECRET_KEY: 'secret',
    JOB_RESPONSE_FILE: file,
    BUILD_FAILURE_EXIT_CODE: '1',
    SYSTEM_FAILURE_EXIT_CODE: '2',
    CUSTOM_ENV_CI_JOB_ID: '4711',
    CUSTOM_ENV_CI_SERVER_URL: 'https://elsewhere.example.com',
    CUSTOM_ENV_CI_PROJECT_PATH: 'ml/secret',
    NODE_OPTIONS: `--require ${path.resolve(__dirname, '../support/peak.js')}`,
    PEAK_FILE: peakFile,
  }).ended;
  expect(Number(readFileSync(peakFile, 'utf8')) * 1024).toBeLessThan(200 * MIB);
  expect(stderr).not.toMatch(/defect of gitlab-spot|\n {4}at /);
  // In order, or closed: never as the job that its variables name.
  expect([0, 2]).toContain(code);
  if (code === 0) expect(stdout.toString()).toContain('1001');
  expect(stdout.toString()).not.toMatch(/4711|elsewhere|ml\/secret/);
});

const EXECUTOR = path.resolve(__dirname, '../../dist/executor');
/** What the runner or a hook starts. */
const started = readdirSync(EXECUTOR);

test.each(started)('%s leaves no core dump, which would hold keys', (name) => {
  const show = path.join(directory, 'limits.cjs');
  writeFileSync(
    show,
    "const text = require('fs').readFileSync('/proc/self/limits', 'utf8');\n" +
      'process.stdout.write(/^Max core.*$/m.exec(text)[0]), process.exit();\n',
  );
  // As the runner starts it, where nothing has set that limit.
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -c unlimited; exec "$0"', path.join(EXECUTOR, name)], {
    env: { PATH: process.env.PATH, NODE_OPTIONS: `--require ${show}` },
    encoding: 'utf8',
  });
  expect(stdout).toMatch(/^Max core file size +0 /);
});

test.each(['config.js', 'run.js', 'cleanup.js'])(
  '%s knows of further authorities, of which node knows nothing: to read them all takes it longer than to start',
  (name) => {
    const show = path.join(directory, 'authorities.cjs');
    writeFileSync(show, "process.once('exit', () => process.stdout.write(String(process.env.NODE_EXTRA_CA_CERTS)))\n");
    const file = path.join(directory, 'ca.pem');
    const { stdout, stderr } = spawnSync(path.join(EXECUTOR, name), {
      env: { PATH: process.env.PATH, NODE_OPTIONS: `--require ${show}`, NODE_EXTRA_CA_CERTS: file },
      encoding: 'utf8',
    });
    expect(stdout).toBe(file);
    // What it says of a file that isn't there.
    expect(stderr).not.toContain('extra certs');
  },
);
