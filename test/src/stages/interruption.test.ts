import type { CloudInstance } from '../../../src/cloud/types';
import { Interruption } from '../../../src/stages/interruption';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toISOString();
const seen = (recycling: boolean): CloudInstance => ({ status: 'Running', recycling }) as CloudInstance;

function interruption({ before, says }: { before?: string; says?: CloudInstance | undefined } = {}) {
  const warnings: string[] = [];
  const noticed: string[] = [];
  const described = new Interruption(
    {
      now: () => NOW,
      warn: (text) => warnings.push(text),
      onNotice: (time) => noticed.push(time),
      describe: () => Promise.resolve(says),
    },
    before,
  );
  return { described, warnings, noticed };
}

describe('what an instance says of its own interruption', () => {
  it('is told and written down once, however often it is said', () => {
    const { described, warnings, noticed } = interruption();
    for (let count = 0; count < 5_000; count++) described.hint(at(90));
    expect(noticed).toEqual([at(90)]);
    expect(warnings).toEqual([expect.stringMatching(/^The cloud takes this spot instance back in 1 min 30 s \(2026/)]);
  });

  it('is not told again in a later stage', () => {
    const { described, warnings, noticed } = interruption({ before: at(60) });
    described.hint(at(60));
    expect([warnings, noticed]).toEqual([[], []]);
  });

  it.each([
    ['nonsense', 'soon'],
    ['a time of another year', '2031-01-01T00:00:00Z'],
    ['nothing', ''],
  ])('counts as within five minutes where its time is %s', (_what, claimed) => {
    const { described, warnings, noticed } = interruption();
    described.hint(claimed);
    expect(noticed).toEqual([at(300)]);
    expect(warnings[0]).toMatch(/back within 5 minutes\./);
  });

  it('is a claim, until the cloud says the same', () => {
    const { described } = interruption();
    described.hint(at(90));
    described.heard(seen(false));
    expect(described).toMatchObject({ noticed: true, confirmed: false });
    described.heard(seen(true));
    expect(described.confirmed).toBe(true);
  });

  it('is confirmed by an instance that is gone', () => {
    const { described } = interruption();
    described.hint(at(90));
    described.heard(undefined);
    expect(described.confirmed).toBe(true);
  });

  it('does not keep the warning from the log when the record can’t be written', () => {
    const warnings: string[] = [];
    const described = new Interruption(
      {
        now: () => NOW,
        warn: (text) => warnings.push(text),
        onNotice: () => {
          throw new Error('ENOSPC');
        },
        describe: () => Promise.resolve(undefined),
      },
      undefined,
    );
    described.hint(at(90));
    expect(warnings).toHaveLength(1);
  });
});

describe('an instance that can’t hear of its interruption', () => {
  it('is asked about at the cloud, whose word is confirmed', async () => {
    const { described, warnings } = interruption({ says: seen(true) });
    await described.watchFromOutside(new AbortController().signal);
    expect(described).toMatchObject({ noticed: true, confirmed: true });
    expect(warnings).toHaveLength(1);
  });

  it('that is gone without a word was not interrupted', () => {
    const { described } = interruption();
    described.heard(undefined);
    expect(described).toMatchObject({ noticed: false, confirmed: false });
  });
});
