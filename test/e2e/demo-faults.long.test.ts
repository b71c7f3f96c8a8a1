import { FAULTS } from '../../sandbox/demo/faults';
import { Demo, NOTHING } from '../support/demo';

test.each(FAULTS)(
  'npm run demo -- --fault %s: ends as it should, and nothing is left',
  async (fault) => {
    const demo = new Demo();
    try {
      const run = await demo.run(['--json', '--fault', fault]);
      expect(run.report()).toMatchObject({ ...NOTHING, fault: { held: true } });
      expect(run.code).toBe(0);
      expect(demo.left()).toEqual([]);
    } finally {
      demo.remove();
    }
  },
  240_000,
);

test('a reader that goes away (| head) ends the demo, and nothing is left', async () => {
  const demo = new Demo();
  try {
    const run = await demo.run(['--job', 'check'], { closeOutputAt: /check: running/ });
    expect(run.code).toBe(141);
    expect(demo.left()).toEqual([]);
  } finally {
    demo.remove();
  }
}, 240_000);
