import { spawn } from 'node:child_process';
import path from 'node:path';
import { CommandError } from '../errors';
import { type Environment } from '../project/paths';

const START_LIMIT_MS = 60_000;

/** What a plugin says outside of its protocol. */
export type PluginOutput = (stream: 'stdout' | 'stderr', line: string) => void;

/** A plugin that was started and told its port. */
export interface LaunchedPlugin {
  address: string;
  directory: string;
  stop(): void;
}

/**
 * Starts a plugin and reads its port from the first line of its output.
 * @throws CommandError when it ends, or says nothing for a minute
 */
export function launchPlugin(
  file: string,
  args: string[],
  cwd: string,
  env: Environment,
  output: PluginOutput,
): Promise<LaunchedPlugin> {
  // A group of its own: a Ctrl-C on the terminal reaches only the engine, which lets the plugin
  // finish its step.
  const child = spawn(file, args, { cwd, env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const name = path.basename(file);
  const errors: string[] = [];
  onLines(child.stderr, (line) => {
    errors.push(line);
    output('stderr', line);
  });
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new CommandError(`${name}: ${reason}${errors.length > 0 ? `\n${errors.join('\n')}` : ''}`));
    };
    const timer = setTimeout(() => fail(`did not print its port within ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once('error', (error) => fail(`failed to start: ${error.message}`));
    child.once('close', (code, signal) => fail(`could not read plugin stdout: it ended (${signal ?? `exit ${code}`})`));
    let ready = false;
    onLines(child.stdout, (line) => {
      if (ready) return output('stdout', line);
      ready = true;
      clearTimeout(timer);
      const port = /^\d+$/.exec(line.trim())?.[0];
      if (!port) return fail(`plugin wrote a non-numeric port to stdout ('${line}')`);
      const stop = () => void (child.exitCode === null && child.kill('SIGKILL'));
      resolve({ address: `127.0.0.1:${port}`, directory: path.dirname(file), stop });
    });
    child.unref();
    (child.stdout as unknown as { unref?(): void }).unref?.();
    (child.stderr as unknown as { unref?(): void }).unref?.();
  });
}

/** Hands over a stream's text line by line. */
export function onLines(stream: NodeJS.ReadableStream, handle: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    lines.forEach((line) => handle(line.replace(/\r$/, '')));
  });
  stream.on('end', () => rest && handle(rest));
}
