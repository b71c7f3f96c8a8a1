import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Writable, type Readable } from 'node:stream';
import { ConfigurationError } from '../errors';

/** Questions to a person. Undefined where nobody can be asked. */
export interface Prompt {
  /** '' takes the fallback. */
  ask(question: string, fallback?: string): Promise<string>;
  /** What is typed is not shown. */
  secret(question: string): Promise<string>;
  confirm(question: string, fallback: boolean): Promise<boolean>;
}

/** Asks on a terminal. @throws ConfigurationError when its input ends. */
export function terminalPrompt(input: Readable = process.stdin, output: Writable = process.stderr): Prompt {
  function line(question: string, hidden: boolean): Promise<string> {
    output.write(question);
    // readline shows what is typed through its own output; for a secret it gets one that shows nothing.
    const echo = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : output;
    const lines = createInterface({ input, output: echo, terminal: (input as { isTTY?: boolean }).isTTY ?? false });
    return new Promise((resolve, reject) => {
      lines.once('line', (text) => {
        resolve(text.trim());
        lines.close();
        if (hidden) output.write('\n');
      });
      lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      lines.once('close', () =>
        reject(
          new ConfigurationError('The input ended before the question was answered', {
            remedy: 'Pass the values as options (see --help), with --yes for no questions.',
          }),
        ),
      );
    });
  }
  return {
    async ask(question, fallback = '') {
      return (await line(`${question}${fallback === '' ? '' : ` [${fallback}]`}: `, false)) || fallback;
    },
    secret: (question) => line(`${question} (not shown): `, true),
    async confirm(question, fallback) {
      const answer = (await line(`${question} [${fallback ? 'Y/n' : 'y/N'}]: `, false)).toLowerCase();
      return answer === '' ? fallback : /^(y|yes|j|ja|是)$/.test(answer);
    },
  };
}

export interface SecretSources {
  /** For messages: `the access key secret`. */
  readonly what: string;
  /** `--secret-key-file` as given; `-` is standard input. */
  readonly file: string | undefined;
  readonly fileOption: string;
  readonly variable: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly prompt: Prompt | undefined;
}

/**
 * A secret from a file, the environment, or a person who is asked; never from an argument, which every user of the host can read.
 * @throws ConfigurationError
 */
export async function readSecret({
  what,
  file,
  fileOption,
  variable,
  variables,
  prompt,
}: SecretSources): Promise<string> {
  if (file !== undefined) {
    let text: string;
    try {
      text = readFileSync(file === '-' ? 0 : file, 'utf8').trim();
    } catch (error) {
      throw new ConfigurationError(`${what} can't be read from ${file} (${(error as NodeJS.ErrnoException).code})`, {
        remedy: `Pass a file that holds nothing else with ${fileOption}.`,
      });
    }
    if (text !== '') return text;
    throw new ConfigurationError(`${file} is empty, so there is no ${what}`, {
      remedy: `Write it there, or leave ${fileOption} out.`,
    });
  }
  const given = variables[variable]?.trim();
  if (given) return given;
  const typed = prompt === undefined ? '' : await prompt.secret(capital(what));
  if (typed !== '') return typed;
  throw new ConfigurationError(`There is no ${what}`, { remedy: `Pass ${fileOption} FILE, or set ${variable}.` });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
