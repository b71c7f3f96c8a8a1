import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accessBy, isLoopback, tokenIn } from '../../../src/board/access';
import { createBoard } from '../../../src/board/board';
import type { BoardSnapshot } from '../../../src/board/types';
import { serveMetrics, type MetricsServer } from '../../../src/metrics/server';

const TOKEN = 'a-token-of-the-tests';
let snapshot: BoardSnapshot;
let version: number;
const open: { close(): void | Promise<void> }[] = [];
beforeEach(() => {
  version = 1;
  snapshot = { host: 'host-1', jobs: [] } as unknown as BoardSnapshot;
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function serve(token?: string): Promise<MetricsServer> {
  const access = accessBy(token);
  const source = { refresh: () => Promise.resolve(version), snapshot: () => snapshot };
  const board = createBoard(source, access, () => undefined);
  const server = await serveMetrics({
    listen: '127.0.0.1:0',
    collect: () => Promise.resolve('x 1\n'),
    others: board.answer,
    isAllowed: access.isHostAllowed,
    warn: () => undefined,
  });
  open.push(board, server);
  return server;
}

/** With a Host header, which fetch does not let one set. */
function askAs(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { Host: host } }, (answer) => resolve(answer.resume().statusCode));
    asked.on('error', reject).end();
  });
}

test('serves page and snapshot beside the metrics, to be neither kept, framed nor asked by others', async () => {
  const { url } = await serve();
  const page = await fetch(`${url}/`);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(Object.fromEntries(page.headers)).toMatchObject({
    'cache-control': 'no-store',
    'content-security-policy': expect.stringMatching(/^default-src 'none'; script-src 'sha256-[^']+'; /) as string,
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  });
  expect(await (await fetch(`${url}/board.json`)).json()).toEqual(snapshot);
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
});

test('changes nothing: only GET and HEAD, and nothing beside its four pages', async () => {
  const { url } = await serve();
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
    for (const place of ['/', '/board.json', '/events', '/session'])
      expect((await fetch(url + place, { method })).status).toBe(405);
  expect((await fetch(`${url}/`, { method: 'HEAD' })).status).toBe(200);
  for (const place of ['/x', '/board.json/', '//evil.example', '/../etc/passwd'])
    expect((await fetch(url + place)).status).toBe(404);
});

test('nothing that a job is called can leave the script in which the page has it', async () => {
  snapshot = { ...snapshot, host: `</script><script>alert(1)</script>$&` };
  const { url } = await serve();
  const page = await (await fetch(`${url}/`)).text();
  const data = /<script id="data"[^>]*>([^<]*)<\/script>/.exec(page)![1]!;
  expect(JSON.parse(data)).toEqual(snapshot);
  expect(page).not.toContain('alert(1)</script>');
});

describe('without a token', () => {
  test.each(['127.0.0.1', 'localhost:9750', '[::1]:9750', '10.1.2.3:80', hostname()])('%s is let in', async (host) => {
    const { url } = await serve();
    expect(await askAs(`${url}/board.json`, host)).toBe(200);
  });

  test.each(['evil.example', 'localhost.evil.example:9750', '127.0.0.1.evil.example'])(
    'a page that has its name %j point here is not, to the metrics neither',
    async (host) => {
      const { url } = await serve();
      expect(await askAs(`${url}/board.json`, host)).toBe(421);
      expect(await askAs(`${url}/metrics`, host)).toBe(421);
    },
  );
});

describe('with a token', () => {
  test('nothing is told without it, but a page that asks for it', async () => {
    const { url } = await serve(TOKEN);
    const page = await fetch(`${url}/`);
    expect([page.status, await page.text()]).toEqual([401, expect.not.stringContaining('host-1') as string]);
    for (const place of ['/board.json', '/events', '/session'])
      for (const headers of [{}, { Authorization: 'Bearer wrong' }, { Cookie: 'gitlab-spot-board=wrong' }] as Record<
        string,
        string
      >[])
        expect((await fetch(url + place, { headers })).status).toBe(401);
    expect((await fetch(`${url}/?token=wrong`)).status).toBe(401);
  });

  test('a script shows it in a header, whatever the host is called', async () => {
    const { url } = await serve(TOKEN);
    const answer = await fetch(`${url}/board.json`, { headers: { Authorization: `Bearer ${TOKEN}` } });
    expect([answer.status, await answer.json()]).toEqual([200, snapshot]);
    expect(await askAs(`${url}/`, 'ci.example.com')).toBe(401);
  });

  test.each([
    ['header', (url: string) => fetch(`${url}/session`, { headers: { Authorization: `Bearer ${TOKEN}` } }), 204],
    ['address', (url: string) => fetch(`${url}/?token=${TOKEN}`, { redirect: 'manual' }), 303],
  ])('who shows it once in the %s has a cookie from then on, which is not the token', async (_where, show, status) => {
    const { url } = await serve(TOKEN);
    const shown = await show(url);
    const cookie = shown.headers.get('set-cookie')!;
    expect([shown.status, cookie]).toEqual([
      status,
      expect.stringMatching(/^gitlab-spot-board=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/) as string,
    ]);
    expect(cookie).not.toContain(TOKEN);
    const Cookie = `other=1; ${cookie.split(';')[0]}`;
    expect((await fetch(`${url}/board.json`, { headers: { Cookie } })).status).toBe(200);
  });

  test('is made once, for its owner alone; a short one is refused', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'board-token-'));
    try {
      const file = path.join(folder, 'board-token');
      const token = tokenIn(file, { make: true });
      expect([token, statSync(file).mode & 0o777]).toEqual([readFileSync(file, 'utf8').trim(), 0o600]);
      expect(token).toMatch(/^[\w-]{32}$/);
      expect(tokenIn(file, { make: true })).toBe(token);
      expect(() => tokenIn(path.join(folder, 'none'), { make: false })).toThrow(/can't be read \(ENOENT\)/);
      writeFileSync(file, 'short\n');
      expect(() => tokenIn(file, { make: false })).toThrow(/fewer than 16 characters/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ['127.0.0.1', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.5', false],
    ['127.0.0.1.example', false],
  ])('is needed where others reach the address: %s is this machine alone: %s', (host, own) => {
    expect(isLoopback(host)).toBe(own);
  });
});

/** The events of a stream, one at a time. */
async function* eventsOf(url: string): AsyncGenerator<BoardSnapshot> {
  const answer = await fetch(`${url}/events`);
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  let text = '';
  for await (const chunk of answer.body!) {
    text += Buffer.from(chunk as Uint8Array).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data !== undefined) yield JSON.parse(data) as BoardSnapshot;
    }
  }
}

test('tells an open page at once what is so, and then each change', async () => {
  const { url } = await serve();
  const events = eventsOf(url);
  expect((await events.next()).value).toEqual(snapshot);
  snapshot = { ...snapshot, host: 'host-2' };
  version++;
  // The first tick may repeat what was there when the page came.
  let told: BoardSnapshot;
  do told = (await events.next()).value as BoardSnapshot;
  while (told.host === 'host-1');
  expect(told).toEqual(snapshot);
  await events.return(undefined);
});

test('has no more than twenty open pages, and room for others once they close', async () => {
  const { url } = await serve();
  const pages = Array.from({ length: 20 }, () => new AbortController());
  const answers = await Promise.all(pages.map(({ signal }) => fetch(`${url}/events`, { signal })));
  expect(answers.map(({ status }) => status)).toEqual(pages.map(() => 200));
  const more = await fetch(`${url}/events`);
  expect([more.status, more.headers.get('retry-after')]).toEqual([503, '30']);
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  pages[0]!.abort();
  let status = 503;
  while (status === 503) {
    const controller = new AbortController();
    ({ status } = await fetch(`${url}/events`, { signal: controller.signal }));
    controller.abort();
  }
  expect(status).toBe(200);
  pages.forEach((page) => page.abort());
});

test('a page that is closed while the host is still looked at holds no place', async () => {
  let look: () => void = () => undefined;
  const looked = new Promise<void>((resolve) => (look = resolve));
  const source = { refresh: () => looked.then(() => version), snapshot: () => snapshot };
  const board = createBoard(source, accessBy(undefined), () => undefined);
  let closed = 0;
  const others: typeof board.answer = (asked, answer) => {
    answer.once('close', () => closed++);
    return board.answer(asked, answer);
  };
  const collect = (): Promise<string> => Promise.resolve('');
  const server = await serveMetrics({ listen: '127.0.0.1:0', collect, others, warn: () => undefined });
  open.push(board, server);
  for (let count = 1; count <= 20; count++) {
    const page = request(`${server.url}/events`).on('error', () => undefined);
    page.on('socket', (socket) => socket.once('connect', () => setTimeout(() => page.destroy(), 20))).end();
  }
  while (closed < 20) await sleep(10);
  look();
  const page = new AbortController();
  expect((await fetch(`${server.url}/events`, { signal: page.signal })).status).toBe(200);
  page.abort();
});
