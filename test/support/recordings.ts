import { existsSync, readdirSync } from 'node:fs';
import { fixture, fixturePath } from './fixtures';

/** A job of a real runner, as the recording hooks saw it. */
export interface Recording {
  /** `config start`, `run-build_script SIGTERM`, `prepare exit 2`, … */
  readonly events: readonly string[];
  /** Each hook call in its order. */
  readonly calls: readonly RecordedCall[];
  /** The job's log as GitLab got it. */
  readonly trace: string;
  /** The runner's last word to GitLab. */
  readonly final: { state?: string; failure_reason?: string; exit_code?: number };
}

export interface RecordedCall {
  /** `config`, `prepare`, `cleanup`, or a stage of `run`. */
  readonly hook: 'config' | 'prepare' | 'run' | 'cleanup';
  readonly stage: string | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly script: string | undefined;
  /** The script's own exit status, where the recording hook noted a failure. */
  readonly scriptExit: number;
  /** The runner sent SIGTERM while it ran. */
  readonly stopped: boolean;
  readonly exit: number;
}

export const RECORDED_VERSIONS = ['19.3.0', '17.4.0'] as const;

export function recordingNames(version: string): readonly string[] {
  const folder = fixturePath(`gitlab-runner/${version}`);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

export function readRecording(version: string, name: string): Recording {
  const folder = `gitlab-runner/${version}/${name}`;
  const numbered = fixture(`${folder}/events.txt`)
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\d+ /, ''));
  const files = readdirSync(fixturePath(folder))
    .filter((file) => file.endsWith('.env'))
    .sort();
  const calls = JSON.parse(fixture(`${folder}/gitlab.json`)) as { body?: Recording['final'] }[];
  return {
    events: numbered.map((line) => line.replace(/^\d+-/, '')),
    calls: files.map((file) => recordedCall(folder, file.replace(/\.env$/, ''), numbered)),
    trace: fixture(`${folder}/trace.txt`),
    final: calls.at(-1)?.body ?? {},
  };
}

function recordedCall(folder: string, call: string, events: readonly string[]): RecordedCall {
  const [, hook = '', stage] = /^\d+-(config|prepare|run|cleanup)(?:-(.+))?$/.exec(call) ?? [];
  const word = (what: string): string | undefined =>
    events.find((event) => event.startsWith(`${call} ${what}`))?.slice(`${call} ${what} `.length);
  const script = `${folder}/${call}.sh`;
  return {
    hook: hook as RecordedCall['hook'],
    stage,
    environment: parseEnvironment(fixture(`${folder}/${call}.env`)),
    script: existsSync(fixturePath(script)) ? fixture(script) : undefined,
    scriptExit: Number(word('script-exit') ?? 0),
    stopped: word('SIGTERM') !== undefined,
    exit: Number(word('exit') ?? NaN),
  };
}

/** `NAME=value` lines; a value may go on over several. */
function parseEnvironment(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  let key = '';
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const start = /^([A-Z_][A-Z0-9_]*)=(.*)$/s.exec(line);
    if (start) [, key = ''] = start;
    found[key] = start ? (start[2] ?? '') : `${found[key]}\n${line}`;
  }
  return found;
}

/**
 * What the stages' scripts wrote into a trace, in the order of their sections: without time stamps
 * and without the runner's own words.
 */
export function stageOutputs(
  trace: string,
): readonly { readonly section: string; readonly lines: readonly string[] }[] {
  const text = trace.replaceAll(/^\d{4}-\S+Z \d\d[OE][+ ]/gm, '');
  const sections = [...text.matchAll(/section_start:\d+:(\w+)\r\u001b\[0K(.*?)section_end:\d+:\1\r/gs)];
  return sections
    .filter(([, section]) => section !== 'prepare_executor')
    .map(([, section = '', body = '']) => ({
      section,
      lines: body
        .split('\n')
        // Its title, a warning of the runner's, and a defect of the recording hook.
        .filter(
          (line) =>
            !/^\s*(\u001b\[0K)*\u001b\[36;1m|^\u001b\[0;33mWARNING: Starting with|^\/opt\/executor\/hook/.test(line),
        )
        .filter((line) => line !== ''),
    }));
}
