import { appendFileSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import * as z from 'zod/mini';
import { readMarker, writeMarker, type MarkerKind } from '../host/marker';
import { makePrivate } from '../host/private-folder';
import { trySlot } from '../host/queue';
import { parsedAs } from '../schema';
import type { BudgetSettings } from '../settings/types';

/**
 * What people and the reaper did on this host: `STATE_DIR/log/audit.jsonl`, a line each, for its
 * owner's eyes only.
 */

export type AuditAction = 'ssh' | 'jobs rm' | 'reap' | 'image rm' | 'drain' | 'drain undone' | 'budget';

const entrySchema = z.object({
  /** ISO. */
  at: z.string(),
  /** The system's word, and sudo's on who asked for it. */
  who: z.object({ user: z.string(), uid: z.number(), sudoUser: z.optional(z.string()) }),
  action: z.string(),
  /** A stack, an image. */
  target: z.optional(z.string()),
  detail: z.optional(z.string()),
});
export type AuditEntry = z.output<typeof entrySchema>;

const LIMIT_BYTES = 1024 * 1024;
/** audit.jsonl.1 is the youngest of them. */
const KEPT = 5;
const LONGEST_DETAIL = 500;

const fileIn = (stateDir: string): string => path.join(stateDir, 'log', 'audit.jsonl');

export interface Act {
  readonly action: AuditAction;
  readonly target?: string | undefined;
  readonly detail?: string | undefined;
}

/** Writes it down. False: it could not be, which is no reason to leave the act undone. */
export function audit(stateDir: string, { action, target, detail }: Act, environment = process.env): boolean {
  const entry: AuditEntry = {
    at: new Date().toISOString(),
    who: whoAmI(environment),
    action,
    ...(target === undefined ? {} : { target }),
    ...(detail === undefined ? {} : { detail: detail.slice(0, LONGEST_DETAIL) }),
  };
  try {
    const file = fileIn(stateDir);
    makePrivate(path.dirname(file));
    appendFileSync(file, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    if (statSync(file).size > LIMIT_BYTES) rotate(stateDir);
    return true;
  } catch {
    return false;
  }
}

/** All that is kept, oldest first. A line that can't be read is left out. */
export function auditEntries(stateDir: string): readonly AuditEntry[] {
  const files = [...Array.from({ length: KEPT }, (_, index) => `.${KEPT - index}`), ''];
  return files.flatMap((ending) =>
    textOf(`${fileIn(stateDir)}${ending}`)
      .split('\n')
      .flatMap((line) => parsedAs(entrySchema, line) ?? []),
  );
}

/** By one process at a time: of two that rename, the later would lose what the earlier kept. */
function rotate(stateDir: string): void {
  const slot = trySlot({ directory: path.join(stateDir, 'slots', 'audit'), slots: 1 });
  if (!slot) return;
  try {
    const file = fileIn(stateDir);
    if (statSync(file).size <= LIMIT_BYTES) return;
    rmSync(`${file}.${KEPT}`, { force: true });
    for (let index = KEPT - 1; index >= 0; index--)
      move(index === 0 ? file : `${file}.${index}`, `${file}.${index + 1}`);
  } finally {
    slot.release();
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function whoAmI({ USER, SUDO_USER }: NodeJS.ProcessEnv): AuditEntry['who'] {
  const uid = process.getuid?.() ?? -1;
  const sudo = SUDO_USER ? { sudoUser: SUDO_USER } : {};
  try {
    return { user: userInfo().username, uid, ...sudo };
  } catch {
    // A container's user need not have a name.
    return { user: USER ?? '', uid, ...sudo };
  }
}

const budgetSchema = z.object({ budget: z.string() });
const budgetKind: MarkerKind<z.output<typeof budgetSchema>> = { version: 1, schema: budgetSchema };

/** Writes down that the budget is another one than when this host last looked. Never throws. */
export function auditBudget(stateDir: string, budget: BudgetSettings): void {
  try {
    const file = path.join(stateDir, 'budget.json');
    const now = JSON.stringify(budget);
    const before = readMarker(file, budgetKind)?.budget;
    if (before === now) return;
    writeMarker(file, budgetKind, { budget: now });
    audit(stateDir, { action: 'budget', detail: before === undefined ? now : `${before} -> ${now}` });
  } catch {
    // A full disk, or a note of a later version.
  }
}
