import { BoardReader } from '../board/reader';
import type { BoardSnapshot } from '../board/types';
import { ledgerOf } from '../billing/budget-check';
import type { LedgerEntry } from '../billing/types';
import type { DayRange } from '../billing/ledger';
import type { NoticeSettings, Settings } from '../settings/types';
import { createFetch } from '../web/fetch';
import { dueNotices, followShortages, withoutOld } from './due';
import type { Notice } from './formats';
import { send, type Sent } from './send';
import { recordedIn, summaryNotice, untoldPeriod } from './summary';
import { readTold, writeTold, type Told } from './told';
import { webhookOf, type Webhook } from './webhook';

/** Services take some 20 messages a minute; the rest is told in the next rounds. */
const MOST_A_ROUND = 5;
const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface TellDependencies {
  readonly snapshot: () => Promise<BoardSnapshot>;
  readonly entries: (days: DayRange) => Promise<readonly LedgerEntry[]>;
  readonly read: () => Told;
  /** @throws the system's error, also where the disk is full */
  readonly write: (told: Told) => void;
  readonly send: (notice: Notice) => Promise<Sent>;
}

/** Tells what is due, at the end of a reaper's round. Never throws. */
export async function tellNotices(settings: Settings, warn: (line: string) => void): Promise<void> {
  try {
    const webhook = webhookOf(settings.notices);
    if (!webhook) return;
    const problem = await tellDue(settings.notices.summary, {
      snapshot: async () => {
        const reader = new BoardReader(settings);
        await reader.refresh({ whole: true });
        return reader.snapshot();
      },
      entries: async (days) => (await ledgerOf(settings).entries(days)).entries,
      read: () => readTold(settings.stateDir),
      write: (told) => writeTold(settings.stateDir, told),
      send: sender(settings, webhook),
    });
    if (problem !== undefined)
      warn(`${webhook.name} did not take a notice: ${problem}; the reaper's next round tries again`);
  } catch (error) {
    warn(`Notices can't be sent: ${(error as Error).message}`);
  }
}

/** By the host's proxy, with a limit on time and answer: no round waits longer for a webhook. */
export function sender(
  { childEnvironment, executorId }: Pick<Settings, 'childEnvironment' | 'executorId'>,
  webhook: Webhook,
  now: () => number = Date.now,
  timeoutMs = TIMEOUT_MS,
): TellDependencies['send'] {
  const fetch = createFetch({ environment: childEnvironment, timeoutMs, maxBytes: MAX_ANSWER_BYTES });
  return (notice) => send(webhook, notice, executorId, fetch, now());
}

/**
 * Sends one notice after the other; the first that is refused ends the round. All are noted as sent
 * before the first is: with a full disk they would otherwise be sent again in each round.
 * @returns why the service refused one; undefined: it took all
 */
export async function tellDue(
  summary: NoticeSettings['summary'],
  { snapshot, entries, read, write, send }: TellDependencies,
): Promise<string | undefined> {
  const now = await snapshot();
  const before = read();
  let told: Told = {
    ...before,
    told: withoutOld(before.told, Date.parse(now.at)),
    shortages: followShortages(before.shortages, now),
  };
  write(told);
  const due = [...dueNotices(now, told), ...(await dueSummary(summary, now, told, entries))];
  for (const notice of due.slice(0, MOST_A_ROUND)) {
    const { problem } = await send(notice);
    if (problem !== undefined) {
      write({ ...told, failed: { at: now.at, why: problem } });
      return problem;
    }
    told = { told: { ...told.told, [notice.key]: now.at }, shortages: told.shortages };
    write(told);
  }
  return undefined;
}

async function dueSummary(
  summary: NoticeSettings['summary'],
  { at }: BoardSnapshot,
  { told }: Told,
  entries: TellDependencies['entries'],
): Promise<readonly Notice[]> {
  if (summary === 'off') return [];
  const period = untoldPeriod(summary, Date.parse(at), told);
  return period ? [summaryNotice(period, await recordedIn(period, entries))] : [];
}
