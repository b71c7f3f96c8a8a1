import { lastFailure } from '../notices/told';
import { webhookOf } from '../notices/webhook';
import type { Settings } from '../settings/types';
import { good, warning, type Finding } from './finding';

/** Whoever wants to be told is told. Sends nothing. @throws ConfigurationError */
export function webhook(settings: Pick<Settings, 'notices' | 'stateDir'>): Finding {
  const condition = 'webhook';
  const found = webhookOf(settings.notices);
  if (!found)
    return settings.notices.summary === 'off'
      ? good(condition, 'none is set: nobody is told of budget, leftovers and a failing reaper')
      : warning(condition, 'GITLAB_SPOT_SUMMARY is set, but no webhook', 'Set GITLAB_SPOT_WEBHOOK_FILE too.');
  const failed = lastFailure(settings.stateDir);
  if (failed)
    return warning(
      condition,
      `${found.name} did not take the last notice (${failed.at}): ${failed.why}`,
      '`gitlab-spot notify --test` tries it.',
    );
  return good(condition, `${found.name}, summary ${settings.notices.summary}`);
}
