import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveMetrics, type MetricsServer, type ServerOptions } from '../../../src/metrics/server';

const open: MetricsServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function serve(change: Partial<ServerOptions> = {}): Promise<MetricsServer> {
  const server = await serveMetrics({
    listen: '127.0.0.1:0',
    collect: () => Promise.resolve('# HELP x y.\n# TYPE x gauge\nx 1\n'),
    warn: () => undefined,
    ...change,
  });
  open.push(server);
  return server;
}

const ended = async (socket: Socket): Promise<void> => {
  socket.on('error', () => undefined).resume();
  if (!socket.destroyed) await once(socket, 'close');
};

test('answers GET and HEAD at /metrics as the format has it', async () => {
  const { url } = await serve();
  const answer = await fetch(`${url}/metrics?x=1`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await answer.text();
  expect(text).toContain('x 1\n');
  const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, String(text.length), '']);
});

test('answers nothing else', async () => {
  const { url } = await serve();
  for (const path of ['/', '/metrics/', '/../etc/passwd']) expect((await fetch(`${url}${path}`)).status).toBe(404);
  const posted = await fetch(`${url}/metrics`, { method: 'POST', body: 'x'.repeat(100_000) });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('tells a failure in one sentence, and goes on', async () => {
  const told: string[] = [];
  let works = false;
  const { url } = await serve({
    collect: () => (works ? Promise.resolve('ok\n') : Promise.reject(new Error('the state folder can’t be read'))),
    warn: (line) => told.push(line),
  });
  const answer = await fetch(`${url}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([500, 'gitlab-spot: the state folder can’t be read\n']);
  expect(told).toEqual(['metrics: the state folder can’t be read']);
  works = true;
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
});

test('reads once for many who ask at the same time', async () => {
  let readings = 0;
  const { url } = await serve({
    collect: async () => {
      readings++;
      await sleep(50);
      return 'x 1\n';
    },
  });
  const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${url}/metrics`)));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(readings).toBe(1);
});

test('cuts off who sends no request, half of one, or takes no answer', async () => {
  const { url } = await serve({ patienceMs: 200, collect: () => Promise.resolve('x'.repeat(50 * 1024 * 1024)) });
  const port = Number(new URL(url).port);
  const [silent, half, slow] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  half.write('GET /metrics HTTP/1.1\r\nHost: x\r\n');
  slow.pause();
  slow.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  await Promise.all([ended(silent), ended(half)]);
  // Its reader never read: the server let go, so that what is left in flight ends before the whole
  // came.
  await sleep(600);
  let bytes = 0;
  slow.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await ended(slow);
  expect(bytes).toBeLessThan(50 * 1024 * 1024);
}, 20_000);

test('has no more than twenty connections at a time', async () => {
  const { url } = await serve();
  const port = Number(new URL(url).port);
  const sockets = Array.from({ length: 30 }, () => connect(port, '127.0.0.1'));
  const closed = new Set<Socket>();
  sockets.forEach((socket) =>
    socket
      .on('error', () => undefined)
      .on('close', () => closed.add(socket))
      .resume(),
  );
  while (closed.size < 10) await sleep(10);
  expect(closed.size).toBe(10);
  sockets.forEach((socket) => socket.destroy());
  while (closed.size < 30) await sleep(10);
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
});

test('names an address that can not be', async () => {
  const { url } = await serve();
  const taken = new URL(url).host;
  await expect(serve({ listen: taken })).rejects.toThrow(`Can't listen at ${taken} (EADDRINUSE)`);
  for (const listen of ['9750', 'localhost', '127.0.0.1:99999', 'http://127.0.0.1:9'])
    await expect(serve({ listen })).rejects.toThrow('--listen takes an address such as 127.0.0.1:9750');
});
