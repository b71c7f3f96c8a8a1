import fc from '../../support/property';
import { jobIdentity, jobTags, MAX_STACK_NAME, parseStackName, tagValue } from '../../../src/jobs/identity';

describe('a stack’s name', () => {
  test.each([
    ['https://gitlab.example.com', 'job-gitlab.example.com-1001-1'],
    ['https://gitlab.example.com:8443', 'job-gitlab.example.com_8443-1001-1'],
    ['http://127.0.0.1:8929', 'job-127.0.0.1_8929-1001-1'],
    ['https://GitLab.Example.com/', 'job-gitlab.example.com-1001-1'],
  ])('for %s is %s', (server, name) => {
    expect(jobIdentity(server, 1001, 1).stackName).toBe(name);
  });

  const server = fc.oneof(
    fc.webUrl({ withQueryParameters: false }),
    fc.string(),
    fc.stringMatching(/^[a-z0-9.-]{1,150}$/).map((host) => `https://${host}`),
    fc.constantFrom('https://[::1]:8443', 'https://a/gitlab', 'https://a', 'https://a_1', 'https://a:1'),
  );
  const job = fc.record({ server, jobId: fc.nat(), attempt: fc.integer({ min: 1, max: 99 }) });
  const nameOf = (one: { server: string; jobId: number; attempt: number }) =>
    jobIdentity(one.server, one.jobId, one.attempt);

  test('is within Pulumi’s alphabet and length, and tells job and attempt again', () => {
    fc.assert(
      fc.property(job, (one) => {
        const { stackName } = nameOf(one);
        expect(stackName).toMatch(/^job-[A-Za-z0-9._-]+$/);
        expect(stackName.length).toBeLessThanOrEqual(MAX_STACK_NAME);
        expect(parseStackName(stackName)).toEqual({ jobId: one.jobId, attempt: one.attempt });
      }),
    );
  });

  test('is never shared by two jobs', () => {
    fc.assert(
      fc.property(job, job, (a, b) => {
        const [one, other] = [nameOf(a), nameOf(b)];
        const same = one.serverHost === other.serverHost && a.jobId === b.jobId && a.attempt === b.attempt;
        expect(one.stackName === other.stackName).toBe(same);
      }),
    );
  });
});

describe('tags', () => {
  test('say whose the instance is', () => {
    const identity = jobIdentity('https://g.example', 7, 2);
    expect(
      jobTags({ identity, projectPath: 'a/b', runnerId: '3', executorId: 'host-1', stateDir: '/var/lib/gitlab-spot' }),
    ).toEqual({
      'gitlab-spot': 'job',
      'gitlab-spot/stack': 'job-g.example-7-2',
      'gitlab-spot/server': 'g.example',
      'gitlab-spot/project': 'a/b',
      'gitlab-spot/job': '7',
      'gitlab-spot/runner': '3',
      'gitlab-spot/executor': 'host-1',
      'gitlab-spot/state-folder': '/var/lib/gitlab-spot',
    });
  });

  test('have values that ECS takes, whatever a job is called', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 400 }), fc.constantFrom('aliyun', 'ACS:x', 'http://x', 'hhttp://ttp://x')),
        (text) => {
          const value = tagValue(text);
          expect(value.length).toBeLessThanOrEqual(128);
          expect(value).not.toMatch(/^(aliyun|acs:)/i);
          expect(value).not.toMatch(/https?:\/\//i);
        },
      ),
    );
  });

  test.each([110, 111, 112])('are whole characters, where a pair of two is cut at %d', (at) => {
    const value = tagValue(`${'x'.repeat(at)}${'😀'.repeat(20)}`);
    expect(value).toMatch(/^x+(😀)?~[0-9a-f]{16}$/u);
    // It throws for half a pair.
    expect(() => encodeURIComponent(value)).not.toThrow();
  });
});
