/** Writes a stage's shell script. bash and sh get the same text but for the first line. */

export type ShellName = 'bash' | 'sh';

const GREEN = '\x1b[32;1m';
const YELLOW = '\x1b[0;33m';
const RESET = '\x1b[0;m';

/** Single quotes: every byte but the quote itself stands for itself in any POSIX shell. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Collects lines, indented by the block they are in. */
export class ShellWriter {
  private readonly lines: string[] = [];
  private depth = 0;

  /**
   * @param checksExitCodes FF_ENABLE_BASH_EXIT_CODE_CHECK: each of the user's commands is checked,
   * where errexit would not do it.
   */
  constructor(private readonly checksExitCodes = false) {}

  line(text: string): this {
    this.lines.push(`${'  '.repeat(this.depth)}${text}`);
    return this;
  }

  /**
   * Text taken as it is: a user's command may hold here-documents, which no indentation may touch.
   */
  verbatim(text: string): this {
    this.lines.push(text);
    return this;
  }

  command(name: string, ...args: string[]): this {
    return this.line([name, ...args.map(quote)].join(' '));
  }

  export(name: string, value: string): this {
    return this.line(`export ${name}=${quote(value)}`);
  }

  notice(text: string): this {
    return this.line(`printf '%s\\n' ${quote(`${GREEN}${text}${RESET}`)}`);
  }

  warning(text: string): this {
    return this.line(`printf '%s\\n' ${quote(`${YELLOW}${text}${RESET}`)}`);
  }

  block(head: string, body: () => void, tail?: { otherwise: () => void }): this {
    this.line(head);
    this.depth += 1;
    body();
    if (tail) {
      this.depth -= 1;
      this.line('else');
      this.depth += 1;
      tail.otherwise();
    }
    this.depth -= 1;
    return this.line('fi');
  }

  ifDirectory(directory: string, body: () => void): this {
    return this.block(`if [ -d ${quote(directory)} ]; then`, body);
  }

  removeFile(file: string): this {
    return this.command('rm', '-f', file);
  }

  removeDirectory(directory: string): this {
    return this.command('rm', '-r', '-f', directory);
  }

  /** The commands of a user's script, each shown before it runs. */
  userCommands(commands: readonly string[]): this {
    for (const command of commands) {
      const [first = '', ...rest] = command.split('\n');
      if (command.trim() !== '')
        this.notice(rest.length > 0 ? `$ ${first} # collapsed multi-line command` : `$ ${first}`);
      this.verbatim(command);
      if (this.checksExitCodes)
        this.line('_runner_exit_code=$?; if [ $_runner_exit_code -ne 0 ]; then exit $_runner_exit_code; fi');
    }
    return this;
  }

  get body(): string {
    return `${this.lines.join('\n')}\n`;
  }

  /**
   * The whole script. The body is evaluated line by line (a syntax error stops it only where it
   * stands), in a subshell of its own whose standard input is empty, so that no command eats the
   * rest of the script.
   *
   * @param trace CI_DEBUG_TRACE: the shell shows what it runs, values of variables included.
   */
  script(shell: ShellName, trace = false): string {
    return [
      `#!/usr/bin/env ${shell}`,
      '',
      `trap 'exit 1' TERM`,
      '',
      ...(trace ? ['set -o xtrace'] : []),
      `case "$(set -o)" in *pipefail*) set -o pipefail;; esac`,
      'set -o errexit',
      'set +o noclobber',
      `(trap 'exit 1' TERM; eval '${this.body.replaceAll("'", `'\\''`)}') < /dev/null`,
      'exit 0',
      '',
    ].join('\n');
  }
}
