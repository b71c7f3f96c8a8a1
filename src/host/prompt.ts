import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
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

type Keyboard = Readable & { readonly isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
type Screen = Writable & { readonly columns?: number };

/**
 * Asks on a terminal. What is typed ahead, or pasted with all answers at once, waits for its
 * question. Between questions the terminal is as it was, so that Ctrl-C ends the program.
 * @throws ConfigurationError when its input ends.
 */
export function terminalPrompt(input: Keyboard = process.stdin, output: Screen = process.stderr): Prompt {
  const early: string[] = [];
  let asked: { readonly answer: (text: string) => void; readonly end: () => void } | undefined;
  let ended = false;
  /**
   * readline shows what is typed: it may only while the answer to a question is, and that is no
   * secret.
   */
  let shown = false;
  const echo = Object.defineProperty(
    new Writable({ write: (chunk, _encoding, done) => (shown && output.write(chunk as Buffer), done()) }),
    'columns',
    { get: () => output.columns },
  );
  let lines: Interface | undefined;

  /** One for all questions: what it has read already is not lost between them. */
  function open(): Interface {
    // Without a history, which would offer the last answer, a secret among them, to the arrow keys.
    const opened = createInterface({ input, output: echo, terminal: input.isTTY ?? false, historySize: 0 });
    opened.on('line', (text) => {
      shown = false;
      if (asked) asked.answer(text);
      else early.push(text);
      asked = undefined;
    });
    opened.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    opened.on('close', () => {
      ended = true;
      asked?.end();
    });
    return opened;
  }

  async function line(question: string, hidden: boolean): Promise<string> {
    const typed = early.shift();
    if (typed !== undefined) {
      output.write(`${question}${hidden ? '' : typed}\n`);
      return typed.trim();
    }
    try {
      return await new Promise((answer, refuse) => {
        const end = () =>
          refuse(
            new ConfigurationError('The input ended before the question was answered', {
              remedy: 'Pass the values as options (see --help), with --yes for no questions.',
            }),
          );
        if (ended) return end();
        asked = { answer: (text) => answer(text.trim()), end };
        lines ??= open();
        if (lines.terminal) input.setRawMode?.(true);
        shown = !hidden;
        if (hidden) output.write(question);
        // With the question as its prompt readline can show it again, where an answer is mended.
        lines.setPrompt(hidden ? '' : question);
        lines.prompt(true);
      });
    } finally {
      if (hidden) output.write('\n');
      if (lines && !ended) {
        lines.pause();
        if (lines.terminal) input.setRawMode?.(false);
      }
    }
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
 * A secret from a file, the environment, or a person who is asked; never from an argument, which
 * every user of the host can read.
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
