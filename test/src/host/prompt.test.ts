import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { readSecret, terminalPrompt, type Prompt } from '../../../src/host/prompt';

function dialogue(...answers: string[]) {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = new PassThrough();
  let shown = '';
  output.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (/(: )$/.test(text) && answers.length > 0) setImmediate(() => input.write(`${answers.shift()}\r`));
  });
  return { prompt: terminalPrompt(input, output), shown: () => shown, input };
}

describe('terminalPrompt', () => {
  it('asks, and takes the fallback for nothing', async () => {
    const { prompt } = dialogue('', 'cn-beijing');
    await expect(prompt.ask('Region', 'cn-hangzhou')).resolves.toBe('cn-hangzhou');
    await expect(prompt.ask('Region', 'cn-hangzhou')).resolves.toBe('cn-beijing');
  });

  it('does not show a secret', async () => {
    const { prompt, shown } = dialogue('s3cret');
    await expect(prompt.secret('Access key secret')).resolves.toBe('s3cret');
    expect(shown()).not.toContain('s3cret');
  });

  it.each([
    ['', true, true],
    ['n', true, false],
    ['yes', false, true],
    ['是', false, true],
  ])('takes %j (fallback %s) as %s', async (answer, fallback, expected) => {
    await expect(dialogue(answer).prompt.confirm('Go on?', fallback)).resolves.toBe(expected);
  });

  it.each([
    ['a terminal', true, '\r'],
    ['a pipe', false, '\n'],
  ])('loses no answer that was pasted ahead into %s, shows none twice, and no secret', async (_what, isTTY, end) => {
    const input = Object.assign(new PassThrough(), { isTTY });
    const output = new PassThrough();
    const prompt = terminalPrompt(input, output);
    const region = prompt.ask('Region');
    input.write(`cn-beijing${end}s3cret${end}n${end}vpc-`);
    await expect(region).resolves.toBe('cn-beijing');
    await expect(prompt.secret('Secret')).resolves.toBe('s3cret');
    await expect(prompt.confirm('Go on?', true)).resolves.toBe(false);
    const vpc = prompt.ask('VPC');
    input.write(`1${end}`);
    await expect(vpc).resolves.toBe('vpc-1');
    const shown = String(output.read());
    expect(shown).not.toContain('s3cret');
    expect(shown.split('cn-beijing')).toHaveLength(isTTY ? 2 : 1);
  });

  it('says so when the input ends', async () => {
    const { prompt, input } = dialogue();
    const answer = prompt.ask('Region');
    input.end();
    await expect(answer).rejects.toThrow('The input ended before the question was answered');
  });
});

describe('readSecret', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'secret-'))));
  afterEach(() => rmSync(directory, { recursive: true }));
  const ask = (change: object) =>
    readSecret({
      what: 'runner token',
      file: undefined,
      fileOption: '--token-file',
      variable: 'TOKEN',
      variables: {},
      prompt: undefined,
      ...change,
    });

  it('takes a file, then the environment, then a person', async () => {
    const file = path.join(directory, 'token');
    writeFileSync(file, 'from-file\n');
    const prompt = { secret: () => Promise.resolve('typed') } as unknown as Prompt;
    await expect(ask({ file, variables: { TOKEN: 'set' }, prompt })).resolves.toBe('from-file');
    await expect(ask({ variables: { TOKEN: 'set' }, prompt })).resolves.toBe('set');
    await expect(ask({ prompt })).resolves.toBe('typed');
  });

  it.each([
    [{}, 'There is no runner token'],
    [{ file: '/nowhere/token' }, "runner token can't be read from /nowhere/token (ENOENT)"],
    [{ file: '/dev/null' }, 'is empty, so there is no runner token'],
  ])('of %j says: %s', async (change, sentence) => {
    await expect(ask(change)).rejects.toThrow(sentence);
  });
});
