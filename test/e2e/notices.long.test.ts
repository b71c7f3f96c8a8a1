import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Ledger } from '../../src/billing/ledger';
import { ledgerEntry } from '../support/ledger-entry';
import { World } from '../support/world';

/** From a round of the built reaper to a webhook's server. (What is due: test/src/notices.) */
jest.setTimeout(120_000);

let world: World;
let server: Server;
let told: { key: string; title: string; lines: string[] }[];
beforeAll(async () => {
  world = await World.start();
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      told.push(JSON.parse(body) as (typeof told)[0]);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await world.close();
});
beforeEach(() => (told = []));

const reap = (change: Record<string, string> = {}) =>
  world.gitlabSpot(['reap', '--yes'], {
    GITLAB_SPOT_WEBHOOK: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    GITLAB_SPOT_BUDGET: '100',
    ...change,
  });

test('a reaper that never had a good round is told', async () => {
  const round = await reap({ ALICLOUD_ACCESS_KEY: 'no-such-key' });
  expect(round.exitCode).not.toBe(0);
  expect(told).toMatchObject([{ key: 'reaper/never', title: 'the reaper fails' }]);
});

test('a budget at 80 % is told once, at 100 % once more', async () => {
  const ledger = new Ledger(path.join(world.sandbox.directory, 'state/ledger'));
  const now = new Date().toISOString();
  const spend = (stack: string, yuan: number) => ledger.put(ledgerEntry({ stack, from: now, to: now, yuan }));
  await spend('a', 81);
  for (let round = 0; round < 2; round++) expect((await reap()).exitCode).toBe(0);
  expect(told.map(({ title }) => title)).toEqual(['80 % of the budget is used']);
  expect(told[0]!.lines[0]).toMatch(/^81\.00 of 100 yuan in /);
  await spend('b', 20);
  expect((await reap()).exitCode).toBe(0);
  expect(told.map(({ title }) => title).slice(1)).toEqual(['100 % of the budget is used']);
});
