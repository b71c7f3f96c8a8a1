import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Ledger } from '../../../src/billing/ledger';
import { ledgersOf } from '../../../src/billing/several-ledgers';
import { cost, type CostArguments, type CostDependencies } from '../../../src/cli/commands/cost';
import { testProfile } from '../../support/profile';
import type { Quotas } from '../../../src/cloud/account';
import type { QuotaFacts } from '../../../src/placement/quota';
import { isGood, offerForPeople, offerForScripts, offerOf, price } from '../../../src/cli/commands/price';
import { standingOf } from '../../../src/billing/standing';
import type { Placement } from '../../../src/placement';
import { ledgerEntry } from '../../support/ledger-entry';

let directory: string;
let ledger: Ledger;
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'cost-'));
  ledger = new Ledger(path.join(directory, 'ledger'));
  await ledger.put(
    ledgerEntry({ stack: 'a', project: 'team/app', jobName: 'build', from: '2026-11-23T10:00:00.000Z' }),
  );
  await ledger.put(
    ledgerEntry({
      stack: 'b',
      project: 'team/lib',
      jobName: 'test 1/2',
      from: '2026-11-24T10:00:00.000Z',
      interrupted: true,
    }),
  );
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function run(
  change: Partial<CostArguments>,
  standing?: CostDependencies['standing'],
  more: Partial<CostDependencies> = {},
): Promise<string> {
  let text = '';
  const args: CostArguments = {
    by: 'day',
    from: undefined,
    to: undefined,
    format: 'table',
    html: undefined,
    yearlyInstance: 3000,
    ...change,
  };
  await cost(args, {
    ledgers: [ledger],
    now: () => Date.parse('2026-11-24T12:00:00Z'),
    out: (part) => (text += part),
    warn: (line) => (text += `! ${line}\n`),
    ...(standing ? { standing } : {}),
    ...more,
  });
  return text;
}

describe('gitlab-spot cost', () => {
  test('sums this month by day, with a total', async () => {
    expect(await run({})).toBe(
      [
        '                                       OF IT  PAY-AS-                 INTER-',
        'DAY         INSTANCES  HOURS    YUAN   DISKS   YOU-GO  SAVED  FAILED  RUPTED  READY',
        // Two of 0.13333 h, 0.020667 and 0.108667 yuan: rows add up to the total.
        '2026-11-23          1   0.14  0.0207  0.0000   0.1087   81 %       0       0   25 s',
        '2026-11-24          1   0.13  0.0206  0.0000   0.1086   81 %       0       1   25 s',
        'total               2   0.27  0.0413  0.0000   0.2173   81 %       0       1   25 s',
        '',
        '2026-11-01 to 2026-11-30 (UTC). Instances and their disks; public traffic is billed apart. The disks of 2 instances are not known.',
        '',
      ].join('\n'),
    );
  });

  test('shows dollars as dollars, and beside yuan in a table of their own', async () => {
    await ledger.put(
      ledgerEntry({ stack: 'c', from: '2026-11-24T10:00:00.000Z', currency: 'USD', yuan: 2, diskYuan: 1 }),
    );
    const text = await run({});
    expect(text).toMatch(/YUAN[^]*total +2 [^]*USD[^]*total +1 +0\.13 +2\.0000 +1\.0000/);
    await ledger.put(ledgerEntry({ stack: 'd', from: '2026-12-01T10:00:00.000Z', currency: 'USD', yuan: 2 }));
    for (const format of ['table', 'csv', 'json'] as const) {
      const only = await run({ from: '2026-12-01', to: '2026-12-01', format });
      expect(only).toMatch(/usd/i);
      expect(only).not.toMatch(/yuan/i);
    }
    expect(JSON.parse(await run({ format: 'json' }))).toMatchObject({
      currency: 'CNY',
      total: { jobs: 2 },
      otherCurrencies: [{ currency: 'USD', total: { jobs: 1, usd: 2, diskUsd: 1 } }],
    });
  });

  test('a range without any is told in what was paid in last, or in what the budget is', async () => {
    const abroad = new Ledger(path.join(directory, 'abroad'));
    const none = { from: '2026-10', to: '2026-10' };
    const dollars = { ledgers: [abroad] as const, budget: { currency: 'USD', monthlyYuan: undefined } };
    expect(await run({ ...none, format: 'csv' }, undefined, dollars)).not.toMatch(/yuan/);
    await abroad.put(ledgerEntry({ currency: 'USD' }));
    expect(await run({ ...none, format: 'json' }, undefined, { ledgers: [abroad] })).not.toMatch(/yuan|CNY/i);
    const html = path.join(directory, 'cost.html');
    await run({ ...none, html, hostCost: 60 }, undefined, { ledgers: [abroad] });
    expect(await readFile(html, 'utf8')).not.toMatch(/yuan/);
  });

  test('keeps to a range of days, and says when nothing was paid for', async () => {
    expect(await run({ from: '2026-11-24', to: '2026-11-24', by: 'project', format: 'csv' })).toBe(
      'project,instances,hours,yuan,pay_as_you_go_yuan,failed,interrupted,ready_seconds,disk_yuan\r\nteam/lib,1,0.133333,0.020667,0.108667,0,1,25,0\r\n',
    );
    expect(await run({ from: '2026-01-01', to: '2026-01-31' })).toBe(
      'No instance was paid for from 2026-01-01 to 2026-01-31.\n',
    );
  });

  test('puts the ledgers of several hosts into one page; what two of them have counts once', async () => {
    const other = path.join(directory, 'copy-of-another-host');
    const theirs = new Ledger(path.join(other, 'ledger'));
    await theirs.put(ledgerEntry({ stack: 'c', executorId: 'runner-2', project: 'team/site', yuan: 1.5 }));
    await theirs.put(ledgerEntry({ stack: 'a', from: '2026-11-23T10:00:00.000Z', yuan: 100 }));
    const html = path.join(directory, 'cost.html');
    const ledgers = ledgersOf([directory, other], { stateDir: '' });
    await run({ html }, undefined, { ledgers, budget: { monthlyYuan: 5, currency: 'CNY' } });
    const page = await readFile(html, 'utf8');
    expect(page).toContain('runner-1, runner-2 · days in UTC');
    for (const part of ['team/<wbr>app', 'team/<wbr>lib', 'team/<wbr>site', '<span class="name">runner-2</span>'])
      expect(page).toContain(part);
    expect(page).toContain('<span>spent</span><b>1.54 yuan</b>');
    // One host's share of the budget says nothing about two.
    expect(page).not.toContain('of the budget of');
  });

  test.each([
    [{ from: '2026-10', to: '2026-11' }, '2026-10-01 to 2026-11-30'],
    [{ to: '2026-10' }, '2026-10-01 to 2026-10-31'],
    [{ to: '2026-10-15' }, '2026-10-01 to 2026-10-15'],
    [{ from: '2026-10-15' }, '2026-10-15 to 2026-11-30'],
    [{ from: '2027-02' }, '2027-02-01 to 2027-02-28'],
  ])('takes days and months: %j is %s', async (change, range) => {
    const { from, to } = JSON.parse(await run({ ...change, format: 'json' })) as { from: string; to: string };
    expect(`${from} to ${to}`).toBe(range);
  });

  test('takes a ledger that may not be read for no empty one', async () => {
    await writeFile(path.join(directory, 'file'), '');
    ledger = new Ledger(path.join(directory, 'file', 'ledger'));
    await expect(run({})).rejects.toThrow('ENOTDIR');
  });

  test('tells as an estimate what costs money while nothing runs: table, JSON and page, not among the rows', async () => {
    const facts = { imagesGiB: [40], spares: [], hasNat: false, buckets: [] };
    const standing = (currency: string) => Promise.resolve(standingOf({ ...facts, currency }));
    expect(await run({}, standing)).toContain('While nothing runs, an estimate by list prices: 4.80 yuan a month\n');
    const json = JSON.parse(await run({ format: 'json' }, standing)) as object;
    expect(json).toMatchObject({ total: { yuan: 0.041334 }, standing: { estimated: true, yuanPerMonth: 4.8 } });
    const html = path.join(directory, 'cost.html');
    await run({ html }, standing);
    expect(await readFile(html, 'utf8')).toContain('an estimate by list prices: 4.80 yuan a month<br>custom images');
    expect(await run({ format: 'csv' }, standing)).not.toContain('4.8');
    expect(await run({}, () => Promise.resolve(undefined))).not.toContain('While nothing runs');
  });

  test('gives scripts the same as JSON', async () => {
    expect(JSON.parse(await run({ by: 'job', format: 'json' }))).toMatchObject({
      by: 'job',
      total: { jobs: 2, yuan: 0.041334 },
      rows: [{ key: 'team/app build' }, { key: 'team/lib test 1/2' }],
    });
  });

  test('writes the page', async () => {
    const html = path.join(directory, 'cost.html');
    expect(await run({ html })).toBe(`${html}\n`);
    const nowhere = path.join(directory, 'no-such-folder/cost.html');
    await expect(run({ html: nowhere })).rejects.toThrow(`${nowhere} can't be written (ENOENT)`);
    expect(await readFile(html, 'utf8')).toContain('<title>gitlab-spot: cost 2026-11-01 to 2026-11-30</title>');
    await expect(run({ html: path.join(directory, 'no', 'cost.html') })).rejects.toThrow("can't be written");
    await run({ html, from: '2026-01', to: '2026-01' });
    const empty = await readFile(html, 'utf8');
    expect(empty).toContain('No instance was paid for in these days.');
    expect(empty).not.toContain('<svg');
  });

  test.each([
    [{ from: '24.11.2026' }, '--from takes a day such as 2026-11-24 or a month such as 2026-11, not "24.11.2026"'],
    [{ to: '2026-02-30' }, '--to takes a day such as 2026-11-24 or a month such as 2026-11, not "2026-02-30"'],
    [{ to: '2026-13' }, '--to takes a day such as 2026-11-24 or a month such as 2026-11, not "2026-13"'],
    [{ from: '2026-11-24', to: '2026-11-01' }, 'The range 2026-11-24 to 2026-11-01 ends before it begins'],
  ])('refuses %j in one sentence', async (change, sentence) => {
    await expect(run(change)).rejects.toThrow(sentence);
  });
});

describe('gitlab-spot price', () => {
  const pool = {
    zoneId: 'h',
    vSwitchId: 'v',
    instanceType: 'ecs.c7.xlarge',
    market: 'spot' as const,
    priceYuanPerHour: 0.155,
    onDemandYuanPerHour: 0.815,
    diskYuanPerHour: 0.042,
    currency: 'CNY',
    interruptionRate: 3,
    stock: 'WithStock' as const,
  };
  const placementOf = (ranking: Awaited<ReturnType<Placement['candidates']>>): Placement => ({
    candidates: async () => ranking,
    reportFailure: async () => {},
    reportLoss: async () => {},
  });
  const profile = testProfile();
  const quotaOf =
    (change: Partial<Quotas> = {}, counts = { securityGroups: 1, keyPairs: 1 }, sharedGroup = false) =>
    async (): Promise<QuotaFacts> => ({
      limits: {
        spotVcpus: [{ value: 100, zoneId: '', instanceType: '' }],
        onDemandVcpus: [{ value: 100, zoneId: '', instanceType: '' }],
        usedSpotVcpus: 0,
        usedOnDemandVcpus: 0,
        securityGroups: 100,
        keyPairs: 500,
        ...change,
      },
      counts,
      vcpus: new Map([['ecs.c7.xlarge', 4]]),
      sharedGroup,
    });
  const ample = quotaOf();
  const x86 = { imageId: 'm-1', imdsSupport: undefined, architecture: 'x86_64' as const };
  const offer = (placement: Placement, image: typeof x86 | undefined = x86) =>
    offerOf(profile, 3_600_000, { placement, quota: ample, cloud: { resolveImage: async () => image } });
  async function show(placement: Placement, json = false): Promise<string> {
    const found = await offer(placement);
    return json ? JSON.stringify(offerForScripts(found)) : offerForPeople(found, 3_600_000);
  }

  test('shows what can be had, what can not, and which would be taken and why', async () => {
    const text = await show(
      placementOf({
        candidates: [{ ...pool, durationHours: 1, reason: 'spot price' }],
        rejected: [
          { ...pool, zoneId: 'i', stock: 'WithoutStock', reason: 'no stock' },
          { ...pool, market: 'on-demand', priceYuanPerHour: 0.815, reason: 'the profile allows no pay-as-you-go' },
        ],
        warnings: ["Interruption rates can't be asked (Forbidden.RAM)"],
      }),
    );
    expect(text).toBe(
      [
        '                                                   WITH  PAY-AS-         INTER-',
        '#  TYPE           ZONE  MARKET     STOCK  YUAN/H   DISK   YOU-GO  SAVED  RUPTED  WHY',
        '1  ecs.c7.xlarge  h     spot       yes     0.155  0.197    0.815   81 %     3 %  spot price',
        '–  ecs.c7.xlarge  i     spot       no      0.155  0.197    0.815   81 %     3 %  no stock',
        '–  ecs.c7.xlarge  h     on-demand  yes     0.815  0.857    0.815                 the profile allows no pay-as-you-go',
        '',
        'A job of profile standard (timeout 1 h 00 min) would take ecs.c7.xlarge in h, spot with a protected hour, 0.155 yuan/h and 0.042 for its disk, pay-as-you-go 0.815 (spot price). No other pools are available, never above 0.4 yuan/h for the instance.',
        '',
      ].join('\n'),
    );
  });

  test('says what public traffic costs, as an estimate, where the profile has a public address', async () => {
    const placement = placementOf({
      candidates: [{ ...pool, durationHours: 0, reason: 'spot price' }],
      rejected: [],
      warnings: [],
    });
    const found = { ...(await offer(placement)), profile: testProfile({ internetBandwidthMbps: 10 }) };
    expect(offerForPeople(found, 3_600_000)).toContain(
      'Public traffic is on top, an estimate by list price: 0.8 yuan a GiB sent, at most 3.35 yuan/h at 10 Mbit/s.',
    );
    expect(offerForScripts(found)).toMatchObject({ trafficYuanPerGiB: 0.8 });
    expect(await show(placement)).not.toContain('traffic');
  });

  test('never says yuan where the account pays in dollars', async () => {
    const abroad = { ...pool, currency: 'USD' };
    const placement = placementOf({
      candidates: [{ ...abroad, durationHours: 0, reason: 'spot price' }],
      rejected: [{ ...abroad, reason: 'no stock' }],
      warnings: [],
    });
    expect(await show(placement)).toMatch(/USD\/H[^]*0\.155 USD\/h and 0\.042 for its disk/);
    for (const json of [false, true]) expect(await show(placement, json)).not.toMatch(/yuan/i);
    expect(JSON.parse(await show(placement, true)).candidates[0]).toMatchObject({ priceUsdPerHour: 0.155 });
  });

  test('looks at the image as a job would: is it there, and for that architecture?', async () => {
    const of = (instanceType: string) =>
      placementOf({
        candidates: [{ ...pool, instanceType, durationHours: 1, reason: 'spot price' }],
        rejected: [],
        warnings: [],
      });
    const good = await offer(of('ecs.c7.xlarge'));
    expect([isGood(good), good.problem]).toEqual([true, undefined]);
    const arm = await offer(of('ecs.c8y.xlarge'));
    expect(isGood(arm)).toBe(false);
    expect(offerForPeople(arm, 3_600_000)).toContain(
      'It would fail: image base (m-1) is of x86_64, ecs.c8y.xlarge of arm64.',
    );
    const none = await offerOf(profile, 3_600_000, {
      placement: of('ecs.c7.xlarge'),
      quota: ample,
      cloud: { resolveImage: async () => undefined },
    });
    expect([isGood(none), none.problem]).toEqual([
      false,
      'There is no image base in this region (profiles.standard.image)',
    ]);
  });

  describe('looks at the account’s quotas as a job would', () => {
    const spot = { ...pool, durationHours: 1 as const, reason: 'spot price' };
    const payAsYouGo = { ...spot, market: 'on-demand' as const, reason: 'pay-as-you-go' };
    const ranked = placementOf({ candidates: [spot, payAsYouGo], rejected: [], warnings: [] });
    const cloud = { resolveImage: async () => x86 };
    const at = (quota: () => Promise<QuotaFacts>) => offerOf(profile, 3_600_000, { placement: ranked, cloud, quota });
    const zone = (value: number, zoneId: string, instanceType = '') => [{ value, zoneId, instanceType }];

    test.each<[string, Partial<Quotas>, readonly string[]]>([
      ['room for all', {}, ['spot', 'on-demand']],
      ['no room for spot', { usedSpotVcpus: 97 }, ['on-demand']],
      ['room for just one more', { usedSpotVcpus: 96 }, ['spot', 'on-demand']],
      ['no room in this zone', { spotVcpus: zone(3, 'h') }, ['on-demand']],
      ['a limit of another zone', { spotVcpus: zone(3, 'i') }, ['spot', 'on-demand']],
      ['no room for the family', { spotVcpus: [...zone(100, ''), ...zone(2, '', 'ecs.c7')] }, ['on-demand']],
      ['room for nothing', { usedSpotVcpus: 99, usedOnDemandVcpus: 99 }, []],
    ])('%s', async (_what, limits, markets) => {
      const found = await at(quotaOf(limits));
      expect(found.ranking.candidates.map(({ market }) => market)).toEqual(markets);
      expect(isGood(found)).toBe(markets.length > 0);
    });

    test('names the quota beside the pool', async () => {
      expect(offerForPeople(await at(quotaOf({ usedSpotVcpus: 98 })), 3_600_000)).toMatch(
        /^– .* vCPU quota: 98 of 100 in use$/m,
      );
    });

    test('a job needs a key pair, and a security group where none is shared', async () => {
      const full = { securityGroups: 100, keyPairs: 1 };
      const found = await at(quotaOf({}, full));
      expect([isGood(found), found.problem]).toEqual([
        false,
        'the quota of security groups is used up (100 of 100 are there)',
      ]);
      expect(isGood(await at(quotaOf({}, full, true)))).toBe(true);
      expect((await at(quotaOf({}, { securityGroups: 1, keyPairs: 500 }))).problem).toMatch(/^the quota of key pairs/);
    });

    test.each([['one' as const], [undefined]])('warns once of what can not be asked, as JSON: %s', async (json) => {
      const [told, printed]: [string[], string[]] = [[], []];
      const warned = placementOf({
        candidates: [spot],
        rejected: [],
        warnings: ["Stock can't be asked (Forbidden.RAM)"],
      });
      const isStarting = await price(
        { profiles: [profile, profile], timeoutMs: 3_600_000, json },
        {
          cloud,
          placement: warned,
          quota: () => Promise.reject(new Error('Forbidden.RAM')),
          out: (text) => printed.push(text),
          warn: (line) => told.push(line),
        },
      );
      expect(told).toEqual(["Stock can't be asked (Forbidden.RAM)", "Quotas can't be asked (Forbidden.RAM)"]);
      expect(isStarting).toBe(true);
      expect(printed.join('')).toContain('ecs.c7.xlarge');
    });
  });

  test('says so when there is nothing', async () => {
    expect(await show(placementOf({ candidates: [], rejected: [], warnings: [] }))).toContain(
      'A job of profile standard (timeout 1 h 00 min) would find nothing: it has 0 pools, and none is available now.',
    );
  });
});
