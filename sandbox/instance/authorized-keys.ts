/** Where an instance's SSH server looks for keys, as its own sshd_config says. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { remap } from './boot';
import type { Layout } from './layout';

/**
 * sshd_config(5): without a line of it. A second file, authorized_keys2, is of no use to anybody
 * here.
 */
const DEFAULT = '.ssh/authorized_keys';

/** As paths of this machine. The first line of AuthorizedKeysFile counts; `none`: no key at all. */
export async function authorizedKeysFiles(layout: Layout, user: string): Promise<readonly string[]> {
  const config = await readFile(layout.sshdConfig, 'utf8').catch(() => '');
  const words = /^[ \t]*AuthorizedKeysFile[ \t]*[ \t=][ \t]*(.+)$/im.exec(config)?.[1] ?? DEFAULT;
  return (words.match(/"[^"]*"|\S+/g) ?? [])
    .map((word) => word.replaceAll('"', ''))
    .filter((word) => word !== 'none')
    .map((word) => word.replace(/%([uh%])/g, (_found, token) => ({ u: user, h: layout.home })[token as string] ?? '%'))
    .map((file) => {
      if (!path.isAbsolute(file)) return path.join(layout.home, file);
      return file.startsWith(`${layout.root}/`) ? file : remap(file, layout);
    });
}
