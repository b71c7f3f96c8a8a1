import path from 'node:path';
import type * as z from 'zod/mini';
import { HostError } from '../errors';
import { jsonIn, laterVersion } from '../schema';
import { naming } from './naming';
import { replacePrivate } from './private-file';
import { makePrivate } from './private-folder';
import { textOf } from './text-of';

/**
 * A small file of the state folder, JSON with its version (docs/adr/0014). One without a version is
 * from before there were any.
 */
export interface MarkerKind<T> {
  readonly version: number;
  /** Takes this version and the one before it. */
  readonly schema: z.ZodMiniType<T>;
}

/**
 * A later version of gitlab-spot wrote a file of the state folder: this one neither reads nor
 * replaces it.
 */
export class MarkerNewer extends HostError {
  constructor(file: string, version: number) {
    super(`${file} is of version ${version}, which this version of gitlab-spot does not know`, {
      remedy: 'Update gitlab-spot on the runner host to the version that wrote it.',
    });
  }
}

/** Undefined: there is none, or it is damaged. @throws MarkerNewer */
export function readMarker<T>(file: string, { version, schema }: MarkerKind<T>): T | undefined {
  const value = jsonIn(textOf(file));
  const later = laterVersion(value, version);
  if (later !== undefined) throw new MarkerNewer(file, later);
  return schema.safeParse(value).data;
}

/**
 * Whole or not at all, for its owner's eyes only; the state folder is made where it is not there
 * yet.
 * @throws MarkerNewer; the system's error
 */
export function writeMarker<T extends object>(file: string, { version }: MarkerKind<T>, value: T): void {
  const later = laterVersion(jsonIn(textOf(file)), version);
  if (later !== undefined) throw new MarkerNewer(file, later);
  makePrivate(path.dirname(file));
  const text = `${JSON.stringify({ ...value, version })}\n`;
  naming(file, () => replacePrivate(file, text));
}
