import { SpotError } from '../errors';
import { expandVariables, type JobVariables } from './expand';
import type { JobImage, JobResponse } from './types';

/** Longer than any image's name, alias or user. */
const LONGEST_NAME = 4096;

/** What a job wrote can't be handed to any program. */
export class NameUnusable extends SpotError {
  readonly blame = 'job';
}

/**
 * Names of images and services with the job's variables filled in: not every version of the runner
 * has done it. With the words of their commands they end in command lines, which hold no NUL.
 * @throws ExpansionTooLong, NameUnusable: the job's own failure
 */
export function withNamesExpanded(response: JobResponse, variables: JobVariables): JobResponse {
  const expand = (text: string, what: string): string =>
    usable(expandVariables(text, variables, { what, characters: LONGEST_NAME }), what);
  const image = <I extends JobImage>(one: I, whose: string): I => ({
    ...one,
    name: expand(one.name, `The name of ${whose}`),
    user: one.user === undefined ? undefined : expand(one.user, `The user of ${whose}`),
    platform: one.platform === undefined ? undefined : expand(one.platform, `The platform of ${whose}`),
    entrypoint: one.entrypoint?.map((word) => usable(word, `The entrypoint of ${whose}`)),
  });
  return {
    ...response,
    image: response.image && image(response.image, 'the job’s image'),
    services: response.services.map((one) => ({
      ...image(one, 'a service'),
      alias: expand(one.alias, 'The alias of a service'),
      command: one.command.map((word) => usable(word, 'The command of a service')),
    })),
  };
}

function usable(text: string, what: string): string {
  if (!text.includes('\0')) return text;
  throw new NameUnusable(`${what} holds a NUL character`, { remedy: 'Remove it in .gitlab-ci.yml.' });
}
