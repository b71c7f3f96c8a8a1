/**
 * The expressions of `rules:if`: variables, strings, patterns, `==` `!=` `=~` `!~` `&&` `||`, and
 * parentheses.
 */

export class InvalidExpression extends Error {}

type Value = string | null;
type Lookup = (name: string) => Value;

type Token =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'pattern'; readonly pattern: RegExp }
  | { readonly kind: 'null' }
  | { readonly kind: 'operator'; readonly text: string };

const TOKENS =
  /\s*(?:(?<operator>==|!=|=~|!~|&&|\|\||[()])|\$(?:\{(?<braced>\w+)\}|(?<plain>\w+))|"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<pattern>\/(?:\\.|[^/\\])+\/[a-z]*)|(?<null>null\b))/y;

/** A pattern as GitLab writes it, `/…/i`. @throws InvalidExpression */
export function parsePattern(text: string): RegExp {
  const found = /^\/(.+)\/([a-z]*)$/s.exec(text);
  if (!found) throw new InvalidExpression(`${text} is no pattern; it should look like /…/`);
  try {
    return new RegExp(found[1] ?? '', (found[2] ?? '').replace(/[^ims]/g, ''));
  } catch (error) {
    throw new InvalidExpression((error as Error).message);
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKENS.lastIndex = 0;
  while (text.slice(TOKENS.lastIndex).trim() !== '') {
    const at = TOKENS.lastIndex;
    const groups = TOKENS.exec(text)?.groups;
    if (!groups) throw new InvalidExpression(`cannot be read from \`${text.slice(at).trim()}\` on`);
    const string = groups['double'] ?? groups['single'];
    const name = groups['braced'] ?? groups['plain'];
    if (groups['operator']) tokens.push({ kind: 'operator', text: groups['operator'] });
    else if (name !== undefined) tokens.push({ kind: 'variable', name });
    else if (string !== undefined) tokens.push({ kind: 'string', text: string });
    else if (groups['pattern']) tokens.push({ kind: 'pattern', pattern: parsePattern(groups['pattern']) });
    else tokens.push({ kind: 'null' });
  }
  return tokens;
}

/** @throws InvalidExpression */
export function evaluate(text: string, lookup: Lookup): boolean {
  const parser = new Parser(tokenize(text), lookup);
  const result = parser.or();
  parser.end();
  return result;
}

class Parser {
  private next = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly lookup: Lookup,
  ) {}

  or(): boolean {
    let left = this.and();
    while (this.take('||')) left = this.and() || left;
    return left;
  }

  end(): void {
    if (this.next < this.tokens.length) throw new InvalidExpression('has something left over at its end');
  }

  private and(): boolean {
    let left = this.comparison();
    while (this.take('&&')) left = this.comparison() && left;
    return left;
  }

  private comparison(): boolean {
    if (this.take('(')) {
      const inner = this.or();
      if (!this.take(')')) throw new InvalidExpression('misses a `)`');
      return inner;
    }
    const left = this.value();
    if (this.take('==')) return left === this.value();
    if (this.take('!=')) return left !== this.value();
    if (this.take('=~')) return this.matches(left);
    if (this.take('!~')) return !this.matches(left);
    return left !== null && left !== '';
  }

  private matches(left: Value): boolean {
    const token = this.tokens[this.next];
    if (token?.kind === 'pattern') {
      this.next += 1;
      return left !== null && token.pattern.test(left);
    }
    const right = this.value();
    return left !== null && right !== null && parsePattern(right).test(left);
  }

  private value(): Value {
    const token = this.tokens[this.next];
    this.next += 1;
    if (token?.kind === 'variable') return this.lookup(token.name);
    if (token?.kind === 'string') return token.text;
    if (token?.kind === 'null') return null;
    throw new InvalidExpression('misses a variable or a "string"');
  }

  private take(operator: string): boolean {
    const token = this.tokens[this.next];
    if (token?.kind !== 'operator' || token.text !== operator) return false;
    this.next += 1;
    return true;
  }
}
