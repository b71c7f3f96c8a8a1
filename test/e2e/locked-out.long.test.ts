import { readable, World } from '../support/world';
import { describeEachKind } from '../sandbox/instance/support/kinds';

/** A job that takes away the files by which its instance lets the executor in. */
jest.setTimeout(180_000);

const YAML = `
removes:
  script: [mkdir o, echo kept >o/removed]
  after_script: [rm -rf ~/.ssh]
  artifacts: { paths: [o] }
overwrites:
  script: [mkdir o, echo kept >o/overwritten, 'echo "ssh-rsa AAAA" >~/.ssh/authorized_keys', chmod 777 ~]
  artifacts: { paths: [o] }
locks-us-out:
  script:
    - mkdir o; echo lost >o/lost
    - rm -rf ~/.ssh
    - 'for file in "$SANDBOX_ROOT"/etc/ssh/gitlab-spot_keys/*; do : >"$file"; done'
  artifacts: { paths: [o], when: always }
uses: { stage: test, needs: [removes, overwrites], script: [cat o/removed o/overwritten] }
`;

describeEachKind('an instance whose job removes our key', (kind) => {
  let world: World;
  const logs: Record<string, { readonly state: string; readonly reason: string | undefined; readonly log: string }> =
    {};
  /** How long each hook took that ended as a system failure. */
  const failedMs: number[] = [];
  beforeAll(async () => {
    world = await World.start({ machineKind: kind });
    const begun: Record<number, number> = {};
    const { jobs } = await world.pipeline(YAML, {
      onEvent: (event) => {
        if (event.type !== 'hook') return;
        if (event.phase === 'start') begun[event.id] = Date.now();
        else if (event.exit === 2) failedMs.push(Date.now() - begun[event.id]!);
      },
    });
    for (const { name, state, failureReason, log } of jobs)
      logs[name] = { state, reason: failureReason, log: readable(log) };
  });
  afterAll(() => world.close());

  test('goes on by the second file, which is outside the home: artifacts are uploaded', () => {
    expect(logs).toMatchObject({ removes: { state: 'success' }, overwrites: { state: 'success' } });
    expect(logs.uses).toMatchObject({ state: 'success', log: expect.stringMatching(/kept\nkept\n/) as string });
  });

  test('ends it within 30 s, as a system failure in one sentence, where the second file is emptied, too', () => {
    const { state, reason, log } = logs['locks-us-out']!;
    expect({ state, reason }).toEqual({ state: 'failed', reason: 'runner_system_failure' });
    expect(log.match(/no longer takes the job's key/g)).toHaveLength(1);
    expect(log).toMatch(
      /ERROR: The instance i-\w+ can't be reached any more: .* no longer takes the job's key\. .*is lost/,
    );
    expect(failedMs.length).toBeGreaterThan(0);
    expect(Math.max(...failedMs)).toBeLessThan(30_000);
  });

  test('and nothing is left', () => world.nothingLeft());
});
