import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, realpathSync } from 'node:fs';

/**
 * What root has written into another user's folder (`sudo gitlab-spot …`) becomes that user's, whose
 * services work with it. As they do it themselves when they start; chown(1) goes through no link
 * that somebody puts there meanwhile, so where the folder's own name is one it gets its real name.
 */
export function giveToOwner(folder: string): void {
  if (process.geteuid?.() !== 0 || !existsSync(folder)) return;
  const real = realpathSync(folder);
  const { uid, gid } = lstatSync(real);
  if (uid !== 0) spawnSync('chown', ['-Rh', `${uid}:${gid}`, real], { stdio: 'ignore' });
}
