import path from 'node:path';
import * as z from 'zod/mini';
import { readMarker, writeMarker, type MarkerKind } from '../host/marker';

const schema = z.object({
  told: z.record(z.string(), z.string()),
  shortages: z.record(z.string(), z.object({ firstAt: z.string(), lastAt: z.string(), refusals: z.number() })),
  failed: z.optional(z.object({ at: z.string(), why: z.string() })),
});

/**
 * What was told, by key with its time (ISO); which pools are out of stock, and since when; and why
 * the last notice was not taken, where it was not.
 */
export type Told = z.output<typeof schema>;

const kind: MarkerKind<Told> = { version: 1, schema };
const fileIn = (stateDir: string): string => path.join(stateDir, 'notices.json');

/** @throws MarkerNewer */
export function readTold(stateDir: string): Told {
  return readMarker(fileIn(stateDir), kind) ?? { told: {}, shortages: {} };
}

/** @throws MarkerNewer; the system's error */
export function writeTold(stateDir: string, told: Told): void {
  writeMarker(fileIn(stateDir), kind, told);
}

/** Undefined: the last notice was taken. @throws MarkerNewer */
export function lastFailure(stateDir: string): { readonly at: string; readonly why: string } | undefined {
  return readTold(stateDir).failed;
}
