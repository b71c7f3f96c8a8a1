import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as z from 'zod/mini';
import { sender } from '../../../src/notices/tell';
import { kindOf, webhookOf, type WebhookKind } from '../../../src/notices/webhook';

const notice = { key: 'leftover/x', title: 'a stack <at user_id="all"> & more', lines: ['line\u001b[2J'] };
const SECRET = 'token-1234567890';

/** What each service's page asks for, and says where it gets something else. */
const services: Record<WebhookKind, { schema: z.ZodMiniType; good: string; bad: [number, string]; why: string }> = {
  dingtalk: {
    schema: z.strictObject({ msgtype: z.literal('text'), text: z.strictObject({ content: z.string() }) }),
    good: '{"errcode":0,"errmsg":"ok"}',
    bad: [200, '{"errcode":310000,"errmsg":"keywords not in content"}'],
    why: 'it answered 310000 (keywords not in content)',
  },
  wecom: {
    schema: z.strictObject({ msgtype: z.literal('text'), text: z.strictObject({ content: z.string() }) }),
    good: '{"errcode":0,"errmsg":"ok"}',
    bad: [200, '{"errcode":93000,"errmsg":"invalid webhook url"}'],
    why: 'it answered 93000 (invalid webhook url)',
  },
  feishu: {
    schema: z.strictObject({ msg_type: z.literal('text'), content: z.strictObject({ text: z.string() }) }),
    good: '{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}',
    bad: [200, '{"code":19001,"data":{},"msg":"param invalid: incoming webhook access token invalid"}'],
    why: 'it answered 19001 (param invalid: incoming webhook access token invalid)',
  },
  slack: {
    schema: z.strictObject({ text: z.string() }),
    good: 'ok',
    bad: [403, 'invalid_token'],
    why: 'it answered HTTP 403 (invalid_token)',
  },
  json: {
    schema: z.strictObject({
      source: z.literal('gitlab-spot'),
      host: z.string(),
      key: z.string(),
      title: z.string(),
      lines: z.array(z.string()),
      text: z.string(),
    }),
    good: '',
    bad: [500, `no ${SECRET} here`],
    why: 'it answered HTTP 500 (no … here)',
  },
};
const kinds = Object.keys(services) as WebhookKind[];

let server: Server;
let answer: [number, string];
let asked: { method: string | undefined; type: string | undefined; query: URLSearchParams; body: string }[];
beforeAll((done) => {
  server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const { searchParams: query } = new URL(request.url!, 'http://here');
      asked.push({ method: request.method, type: request.headers['content-type'], query, body });
      response.writeHead(answer[0]).end(answer[1]);
    });
  }).listen(0, '127.0.0.1', done);
});
afterAll((done) => void server.close(done));
beforeEach(() => (asked = []));

const send = (kind: WebhookKind, lines = notice.lines) => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/robot?${SECRET}`;
  return sender({ childEnvironment: {}, executorId: 'host-1' }, { kind, url, name: kind })({ ...notice, lines });
};

test.each(kinds)('%s gets what it documents', async (kind) => {
  answer = [200, services[kind].good];
  expect((await send(kind)).problem).toBeUndefined();
  const [{ method, type, body }] = asked as [(typeof asked)[0]];
  expect([method, type]).toEqual(['POST', 'application/json; charset=utf-8']);
  services[kind].schema.parse(JSON.parse(body));
  expect(body).toContain('gitlab-spot');
  if (kind === 'slack') expect(body).toContain('&lt;at user_id=\\"all\\"&gt; &amp; more');
  if (kind === 'feishu') expect(body).not.toContain('<at');
});

test.each(kinds)('%s says no: its words are told, the secret is not', async (kind) => {
  answer = services[kind].bad;
  expect((await send(kind)).problem).toBe(services[kind].why);
});

describe('a robot with a secret gets a signature as its page says', () => {
  const [KEY, NOW_MS] = ['SEC0123456789abcdef', Date.parse('2026-11-28T10:00:00.500Z')];
  const signed = (kind: WebhookKind) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/robot?access_token=${SECRET}`;
    const settings = { childEnvironment: {}, executorId: 'host-1' };
    return sender(settings, { kind, url, secret: KEY, name: kind }, () => NOW_MS)(notice);
  };

  test('DingTalk: beside its token, over milliseconds and secret', async () => {
    answer = [200, services.dingtalk.good];
    expect((await signed('dingtalk')).problem).toBeUndefined();
    const [{ query, body }] = asked as [(typeof asked)[0]];
    // printf "1795860000500\nSEC0123456789abcdef" | openssl dgst -sha256 -hmac SEC0123456789abcdef -binary | base64
    expect(Object.fromEntries(query)).toEqual({
      access_token: SECRET,
      timestamp: '1795860000500',
      sign: 'ayQjCwxhZEVTGvXR1BU8SKIGj3jNUHSoXl97z9K7PVw=',
    });
    services.dingtalk.schema.parse(JSON.parse(body));
  });

  test('Feishu: in the message, over nothing, with seconds and secret as the key', async () => {
    answer = [200, services.feishu.good];
    expect((await signed('feishu')).problem).toBeUndefined();
    const { timestamp, sign, ...message } = JSON.parse(asked[0]!.body) as Record<string, string>;
    expect({ timestamp, sign }).toEqual({
      timestamp: '1795860000',
      sign: 'LxKTk5DR9eJp+H9OGmuhsspu8lplfJtkagbEkM3KDug=',
    });
    services.feishu.schema.parse(message);
  });

  test('and neither secret nor signature is told', async () => {
    answer = [
      200,
      '{"errcode":310000,"errmsg":"sign not match, ayQjCwxhZEVTGvXR1BU8SKIGj3jNUHSoXl97z9K7PVw= of /robot?access_token=token-1234567890"}',
    ];
    const { problem } = await signed('dingtalk');
    expect(problem).toContain('310000');
    expect(problem).not.toContain(SECRET);
  });
});

test('a robot’s answer that is no result is no success', async () => {
  answer = [200, '<html>Sign in</html>'];
  expect((await send('dingtalk')).problem).toMatch(/without a result/);
});

test('a long text is cut to what WeCom takes, at a whole character', async () => {
  answer = [200, services.wecom.good];
  await send('wecom', ['备'.repeat(2_000)]);
  const { content } = (JSON.parse(asked[0]!.body) as { text: { content: string } }).text;
  expect(Buffer.byteLength(content)).toBeLessThanOrEqual(2_000);
  expect(content).toMatch(/备…$/);
});

test('an answer has a bound', async () => {
  answer = [200, 'x'.repeat(70_000)];
  expect((await send('json')).problem).toMatch(/larger than/);
});

test.each([
  ['never answers', ''],
  ['begins an answer, and never ends it', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{'],
])('a server that %s is left after the limit', async (_, begins) => {
  const hanging = createTcpServer(
    (socket) =>
      void socket
        .on('error', () => undefined)
        .resume()
        .write(begins),
  );
  await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/${SECRET}`;
  const webhook = { kind: 'json', url, name: 'json' } as const;
  const { problem } = await sender({ childEnvironment: {}, executorId: 'host-1' }, webhook, Date.now, 50)(notice);
  expect(problem).toMatch(/in time/);
  // Nothing of it stays open.
  await new Promise((resolve) => hanging.close(resolve));
});

test.each([
  ['https://oapi.dingtalk.com/robot/send?access_token=x', 'dingtalk'],
  ['https://open.feishu.cn/open-apis/bot/v2/hook/x', 'feishu'],
  ['https://open.larksuite.com/open-apis/bot/v2/hook/x', 'feishu'],
  ['https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x', 'wecom'],
  ['https://hooks.slack.com/services/T/B/x', 'slack'],
  ['https://dingtalk.com.example.com/x', 'json'],
])('%s is %s', (url, kind) => expect(kindOf(url)).toBe(kind));

describe('the file of the URL', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'webhook-'));
  const file = path.join(folder, 'webhook');
  const settings = { webhook: undefined, webhookFile: file, kind: 'auto', summary: 'off' } as const;
  const write = (text: string, mode = 0o600): void => {
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is read; people see service and host alone', () => {
    write(`https://hooks.slack.com/services/${SECRET}\n`);
    expect(webhookOf(settings)).toMatchObject({ kind: 'slack', name: 'Slack at hooks.slack.com' });
  });
  test('has the secret of signatures beside it, for robots that know one', () => {
    const secretFile = path.join(folder, 'secret');
    writeFileSync(secretFile, 'SEC0\n', { mode: 0o600 });
    write(`https://oapi.dingtalk.com/robot/send?access_token=${SECRET}`);
    expect(webhookOf({ ...settings, secretFile })).toMatchObject({ kind: 'dingtalk', secret: 'SEC0' });
    write(`https://hooks.slack.com/services/${SECRET}`);
    expect(() => webhookOf({ ...settings, secretFile })).toThrow('Slack takes no signature');
  });
  test.each<[string, string, number, RegExp]>([
    ['others may read it', `https://example.com/${SECRET}`, 0o644, /Others may read/],
    ['it holds two lines', `https://example.com/${SECRET}\nmore`, 0o600, /one URL and nothing else/],
    ['it holds no URL', SECRET, 0o600, /one URL and nothing else/],
  ])('is refused without its words where %s', (_what, text, mode, why) => {
    write(text, mode);
    expect(() => webhookOf(settings)).toThrow(why);
    expect(() => webhookOf(settings)).not.toThrow(SECRET);
  });
});
