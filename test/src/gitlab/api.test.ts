import { HostError } from '../../../src/errors';
import { gitlabApi } from '../../../src/gitlab/api';
import { createFetch } from '../../../src/web/fetch';

/** A GitLab that answers once, and tells what it was asked. */
function answering(status: number, body: unknown) {
  const asked: { url: string; method: string | undefined; token: string | null }[] = [];
  const api = gitlabApi({
    url: 'https://gitlab.example.com/',
    token: 'glpat-secret',
    fetch: async (url, init) => {
      asked.push({ url: String(url), method: init?.method, token: new Headers(init?.headers).get('PRIVATE-TOKEN') });
      return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
    },
  });
  return { api, asked };
}

describe("GitLab's word on a job", () => {
  test.each([
    ['running', { state: 'active' }],
    ['pending', { state: 'active' }],
    ['canceling', { state: 'active' }],
    ['a status of the future', { state: 'active' }],
    ['failed', { state: 'over', status: 'failed', finishedAt: new Date('2026-11-24T10:00:00Z') }],
    ['canceled', { state: 'over', status: 'canceled', finishedAt: new Date('2026-11-24T10:00:00Z') }],
  ])('%s', async (status, expected) => {
    const { api, asked } = answering(200, { status, finished_at: '2026-11-24T10:00:00Z' });
    expect(await api.job('team/app', 7)).toEqual(expected);
    expect(asked).toEqual([
      { url: 'https://gitlab.example.com/api/v4/projects/team%2Fapp/jobs/7', method: 'GET', token: 'glpat-secret' },
    ]);
  });

  test.each([
    [200, { state: 'missing' }],
    [404, "GitLab at https://g.example shows no project 1, so it can't tell about job 7"],
    [403, 'GitLab at https://g.example refused to tell about project 1 (HTTP 403)'],
  ])('a job that is not found is missing only where its project is seen (HTTP %d)', async (status, expected) => {
    const api = gitlabApi({
      url: 'https://g.example',
      token: 't',
      fetch: async (url) => new Response('{}', { status: String(url).includes('/jobs/') ? 404 : status }),
    });
    if (typeof expected === 'string') await expect(api.job(1, 7)).rejects.toThrow(expected);
    else expect(await api.job(1, 7)).toEqual(expected);
  });

  test.each([
    [
      401,
      { message: '401 Unauthorized' },
      'GitLab at https://gitlab.example.com refused to tell about job 7 (HTTP 401)',
    ],
    [502, 'bad gateway', 'GitLab at https://gitlab.example.com refused to tell about job 7 (HTTP 502)'],
    [200, '<html>', 'GitLab at https://gitlab.example.com did not answer with a job'],
  ])('HTTP %d is an error in one sentence, without the token', async (status, body, sentence) => {
    const error = await answering(status, body)
      .api.job(1, 7)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(HostError);
    expect((error as Error).message).toBe(sentence);
  });

  test('a GitLab that does not answer is named with the cause', async () => {
    const api = gitlabApi({ url: 'http://127.0.0.1:1', token: 't', fetch: createFetch({ environment: {} }) });
    await expect(api.job(1, 7)).rejects.toThrow(/GitLab at http:\/\/127.0.0.1:1 does not answer \(.+\)/);
  });
});

describe('running a job again', () => {
  test('is asked of GitLab', async () => {
    const { api, asked } = answering(201, { id: 8 });
    expect(await api.retry(1, 7)).toBe(true);
    expect(asked[0]).toMatchObject({
      method: 'POST',
      url: 'https://gitlab.example.com/api/v4/projects/1/jobs/7/retry',
    });
  });

  test('is no error where GitLab did it already', async () => {
    expect(await answering(403, { message: '403 Forbidden - Job is not retryable' }).api.retry(1, 7)).toBe(false);
  });

  test('says what to do when the token may not', async () => {
    await expect(answering(403, { message: '403 Forbidden' }).api.retry(1, 7)).rejects.toMatchObject({
      remedy: expect.stringContaining('GITLAB_SPOT_GITLAB_TOKEN'),
    });
  });
});
