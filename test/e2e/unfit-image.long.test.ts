import { describeEachKind } from '../sandbox/instance/support/kinds';
import { imageWith } from '../support/image';
import { readable, World } from '../support/world';

/** An image that runs no commands, with all of a runner's attempts. */
jest.setTimeout(120_000);

describeEachKind('an image whose .bashrc exits', (kind) => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ startMachine: imageWith(kind, ['echo "exit 1" >>/root/.bashrc']) });
  });
  afterAll(() => world.close());

  test('is told in one sentence, as the job’s failure, and costs one instance', async () => {
    const { state, failureReason, log } = await world.job('echo never');
    expect({ state, failureReason }).toEqual({ state: 'failed', failureReason: 'script_failure' });
    expect(
      readable(log)
        .match(/^ERROR: .*$/gm)
        ?.filter((line) => !/Job failed/.test(line)),
    ).toEqual([
      expect.stringMatching(
        /ERROR: .*doesn't run commands: its login shell ends before the first one\. Check the image/,
      ),
    ]);
    expect(readable(log)).not.toMatch(/echo never|defect of gitlab-spot/);
    const calls = await world.sandbox.control.calls();
    expect(calls.filter(({ action }) => action === 'RunInstances')).toHaveLength(1);
    await world.nothingLeft();
  });
});
