import { expandVariables, type JobVariables } from './expand';
import type { JobImage, JobResponse } from './types';

/** Longer than any image's name, alias or user. */
const LONGEST_NAME = 4096;

/**
 * Names of images and services with the job's variables filled in: not every version of the runner
 * has done it.
 * @throws ExpansionTooLong: the job's own failure
 */
export function withNamesExpanded(response: JobResponse, variables: JobVariables): JobResponse {
  const expand = (text: string, what: string): string =>
    expandVariables(text, variables, { what, characters: LONGEST_NAME });
  const image = <I extends JobImage>(one: I, whose: string): I => ({
    ...one,
    name: expand(one.name, `The name of ${whose}`),
    user: one.user === undefined ? undefined : expand(one.user, `The user of ${whose}`),
    platform: one.platform === undefined ? undefined : expand(one.platform, `The platform of ${whose}`),
  });
  return {
    ...response,
    image: response.image && image(response.image, 'the job’s image'),
    services: response.services.map((one) => ({
      ...image(one, 'a service'),
      alias: expand(one.alias, 'The alias of a service'),
    })),
  };
}
