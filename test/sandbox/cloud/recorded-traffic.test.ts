/**
 * Replays what the real provider asked of an endpoint whose answers it accepted, and compares the
 * shapes of the answers.
 */
import { Contract } from '../../support/contract';
import { describeWithFixtures, fixture } from '../../support/fixtures';
import { TestCloud } from './support';

interface Recorded {
  readonly method: 'GET' | 'POST';
  readonly form: readonly string[];
  readonly params: Record<string, string>;
  readonly status: number;
  readonly response: unknown;
}

const RSA_KEY =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDw4o6gJy8UtmIbkcpnkO3Kwc4qsEnSZp/TR+fQi62F79RHWmwKOtFmwteURgLbj7D/WGuNLGOfa/2vse3G2eHnHl5CB8ruRX9fBl/KgwCVr2JaEuUm66bBQeP5XeBotdR4cvX38uPYivCDdPjJ1QWPdspTBKcxeFbccDw== job-1001';
const FILE = 'alicloud/requests-up-refresh-preview-destroy.jsonl';

/** Every path in the answer with the type of its value: what a strict reader can stumble over. */
function shape(value: unknown, path = ''): Map<string, string> {
  const paths = new Map<string, string>();
  const add = (more: Map<string, string>): void => more.forEach((type, name) => paths.set(name, type));
  if (Array.isArray(value)) {
    paths.set(path, 'list');
    for (const item of value as unknown[]) add(shape(item, `${path}[]`));
  } else if (typeof value === 'object' && value !== null) {
    paths.set(path, 'object');
    for (const [name, one] of Object.entries(value)) add(shape(one, `${path}.${name}`));
  } else {
    paths.set(path, typeof value);
  }
  return paths;
}

/**
 * The recorded endpoint also told what the API's description doesn't know, or knows as another
 * type: nobody may rely on that.
 */
function undocumented({ params, response }: Recorded): (path: string) => boolean {
  const problems = Contract.of(params.Version ?? '', params.Action ?? '')!.answerProblems(response);
  const paths = problems.map((problem) => problem.slice((params.Action ?? '').length).split(' ')[0]!);
  return (path) => paths.some((one) => path === one || path.startsWith(`${one}.`) || path.startsWith(`${one}[]`));
}

/** Ids of the recording, and what this cloud calls the same thing. */
class Ids {
  private readonly known = new Map<string, string>();

  learn(recorded: unknown, ours: unknown): void {
    if (typeof recorded === 'string' && typeof ours === 'string') {
      if (/^(i|sg|d|eni|sgr)-fake\d+$/.test(recorded) && !this.known.has(recorded)) this.known.set(recorded, ours);
    } else if (typeof recorded === 'object' && recorded !== null && typeof ours === 'object' && ours !== null) {
      for (const [name, value] of Object.entries(recorded)) this.learn(value, (ours as Record<string, unknown>)[name]);
    }
  }

  set(recorded: string, ours: string): void {
    this.known.set(recorded, ours);
  }

  translate(value: string): string {
    let translated = value;
    for (const [recorded, ours] of this.known) translated = translated.replaceAll(recorded, ours);
    return translated;
  }
}

describeWithFixtures('the recorded life of a job stack', 'alicloud', () => {
  let cloud: TestCloud;
  beforeAll(async () => (cloud = await TestCloud.start()));
  afterAll(() => cloud.stop());

  test('every recorded request gets an answer with the recorded fields and types', async () => {
    const ids = new Ids();
    // Of a kind that the API does not list: the recorded endpoint took it, Alibaba Cloud would not.
    ids.set('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJv2b8mq0n0bHk1m0m8n1n0mYh2YxJt1l7eT9bC1yQ3v job-1001', RSA_KEY);
    ids.set('vpc-1', cloud.info.vpcId);
    ids.set('vsw-k', cloud.vSwitch('k'));
    ids.set('2026-11-24T15:13:00Z', new Date(cloud.clock.now() + 3600_000).toISOString().replace(/\.\d+/, ''));
    const differences: string[] = [];
    for (const recorded of fixture(FILE)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Recorded)) {
      const parameters = Object.fromEntries(
        Object.entries(recorded.params)
          .filter(([name]) => !/^(Action|Version|Format|Signature\w*|AccessKeyId|Timestamp)$/.test(name))
          .map(([name, value]) => [name, ids.translate(value)]),
      );
      const answer = await cloud.call(recorded.params.Action ?? '', parameters, {
        method: recorded.method,
        form: recorded.form.length > 0,
      });
      const label = `${recorded.params.Action} ${JSON.stringify(parameters)}`;
      if (answer.status !== recorded.status)
        differences.push(`${label}: ${answer.status} ${JSON.stringify(answer.body)}`);
      ids.learn(recorded.response, answer.body);
      const ours = shape(answer.body);
      const isUndocumented = undocumented(recorded);
      for (const [path, type] of shape(recorded.response)) {
        if (!isUndocumented(path) && ours.get(path) !== type)
          differences.push(`${recorded.params.Action}: ${path} is ${ours.get(path) ?? 'missing'}, not ${type}`);
      }
      cloud.clock.advance(1000);
    }
    expect([...new Set(differences)]).toEqual([]);
    expect(await cloud.control.leftovers()).toEqual({ instances: [], securityGroupIds: [], keyPairNames: [] });
  });
});
