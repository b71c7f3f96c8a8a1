/**
 * A job's log as GitLab gets it: sections, coloured lines of the runner, the hooks' output, secrets
 * masked.
 */

const RED = '\x1b[31;1m';
const GREEN = '\x1b[32;1m';
const CYAN = '\x1b[36;1m';
const YELLOW = '\x1b[0;33m';
const RESET = '\x1b[0;m';
const CLEAR = '\x1b[0K';
const MASKED = '[MASKED]';

/** Replaces secrets in a stream; holds back only an end that might be the beginning of one. */
class Mask {
  private held = '';

  constructor(private readonly secrets: readonly string[]) {}

  write(text: string): string {
    const whole = this.replace(this.held + text);
    const keep = Math.max(0, ...this.secrets.map((secret) => overlap(whole, secret)));
    this.held = whole.slice(whole.length - keep);
    return whole.slice(0, whole.length - keep);
  }

  end(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  private replace(text: string): string {
    return this.secrets.reduce((masked, secret) => masked.replaceAll(secret, MASKED), text);
  }
}

/** How many characters at the text's end are a beginning (but not the whole) of the secret. */
function overlap(text: string, secret: string): number {
  for (let length = Math.min(secret.length - 1, text.length); length > 0; length -= 1)
    if (secret.startsWith(text.slice(text.length - length))) return length;
  return 0;
}

export class JobLog {
  private readonly mask: Mask;

  constructor(
    private readonly sink: (text: string) => void,
    secrets: readonly string[],
    private readonly now: () => number,
  ) {
    this.mask = new Mask([...secrets].sort((a, b) => b.length - a.length));
  }

  /** Output of a hook or of its script, as it came. */
  output(text: string): void {
    this.emit(text);
  }

  println(text: string): void {
    this.emit(`${CLEAR}${text}${RESET}\n`);
  }

  info(text: string): void {
    this.line(`${GREEN}${text}${RESET}`);
  }

  warning(text: string): void {
    this.line(`${YELLOW}WARNING: ${text}${RESET}`);
  }

  error(text: string): void {
    this.line(`${RED}ERROR: ${text}${RESET}`);
  }

  async section<T>(name: string, description: string, body: () => Promise<T>): Promise<T> {
    const seconds = () => Math.floor(this.now() / 1000);
    this.emit(`section_start:${seconds()}:${name}\r${CLEAR}${CLEAR}${CYAN}${description}${RESET}${RESET}\n`);
    try {
      return await body();
    } finally {
      this.emit(`section_end:${seconds()}:${name}\r${CLEAR}`);
    }
  }

  end(): void {
    this.pass(this.mask.end());
  }

  private line(text: string): void {
    this.emit(`${text}\n`);
  }

  private emit(text: string): void {
    this.pass(this.mask.write(text));
  }

  private pass(text: string): void {
    if (text !== '') this.sink(text);
  }
}
