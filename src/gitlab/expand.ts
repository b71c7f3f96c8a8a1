import { SpotError } from '../errors';

/** Variables by name, as the runner hands them to the hooks: expanded. */
export type JobVariables = Readonly<Record<string, string>>;

/** What a job wrote grows beyond all use once its variables are filled in. */
export class ExpansionTooLong extends SpotError {
  readonly blame = 'job';
}

/** What is expanded, and how long it may become (characters). */
export interface ExpansionLimit {
  /** For the message: `The name of the job's image`. */
  readonly what: string;
  readonly characters: number;
}

/**
 * `$NAME` and `${NAME}` as gitlab-runner fills them in (Go's os.Expand): `$$` is a dollar, an
 * unknown name nothing, a dollar before anything else itself. Once: what comes out is not looked at
 * again. A few letters can stand for gigabytes, so it ends at the limit.
 * @throws ExpansionTooLong
 */
export function expandVariables(text: string, variables: JobVariables, limit: ExpansionLimit): string {
  const tooLong = (): ExpansionTooLong =>
    new ExpansionTooLong(
      `${limit.what} is longer than ${limit.characters} characters once its variables are filled in`,
      { remedy: 'Shorten it in .gitlab-ci.yml.' },
    );
  let filledIn = 0;
  const expanded = text.replaceAll(
    /\$(?:\{([^}]*)\}|([A-Za-z_]\w*)|([$*#@!?0-9-]))/g,
    (_all, braced, plain, special) => {
      const name = (braced ?? plain ?? special) as string;
      const value = name === '$' ? '$' : Object.hasOwn(variables, name) ? (variables[name] ?? '') : '';
      filledIn += value.length;
      if (filledIn > limit.characters) throw tooLong();
      return value;
    },
  );
  if (expanded.length > limit.characters) throw tooLong();
  return expanded;
}
