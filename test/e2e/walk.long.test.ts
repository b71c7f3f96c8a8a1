import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWithTool } from '../support/tools';

const root = path.resolve(__dirname, '../..');
/** WALK_PAGE=README.zh-CN.md walks the Chinese page, whose blocks another test holds equal. */
const page = process.env['WALK_PAGE'] ?? 'README.md';

jest.setTimeout(300_000);

/** The README's blocks of shell commands below a heading, as a reader types them. */
function blocks(file: string, heading: RegExp): string[] {
  const section = readFileSync(path.join(root, file), 'utf8')
    .split(/^## /m)
    .find((one) => heading.test(one.split('\n')[0]!))!;
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
}

/** A terminal in which a person types these lines. */
class Terminal {
  output = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;

  constructor(script: string, home: string) {
    const { PATH, LANG } = process.env;
    this.child = spawn('bash', ['-euc', script], {
      cwd: root,
      env: { PATH, LANG, HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.child.emit('said');
      });
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  /**
   * Resolves once this has been printed; rejects with all that was where the terminal ends before.
   */
  async until(text: string): Promise<void> {
    let ended = false;
    void this.ended.then(() => {
      ended = true;
      this.child.emit('said');
    });
    while (!this.output.includes(text)) {
      if (ended) throw new Error(`never printed: ${text}\n${this.output}`);
      await new Promise((resolve) => this.child.once('said', resolve));
    }
  }

  /** Ctrl-C: for everything that runs in it. */
  interrupt(): void {
    if (this.child.exitCode === null && this.child.signalCode === null) process.kill(-this.child.pid!, 'SIGINT');
  }

  end(): Promise<number | null> {
    return this.ended;
  }
}

/** These answers to a command's questions, typed ahead. */
const answering = (line: string, ...answers: string[]) =>
  `printf '%s\\n' ${answers.map((answer) => `'${answer}'`).join(' ')} | script -qec '${line}' /dev/null`;

describeWithTool(`${page}, step by step in the sandbox`, { program: 'script' }, () => {
  let home: string;
  const open: Terminal[] = [];
  const terminal = (script: string) => {
    const one = new Terminal(script, home);
    open.push(one);
    return one;
  };

  beforeAll(() => (home = mkdtempSync(path.join(tmpdir(), 'walk-'))));
  afterAll(async () => {
    await terminal('npm run --silent sandbox -- stop --purge').end();
    for (const one of open) one.interrupt();
    rmSync(home, { recursive: true, force: true });
  });

  it('leads from nothing to a pipeline whose jobs ran on instances of their own, and leaves nothing', async () => {
    const [first, second, last] = blocks(page, /^(Step by step|在沙箱里逐步操作)/);
    const gitlab = terminal(first!);
    await gitlab.until('the pipeline waits for a runner');

    const [setUp, afterwards] = second!.split(/^gitlab-runner run.*\n/m);
    const typed = setUp!
      .replace(/^gitlab-spot init.*$/m, answering('gitlab-spot init', '', '', '', ''))
      .replace(/^gitlab-spot register.*$/m, answering('gitlab-spot register', 'glrt-sandbox'));
    const host = terminal(`${typed}\nexec gitlab-runner run`);
    await gitlab.until('the pipeline succeeded');
    host.interrupt();
    expect(await host.end()).toBe(0);
    expect(host.output).toContain('Credentials: good');
    expect(host.output).toMatch(/Image m-\S+: 100 %/);
    expect(host.output).toMatch(/Runner 1 is known at http:\/\/127\.0\.0\.1:\d+/);
    expect(host.output).toMatch(/job \d+ \(package\): success/);
    // Nothing warns of what is fine in a sandbox; the tests run with any Node.
    expect(host.output).not.toMatch(/^Network: instances without|^Instances can't reach/m);
    const marked = host.output.split(/\r?\n/).filter((line) => /^(\x1b\[\d+m)?(!|BAD)/.test(line));
    expect(marked.filter((line) => !line.includes('node: '))).toEqual([]);

    const [environment] = second!.split('\n');
    const later = terminal(`${environment}\n${afterwards}`);
    expect(await later.end()).toBe(0);
    expect(later.output).toMatch(/^demo\/tally +\d/m);

    gitlab.interrupt();
    await gitlab.end();
    const stop = terminal(last!);
    await stop.end();
    expect(stop.output).toContain('stopped');
  });
});
