/** Shows a pipeline as it goes: live lines at a terminal, one line for each change elsewhere. */
import type { JobState, RunnerEvent } from '../runner/types';
import { logText } from './log-text';
import { cutTo, terminalOf, type Output, type Terminal } from './terminal';

interface Line {
  readonly id: number;
  readonly name: string;
  state: JobState;
  doing: string;
  sinceMs: number;
}

const MARKS: Readonly<Record<JobState, string>> = {
  created: '·',
  scheduled: '◷',
  waiting: '·',
  running: '▸',
  success: '✓',
  failed: '✗',
  canceled: '■',
  skipped: '-',
  manual: '◦',
};
const ASCII: Readonly<Record<JobState, string>> = {
  created: '.',
  scheduled: '@',
  waiting: '.',
  running: '>',
  success: '+',
  failed: 'x',
  canceled: '#',
  skipped: '-',
  manual: 'o',
};
const COLOURS: Partial<Record<JobState, string>> = { running: '36', success: '32', failed: '31', canceled: '33' };
const REFRESH_MS = 500;

function doing(hook: string): string {
  if (hook === 'config') return 'choosing a machine';
  if (hook === 'prepare') return 'creating its instance';
  if (hook === 'cleanup') return 'giving its instance back';
  return hook.replace(/^run-/, '').replaceAll('_', ' ');
}

export interface ScreenOptions {
  /** Every line of every job's log as it comes, and what the runner keeps in its own log. */
  readonly verbose: boolean;
  readonly now: () => number;
  /** Of the process: what the terminal can do. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export class Screen {
  private readonly lines = new Map<string, Line>();
  private readonly logs = new Map<string, string>();
  private readonly pending = new Map<string, string>();
  private drawn = 0;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly output: Output,
    private readonly options: ScreenOptions,
  ) {
    if (this.live) this.timer = setInterval(() => this.draw(), REFRESH_MS);
    this.timer?.unref();
  }

  private get terminal(): Terminal {
    return terminalOf(this.output, this.options.variables);
  }

  private get live(): boolean {
    return this.terminal.live && !this.options.verbose && !this.closed;
  }

  private mark(state: JobState): string {
    return (this.terminal.unicode ? MARKS : ASCII)[state];
  }

  see(event: RunnerEvent): void {
    if (event.type === 'job-state') this.changeState(event.name, event.id, event.state);
    else if (event.type === 'hook') this.hook(event.name, event.hook, event.phase, event.exit);
    else if (event.type === 'log') this.log(event.name, event.text);
    else if (this.options.verbose) this.verboseLines(`${event.name} (runner)`, event.text);
  }

  /** A line of the demo's own. */
  say(text: string): void {
    this.erase();
    this.output.write(`${text}\n`);
    this.draw();
  }

  /** Leaves the lines as they are; what comes after is written below them. Idempotent. */
  close(): void {
    clearInterval(this.timer);
    this.draw();
    this.closed = true;
  }

  private changeState(name: string, id: number, state: JobState): void {
    const line = this.lines.get(name) ?? { id, name, state, doing: '', sinceMs: this.options.now() };
    if (state === 'running') line.sinceMs = this.options.now();
    line.state = state;
    line.doing = '';
    this.lines.set(name, line);
    if (state === 'waiting') return;
    if (!this.live) this.output.write(`${this.paint(state, `${this.mark(state)} ${name}: ${state}`)}\n`);
    if (['success', 'failed', 'canceled'].includes(state)) this.showLog(name);
    this.draw();
  }

  private hook(name: string, hook: string, phase: 'start' | 'exit', exit?: number): void {
    const line = this.lines.get(name);
    if (!line) return;
    if (phase === 'start') line.doing = doing(hook);
    if (!this.live && phase === 'exit' && hook === 'prepare')
      this.output.write(
        `  ${name}: ${exit === 0 ? `its instance is ready after ${this.seconds(line)} s` : `prepare ended with ${exit}`}\n`,
      );
    this.draw();
  }

  private log(name: string, text: string): void {
    if (this.options.verbose) this.verboseLines(name, text);
    else this.logs.set(name, (this.logs.get(name) ?? '') + text);
  }

  private verboseLines(name: string, text: string): void {
    const lines = ((this.pending.get(name) ?? '') + text).split('\n');
    this.pending.set(name, lines.pop() ?? '');
    for (const line of lines) this.output.write(`${name} | ${logText(line, this.terminal.colours)}\n`);
  }

  private showLog(name: string): void {
    const log = this.logs.get(name);
    this.logs.delete(name);
    if (!log) return;
    const shown = logText(log, this.terminal.colours).trimEnd().split('\n');
    const rule = this.terminal.unicode ? '─' : '-';
    this.say(
      [
        `${rule}${rule} log of ${name} ${rule.repeat(Math.max(4, 60 - name.length))}`,
        ...shown.map((line) => `   ${line}`),
        '',
      ].join('\n'),
    );
  }

  private seconds(line: Line): string {
    return ((this.options.now() - line.sinceMs) / 1000).toFixed(1);
  }

  private paint(state: JobState, text: string): string {
    const colour = COLOURS[state];
    return this.terminal.colours && colour ? `\x1b[${colour}m${text}\x1b[0m` : text;
  }

  private erase(): void {
    if (this.live && this.drawn > 0) this.output.write(`\x1b[${this.drawn}A\x1b[0J`);
    this.drawn = 0;
  }

  private draw(): void {
    if (!this.live) return;
    this.erase();
    const rows = this.rows();
    if (rows.length > 0) this.output.write(`${rows.join('\n')}\n`);
    this.drawn = rows.length;
  }

  /**
   * One for each job; where there are more than fit, those that run, and a line about the others.
   */
  private rows(): string[] {
    const { columns, rows } = this.terminal;
    const lines = [...this.lines.values()];
    const room = Math.max(1, rows - 2);
    const first = lines.length <= room ? lines : [...lines].sort((a, b) => urgency(a) - urgency(b)).slice(0, room - 1);
    const shown = lines.filter((line) => first.includes(line));
    const texts = shown.map((line) => {
      const detail = line.state === 'running' ? `${line.doing} ${this.seconds(line)} s` : line.state;
      return this.paint(line.state, cutTo(`${this.mark(line.state)} ${line.name}: ${detail}`, columns - 1));
    });
    const others = lines.filter((line) => !first.includes(line));
    if (others.length === 0) return texts;
    const states = [...new Set(others.map(({ state }) => state))];
    const sums = states.map((state) => `${others.filter((line) => line.state === state).length} ${state}`);
    return [...texts, cutTo(`  and ${others.length} more: ${sums.join(', ')}`, columns - 1)];
  }
}

function urgency({ state }: Line): number {
  return state === 'running' ? 0 : state === 'failed' || state === 'canceled' ? 1 : 2;
}
