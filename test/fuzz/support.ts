import fc from '../support/property';
import { SpotError } from '../../src/errors';
import { outcomeOf } from '../../src/hooks/outcome';
import { CANARY } from './canary';

export { CANARY };

/**
 * Fuzzing of what comes from outside. FUZZ_RUNS says how many cases a property gets (`npm run
 * test:fuzz`: the long version).
 */
const LONG = process.env.FUZZ_RUNS === undefined ? undefined : Number(process.env.FUZZ_RUNS);

if (LONG !== undefined) jest.setTimeout(3 * 3_600_000);

/**
 * For `fc.assert`. `cost`: how many times dearer a case is than a parser's; `short`: cases in the
 * suite.
 */
export function runs(short: number, cost = 1): fc.Parameters<unknown> {
  return {
    numRuns: LONG === undefined ? short : Math.max(short, Math.ceil(LONG / cost)),
    verbose: 0,
  };
}

export const SYSTEM_FAILURE = 92;
export const BUILD_FAILURE = 91;

/**
 * What an attacker writes where text is taken; `touch CANARY` wherever a shell could be talked into
 * it.
 */
const HOSTILE = [
  '',
  ' ',
  '0',
  '-1',
  '1e999',
  '999999999999999',
  'NaN',
  'null',
  'undefined',
  'true',
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  `$(touch ${CANARY})`,
  `\`touch ${CANARY}\``,
  `'; touch ${CANARY}; '`,
  `"; touch ${CANARY}; "`,
  `x\ntouch ${CANARY}\n`,
  `|| touch ${CANARY}`,
  `-oProxyCommand=touch ${CANARY}`,
  '--privileged',
  '--help',
  '../../../../etc/passwd',
  '..',
  '/',
  '\0',
  'a\0b',
  '\r\nX-Injected: 1',
  '\u001b[2J\u001b]0;title\u0007',
  'section_start:0:evil\r\u001b[0K',
  '\u202egnp.exe\u2066',
  '\u2028\u2029\u0085',
  '\ud800',
  '${HOME}',
  '%s%n%x',
  '{job}',
  '{{.Id}}',
  'https://',
  'https://[',
  'http://a b/',
  'javascript:alert(1)',
  'http://x@y:99999/',
  '<script>alert(1)</script>',
  '2026-13-45T99:99:99Z',
  'acs:aliyun',
  'x'.repeat(300),
  'é'.repeat(5_000),
  '🙂'.repeat(200),
] as const;

export const hostileText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...HOSTILE), fc.constantFrom(...HOSTILE)).map(([a, b]) => a + b) },
);

/** A variable of a process can't hold a NUL. */
export const hostileVariable = hostileText.map((text) => text.replaceAll('\0', '').replaceAll('\ud800', ''));

/** Instead of a value in a JSON document. */
const strangeValue = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(null, true, false, 0, -1, 0.5, 1e308, -1e308, 2 ** 53, [], {}, [[]], [null], [{}], ['x']),
  fc.constant(JSON.parse('{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}')),
  fc.jsonValue(),
);

interface Change {
  readonly at: number;
  readonly kind: 'drop' | 'replace' | 'add' | 'repeat' | 'wrap';
  readonly value: unknown;
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(10_000),
  kind: fc.constantFrom('drop', 'replace', 'replace', 'replace', 'add', 'repeat', 'wrap'),
  value: strangeValue,
});

/** A valid document in which a few values are missing, of another type or hostile. */
export function mutated(valid: unknown, most = 4): fc.Arbitrary<unknown> {
  return fc.array(change, { minLength: 1, maxLength: most }).map((changes) => {
    const box = { root: structuredClone(valid) };
    changes.forEach((one) => apply(box, one));
    return box.root;
  });
}

/**
 * The text of such a document: also cut off, with bytes that are not its own, or another page
 * altogether.
 */
export function mutatedText(valid: unknown): fc.Arbitrary<string> {
  const document = fc.oneof(fc.constant(valid), mutated(valid)).map((value) => JSON.stringify(value) ?? '');
  return fc.oneof(
    { weight: 4, arbitrary: document },
    { weight: 3, arbitrary: spoiled(document) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        hostileText,
        fc.constantFrom(
          '<html><body><h1>502 Bad Gateway</h1></body></html>',
          '[]',
          'null',
          '"text"',
          '{}',
          `${'['.repeat(20_000)}`,
          `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
          '\ufeff{}',
        ),
      ),
    },
  );
}

/** Text that was cut off, doubled, or has bytes of something else in it. */
export function spoiled(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.constantFrom('cut', 'insert', 'overwrite', 'twice', 'swap'), fc.nat(), fc.nat(), hostileText)
    .map(([whole, kind, first, second, strange]) => {
      const at = whole.length === 0 ? 0 : first % whole.length;
      const to = whole.length === 0 ? 0 : at + (second % Math.min(40, whole.length - at + 1));
      switch (kind) {
        case 'cut':
          return whole.slice(0, at);
        case 'insert':
          return whole.slice(0, at) + strange + whole.slice(at);
        case 'overwrite':
          return whole.slice(0, at) + strange + whole.slice(to);
        case 'twice':
          return whole + whole.slice(at);
        default:
          return whole.slice(at) + whole.slice(0, at);
      }
    });
}

/** Every place in a document that holds a value: its container and key. */
function places(box: object): { holder: Record<string, unknown>; key: string }[] {
  const found: { holder: Record<string, unknown>; key: string }[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      found.push({ holder: value as Record<string, unknown>, key });
      visit((value as Record<string, unknown>)[key]);
    }
  };
  visit(box);
  return found;
}

function apply(box: object, { at, kind, value }: Change): void {
  const all = places(box);
  const { holder, key } = all[at % all.length]!;
  const old = holder[key];
  const strange = structuredClone(value);
  const set = (next: unknown): void =>
    void Object.defineProperty(holder, key, { value: next, enumerable: true, configurable: true, writable: true });
  if (kind === 'replace') set(strange);
  else if (kind === 'wrap') set([old]);
  else if (kind === 'repeat') set(Array.isArray(old) && old.length < 64 ? [...old, ...structuredClone(old)] : old);
  else if (kind === 'drop' && holder !== box) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  } else if (kind === 'add' && typeof old === 'object' && old !== null && !Array.isArray(old)) {
    for (const name of ['__proto__', 'constructor', 'extra'])
      Object.defineProperty(old, name, { value: strange, enumerable: true, configurable: true, writable: true });
  }
}

/** What only a defect of ours would leave behind. */
export function expectNoPollution(): void {
  expect(({} as { polluted?: string }).polluted).toBeUndefined();
}

/**
 * Holds that an error is one that a person can use: of ours, one sentence (or a list of them),
 * whose fault it is, no stack trace.
 */
export function expectClear(error: unknown): asserts error is SpotError {
  if (!(error instanceof SpotError))
    throw new Error(`not an error of ours: ${error instanceof Error ? error.stack : String(error)}`);
  const { message, exitCode } = outcomeOf(error, { buildFailure: BUILD_FAILURE, systemFailure: SYSTEM_FAILURE });
  expect(exitCode).toBe(error.blame === 'job' ? BUILD_FAILURE : SYSTEM_FAILURE);
  expect(message).not.toMatch(/\n\s+at .*:\d+/);
  expect(message).not.toMatch(/\b(undefined|\[object Object\]|NaN)\b.*(is not|cannot)/i);
  expect(message.length).toBeLessThan(5_000);
}

/** What the work gives; undefined where it ends in a clear error. Anything else fails the test. */
export async function clearly<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    expectClear(error);
    return undefined;
  }
}
