import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describeSkipped } from './skip';

/**
 * Recordings of the real programs lie beside the project where they exist; the project stands
 * without them.
 */
const root = path.resolve(__dirname, '../../../shared/fixtures');

/** `describe` where the recordings exist; else skipped, for that reason. */
export function describeWithFixtures(title: string, folder: string, body: () => void): void {
  if (existsSync(path.join(root, folder))) describe(title, body);
  else describeSkipped('the recordings of the real programs are not beside the project', title);
}

/** Absolute path of a recording, such as `pulumi/grpc-up.jsonl`. */
export function fixturePath(name: string): string {
  return path.join(root, name);
}

/**
 * The text of a recording. Throws where it is missing: call it inside `describeWithFixtures` tests
 * only.
 */
export function fixture(name: string): string {
  return readFileSync(fixturePath(name), 'utf8');
}
