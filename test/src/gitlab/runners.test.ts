import { runnersApi, type NewRunner } from '../../../src/gitlab/runners';

function answering(status: number, body: unknown, headers: Record<string, string> = {}) {
  const asked: { url: string; body: unknown; headers: Record<string, string> }[] = [];
  const fake = ((url: string, init: RequestInit) => {
    asked.push({ url, body: JSON.parse(init.body as string), headers: init.headers as Record<string, string> });
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers }));
  }) as typeof fetch;
  return { asked, api: runnersApi({ url: 'http://gitlab.example.com/', fetch: fake }) };
}

const instanceRunner: NewRunner = {
  description: 'gitlab-spot',
  scope: { type: 'instance' },
  tags: ['spot', 'java'],
  runUntagged: false,
  protectedRefs: false,
};

describe('runnersApi', () => {
  it('verifies a token', async () => {
    const { api, asked } = answering(200, { id: 5, token: 'glrt-x', token_expires_at: null });
    await expect(api.verify('glrt-x')).resolves.toEqual({ id: 5, token: 'glrt-x', tokenExpiresAt: undefined });
    expect(asked).toMatchObject([
      { url: 'http://gitlab.example.com/api/v4/runners/verify', body: { token: 'glrt-x' } },
    ]);
  });

  it('knows a token that GitLab does not know', async () => {
    await expect(answering(403, { message: '403 Forbidden' }).api.verify('glrt-x')).resolves.toBeUndefined();
  });

  it.each<[NewRunner['scope'], Record<string, unknown>]>([
    [{ type: 'instance' }, { runner_type: 'instance_type' }],
    [
      { type: 'group', id: 4 },
      { runner_type: 'group_type', group_id: 4 },
    ],
    [
      { type: 'project', id: 3 },
      { runner_type: 'project_type', project_id: 3 },
    ],
  ])('creates a runner for %j', async (scope, expected) => {
    const { api, asked } = answering(201, { id: 6, token: 'glrt-new', token_expires_at: '2027-01-01T00:00:00Z' });
    const runner = await api.create({ ...instanceRunner, scope }, 'glpat-secret');
    expect(runner).toEqual({ id: 6, token: 'glrt-new', tokenExpiresAt: '2027-01-01T00:00:00Z' });
    expect(asked[0]).toMatchObject({
      url: 'http://gitlab.example.com/api/v4/user/runners',
      headers: { 'PRIVATE-TOKEN': 'glpat-secret' },
      body: { ...expected, tag_list: 'spot,java', run_untagged: false, access_level: 'not_protected' },
    });
  });

  it('holds the runner’s jobs to a time', async () => {
    const { api, asked } = answering(201, { id: 6, token: 'glrt-new' });
    await api.create({ ...instanceRunner, maximumTimeoutMs: 7_200_000 }, 'glpat-secret');
    expect(asked[0]).toMatchObject({ body: { maximum_timeout: 7200 } });
  });

  it.each([
    [403, {}, 'does not let this access token create a runner (HTTP 403)'],
    [401, {}, 'does not let this access token create a runner (HTTP 401)'],
    [400, { error: 'tags_list too long' }, 'refused to create the runner (HTTP 400'],
    [404, { error: '404 Not Found' }, 'has no API that creates runners (HTTP 404)'],
    [502, 'GitLab is not responding', 'is not ready (HTTP 502)'],
    [201, { hello: 'world' }, "something that is not GitLab's API"],
  ])('says what is wrong when GitLab answers %d %j', async (status, body, sentence) => {
    await expect(answering(status, body).api.create(instanceRunner, 'glpat-secret')).rejects.toThrow(sentence);
  });

  it('names the address that GitLab sends to, where no token is sent', async () => {
    const { api, asked } = answering(301, {}, { location: 'https://gitlab.example.com/api/v4/runners/verify' });
    await expect(api.verify('glrt-x')).rejects.toThrow('sends to another address, https://gitlab.example.com/');
    expect(asked).toHaveLength(1);
  });

  it('says so when GitLab does not answer, and never repeats a token', async () => {
    const api = runnersApi({
      url: 'http://gitlab.example.com',
      fetch: (() =>
        Promise.reject(
          Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } }),
        )) as typeof fetch,
    });
    await expect(api.create(instanceRunner, 'glpat-secret')).rejects.toThrow(
      'GitLab at http://gitlab.example.com does not answer (ECONNREFUSED)',
    );
  });
});
