import { BudgetExhausted, checkBudget } from '../../../src/billing/budget';

const question = (change: Partial<Parameters<typeof checkBudget>[0]> = {}) => ({
  budget: { currency: 'CNY', monthlyYuan: 100, perProjectYuan: {}, action: 'refuse' as const },
  project: 'team/app',
  spent: new Map([['team/app', 10]]),
  reserved: [{ project: 'team/app', yuan: 0.2 }],
  ...change,
});

describe('a renamed project', () => {
  const budget = {
    currency: 'CNY',
    monthlyYuan: undefined,
    perProjectYuan: { 'team/new': 5, '42': 7 },
    action: 'refuse' as const,
  };
  const renamed = { budget, project: 'team/new', key: 'g#42', reserved: [] };
  const spent = new Map([['g#42', 6]]);

  test('has spent what it spent under its old name', () => {
    expect(() => checkBudget(question({ ...renamed, spent }))).toThrow('The monthly budget of team/new is used up');
  });

  test('keeps a limit that was set for its id', () => {
    expect(checkBudget(question({ ...renamed, projectId: 42, spent }))[0]).toContain('6.00 of 7 yuan');
  });
});

describe('what can not be read', () => {
  const unknown = ["ledger/torn.json (damaged) can't be read", 'another'];

  test('never counts as nothing: the budget refuses, and says what it is', () => {
    expect(() => checkBudget(question({ unknown }))).toThrow(
      "The monthly budget can't be reckoned: ledger/torn.json (damaged) can't be read (and 1 more)",
    );
  });

  test('is told where the setting says that jobs go on', () => {
    const budget = { currency: 'CNY', monthlyYuan: 100, perProjectYuan: {}, action: 'warn' as const };
    expect(checkBudget(question({ budget, unknown }))).toEqual([expect.stringContaining('jobs go on, by setting')]);
  });

  test('is nobody’s matter where there is no limit', () => {
    const budget = {
      currency: 'CNY',
      monthlyYuan: undefined,
      perProjectYuan: { 'team/lib': 1 },
      action: 'refuse' as const,
    };
    expect(checkBudget(question({ budget, unknown }))).toEqual([]);
  });
});

describe('the monthly budget', () => {
  test('in yuan is refused in one sentence where the account pays in dollars, and the other way round', () => {
    expect(() => checkBudget(question({ currency: 'USD' }))).toThrow(
      'The budget is in yuan, and this account is billed in USD',
    );
    const budget = { currency: 'USD', monthlyYuan: 15, perProjectYuan: {}, action: 'refuse' as const };
    expect(() => checkBudget(question({ budget, currency: 'CNY' }))).toThrow('The budget is in USD');
    expect(checkBudget(question({ budget, currency: 'USD', spent: new Map([['x', 14]]) }))[0]).toContain('of 15 USD');
  });

  test('says nothing while no limit is near, or none is set', () => {
    expect(checkBudget(question())).toEqual([]);
    expect(
      checkBudget(
        question({
          budget: { currency: 'CNY', monthlyYuan: undefined, perProjectYuan: {}, action: 'refuse' },
          spent: new Map([['x', 1e9]]),
        }),
      ),
    ).toEqual([]);
  });

  test('warns from 80 %, with the amount that running jobs may still cost', () => {
    const spent = new Map([
      ['team/app', 70],
      ['team/lib', 9],
    ]);
    expect(checkBudget(question({ spent, reserved: [{ project: 'team/lib', yuan: 1 }] }))).toEqual([
      "The monthly budget is nearly used up: 80.00 of 100 yuan (80 %), running jobs' possible cost included",
    ]);
  });

  test('refuses above 100 %, in one sentence with a remedy', () => {
    const refused = () => checkBudget(question({ spent: new Map([['team/app', 99.9]]) }));
    expect(refused).toThrow(BudgetExhausted);
    expect(refused).toThrow('The monthly budget is used up: 100.10 of 100 yuan (100 %)');
  });

  test('goes on above 100 % where the setting says so', () => {
    const budget = { currency: 'CNY', monthlyYuan: 100, perProjectYuan: {}, action: 'warn' as const };
    expect(checkBudget(question({ budget, spent: new Map([['team/app', 120]]) }))[0]).toContain('exceeded');
  });

  test.each([
    ['a line of its own', { 'team/app': 5 }, true],
    ['the line for all others', { '*': 5 }, true],
    ["another project's line", { 'team/lib': 5 }, false],
  ])('holds a project against %s', (_title, perProjectYuan, refuses) => {
    const asked = () =>
      checkBudget(
        question({
          budget: {
            currency: 'CNY',
            monthlyYuan: undefined,
            perProjectYuan: perProjectYuan as unknown as Record<string, number>,
            action: 'refuse',
          },
        }),
      );
    if (refuses) expect(asked).toThrow('The monthly budget of team/app is used up');
    else expect(asked()).toEqual([]);
  });
});
