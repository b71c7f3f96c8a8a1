import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { createPrivate, writePrivate } from '../host/private-file';
import type { Settings } from '../settings/types';
import { draftOf, stateFileOf } from './backend-folders';
import type { PulumiCli } from './cli';
import { executableOf } from './version';
import { backendDirectory, PROJECT } from './workspace';

/** How the CLI makes an empty stack in a folder, as it was seen to (docs/pulumi.md). */
export interface StackTemplate {
  /**
   * Makes the stack as the CLI made the one before: a file of the backend and one of the work dir,
   * where `pulumi stack init` takes 0.4 s of CPU. A stack that is there stays as it is.
   * @returns false: there is nothing to go by
   */
  copy(stackName: string, directory: string): boolean;
  /** Remembers how the CLI has just made this one. */
  learn(stackName: string, directory: string): void;
}

/** Of buckets, and where the passphrase is in no file that would tell that it is another one. */
const NONE: StackTemplate = { copy: () => false, learn: () => undefined };

const templateSchema = z.object({
  /** Of what decides how a stack is made. */
  key: z.string(),
  /** A stack's state and its settings (the salt of its secrets). */
  state: z.string(),
  settings: z.string(),
});

const stateSchema = z.looseObject({
  version: z.literal(3),
  checkpoint: z.looseObject({
    stack: z.string(),
    latest: z.looseObject({ manifest: z.looseObject({ time: z.string() }) }),
  }),
});

/** A state without resources has a few hundred bytes. */
const MOST_BYTES = 64 * 1024;

/** What stacks are made by. */
export type StackSettings = Pick<Settings, 'stateDir' | 'pulumi'>;

export function stackTemplate(
  { stateDir, pulumi: { backendUrl, passphraseFile } }: StackSettings,
  cli: PulumiCli,
): StackTemplate {
  if (!backendUrl.startsWith('file://') || passphraseFile === undefined) return NONE;
  const meta = path.join(backendDirectory(backendUrl), '.pulumi/meta.yaml');
  const file = path.join(stateDir, 'pulumi-stack.json');
  const settingsFile = (stackName: string, directory: string): string =>
    path.join(directory, `Pulumi.${stackName}.yaml`);

  function key(): string {
    const { mtimeMs, size, ino } = statSync(passphraseFile!);
    const options = Object.entries(cli.environment).filter(([name]) => name.startsWith('PULUMI_'));
    const parts = [executableOf(cli), backendUrl, read(meta), mtimeMs, size, ino, options.sort()];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }

  return {
    copy(stackName, directory) {
      if (!existsSync(file)) return false;
      try {
        const template = templateSchema.parse(JSON.parse(read(file)));
        if (template.key !== key()) return false;
        const state = stateSchema.parse(JSON.parse(template.state));
        state.checkpoint.stack = `organization/${PROJECT}/${stackName}`;
        state.checkpoint.latest.manifest.time = new Date().toISOString();
        const stateFile = stateFileOf(stackName, backendUrl);
        // Whole or not there: nobody who lists stacks meets half a file.
        if (createPrivate(stateFile, JSON.stringify(state), draftOf(stateFile)))
          writePrivate(settingsFile(stackName, directory), template.settings);
        return true;
      } catch {
        // The CLI says what is wrong.
        return false;
      }
    },
    learn(stackName, directory) {
      try {
        const state = read(stateFileOf(stackName, backendUrl));
        const settings = read(settingsFile(stackName, directory));
        const { checkpoint } = stateSchema.parse(JSON.parse(state));
        if (checkpoint.stack !== `organization/${PROJECT}/${stackName}`) return;
        writePrivate(file, JSON.stringify({ key: key(), state, settings } satisfies z.output<typeof templateSchema>));
      } catch {
        // A CLI that keeps its stacks in another way is asked for each.
      }
    },
  };
}

function read(file: string): string {
  if (statSync(file).size > MOST_BYTES) throw new Error(`${file} is larger than ${MOST_BYTES} bytes`);
  return readFileSync(file, 'utf8');
}
