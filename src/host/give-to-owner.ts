import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

/**
 * What root has written into another user's folder (`sudo gitlab-spot …`) becomes that user's, whose
 * services work with it. As they do it themselves when they start; chown(1) goes through no link
 * that somebody puts there meanwhile.
 */
export function giveToOwner(folder: string): void {
  const owner = process.geteuid?.() === 0 ? statSync(folder, { throwIfNoEntry: false }) : undefined;
  if (owner && owner.uid !== 0) spawnSync('chown', ['-Rh', `${owner.uid}:${owner.gid}`, folder], { stdio: 'ignore' });
}
