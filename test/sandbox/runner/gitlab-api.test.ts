import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ACCESS_TOKEN, Project, RUNNER_TOKEN } from '../../../sandbox/runner/run-pipeline';
import type { JobPayload } from '../../../sandbox/runner/payload';
import type { PipelineResult } from '../../../sandbox/runner/types';
import { makeRepository } from './local-hooks';

const CONFIG = `
stages: [one, two]
first: { stage: one, script: [x], artifacts: { paths: [out/], reports: { dotenv: build.env } } }
second: { stage: two, script: [y] }
`;

let folder: string;
let project: Project;
let result: Promise<PipelineResult>;

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gitlab-api-'));
  project = await Project.open({
    repository: await makeRepository(folder, { '.gitlab-ci.yml': CONFIG, 'a.txt': 'a\n' }),
  });
  result = project.run(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
});
afterEach(async () => {
  project.cancel();
  for (const job of project.jobs.all()) job.finish({ state: 'failed' });
  await result;
  await project.close();
  rmSync(folder, { recursive: true, force: true });
});

function call(
  method: string,
  route: string,
  options: { headers?: Record<string, string>; json?: unknown; body?: string | FormData } = {},
) {
  return fetch(`${project.gitlab.url}${route}`, {
    method,
    headers: { ...(options.json ? { 'Content-Type': 'application/json' } : {}), ...options.headers },
    ...(options.json ? { body: JSON.stringify(options.json) } : options.body ? { body: options.body } : {}),
  });
}

/** Asks as a runner does, until a job is pending. */
async function takeJob(): Promise<JobPayload> {
  for (;;) {
    const answer = await call('POST', '/api/v4/jobs/request', { json: { token: RUNNER_TOKEN } });
    if (answer.status === 201) return (await answer.json()) as JobPayload;
    expect(answer.status).toBe(204);
  }
}

test('a request of a runner that knows the queue is held until a job is pending, and then told to ask again', async () => {
  await takeJob();
  const ask = (last_update?: string) =>
    call('POST', '/api/v4/jobs/request', { json: { token: RUNNER_TOKEN, ...(last_update ? { last_update } : {}) } });
  const nothing = await ask();
  const value = nothing.headers.get('X-GitLab-Last-Update') ?? '';
  expect([nothing.status, value]).toEqual([204, expect.stringMatching(/./)]);
  const order: string[] = [];
  const held = ask(value).then((answer) => {
    order.push('answered');
    return answer;
  });
  await ask('older');
  order.push('another request');
  const [first] = project.jobs.all();
  first?.finish({ state: 'success' });
  const answer = await held;
  expect([answer.status, answer.headers.get('X-GitLab-Last-Update')]).toEqual([204, null]);
  expect(order).toEqual(['another request', 'answered']);
  expect((await ask(value)).status).toBe(201);
});

const person = { 'PRIVATE-TOKEN': ACCESS_TOKEN };
const view = async (id: number) =>
  (await (await call('GET', `/api/v4/projects/42/jobs/${id}`, { headers: person })).json()) as Record<string, unknown>;

test('a runner with a wrong token is handed nothing', async () => {
  expect((await call('POST', '/api/v4/jobs/request', { json: { token: 'glrt-wrong' } })).status).toBe(403);
});

test('a runner registers and verifies', async () => {
  const made = await call('POST', '/api/v4/user/runners', { headers: person, json: { runner_type: 'instance_type' } });
  expect([made.status, await made.json()]).toEqual([201, { id: 1, token: RUNNER_TOKEN, token_expires_at: null }]);
  expect((await call('POST', '/api/v4/runners/verify', { json: { token: RUNNER_TOKEN } })).status).toBe(200);
});

test('a job is handed out once, traced piece by piece, and reported', async () => {
  const job = await takeJob();
  const token = { 'JOB-TOKEN': job.token };
  const piece = (text: string, at: number) =>
    call('PATCH', `/api/v4/jobs/${job.id}/trace`, {
      headers: { ...token, 'Content-Range': `${at}-${at + text.length - 1}` },
      body: text,
    });
  expect((await piece('hello ', 0)).headers.get('range')).toBe('0-6');
  expect((await piece('lost', 20)).status).toBe(416);
  expect((await piece('world', 6)).status).toBe(202);
  expect(await view(job.id)).toMatchObject({ id: job.id, status: 'running', name: 'first', stage: 'one', ref: 'main' });
  await call('PUT', `/api/v4/jobs/${job.id}`, {
    json: { token: job.token, state: 'failed', failure_reason: 'script_failure', exit_code: 3 },
  });
  expect(await view(job.id)).toMatchObject({ status: 'failed', failure_reason: 'script_failure' });
  const trace = await call('GET', `/api/v4/projects/root%2Fdemo/jobs/${job.id}/trace`, { headers: person });
  expect(await trace.text()).toBe('hello world');
});

test("a cancelled job's runner hears of it with its next call", async () => {
  const job = await takeJob();
  expect((await call('POST', `/api/v4/projects/42/jobs/${job.id}/cancel`, { headers: person })).status).toBe(201);
  const answer = await call('PUT', `/api/v4/jobs/${job.id}`, { json: { token: job.token, state: 'running' } });
  expect(answer.headers.get('job-status')).toBe('canceling');
  await call('PUT', `/api/v4/jobs/${job.id}`, { json: { token: job.token, state: 'failed' } });
  expect((await view(job.id))['status']).toBe('canceled');
});

test('a failed job is retried as a new one, and what was skipped gets its chance', async () => {
  const job = await takeJob();
  await call('PUT', `/api/v4/jobs/${job.id}`, {
    json: { token: job.token, state: 'failed', failure_reason: 'runner_system_failure' },
  });
  expect((await result).jobs.map((one) => one.state)).toEqual(['failed', 'skipped']);
  const again = await call('POST', `/api/v4/projects/42/jobs/${job.id}/retry`, { headers: person });
  expect(again.status).toBe(201);
  const second = await takeJob();
  expect(second.id).toBe(((await again.json()) as { id: number }).id);
  expect(second.id).not.toBe(job.id);
  expect((await call('POST', `/api/v4/projects/42/jobs/${job.id}/retry`, { headers: person })).status).toBe(403);
});

test("artifacts go up by the job's token, and reach the next job with what a dotenv report says", async () => {
  const first = await takeJob();
  const upload = (type: string, text: string, token = first.token) => {
    const form = new FormData();
    form.append('file', new Blob([text]), `${type}.zip`);
    return call('POST', `/api/v4/jobs/${first.id}/artifacts?artifact_type=${type}`, {
      headers: { 'JOB-TOKEN': token },
      body: form,
    });
  };
  expect((await upload('archive', 'zip')).status).toBe(201);
  expect((await upload('dotenv', 'VERSION=1.2\nNAME="x y"\n')).status).toBe(201);
  expect((await upload('archive', 'zip', 'wrong')).status).toBe(403);
  await call('PUT', `/api/v4/jobs/${first.id}`, { json: { token: first.token, state: 'success' } });
  const second = await takeJob();
  expect(second.dependencies).toEqual([
    { id: first.id, name: 'first', token: first.token, artifacts_file: { filename: 'archive.zip', size: 3 } },
  ]);
  expect(second.variables).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ key: 'VERSION', value: '1.2' }),
      expect.objectContaining({ key: 'NAME', value: 'x y' }),
    ]),
  );
  const download = await call('GET', `/api/v4/jobs/${first.id}/artifacts`, { headers: { 'JOB-TOKEN': second.token } });
  expect(await download.text()).toBe('zip');
});

test.each([
  ['no token', {}, 401],
  ['a wrong one', { 'PRIVATE-TOKEN': 'glpat-wrong' }, 401],
  ['the right one', person, 200],
  ['the right one as a bearer', { Authorization: `Bearer ${ACCESS_TOKEN}` }, 200],
])('a job is shown to %s with %j: %d', async (_title, headers, status) => {
  const job = await takeJob();
  expect((await call('GET', `/api/v4/projects/42/jobs/${job.id}`, { headers })).status).toBe(status);
});

test("the repository is cloned with a job's token only, and by no path out of its folder", async () => {
  const job = await takeJob();
  const clone = (url: string) =>
    new Promise((resolve) => {
      const env = { PATH: process.env['PATH'], GIT_TERMINAL_PROMPT: '0', HOME: folder };
      spawn('git', ['clone', '-q', url, path.join(folder, `clone${Math.random()}`)], { env }).once('exit', resolve);
    });
  expect(await clone(job.git_info.repo_url)).toBe(0);
  expect(await clone(`${project.gitlab.url}/root/demo.git`)).not.toBe(0);
  expect(await clone(job.git_info.repo_url.replace('root/demo', 'root/%2e%2e/%2e%2e/demo'))).not.toBe(0);
});
