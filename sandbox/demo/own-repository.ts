import { cp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { git } from '../runner/gitlab/repository';
import { builtFolder } from '../start';

/**
 * The demo project as a repository of its own below a folder, with one commit.
 * @param pipeline instead of its own
 * @returns where it is
 */
export async function ownRepository(folder: string, pipeline?: string): Promise<string> {
  const repository = path.join(folder, 'tally');
  await cp(path.resolve(builtFolder(), '../../sandbox/demo-project'), repository, { recursive: true });
  if (pipeline !== undefined) await writeFile(path.join(repository, '.gitlab-ci.yml'), pipeline);
  const author = ['-c', 'user.name=Demo', '-c', 'user.email=demo@example.com', '-c', 'commit.gpgsign=false'];
  await git(['init', '--quiet', '--initial-branch=main'], repository);
  await git(['add', '.'], repository);
  await git([...author, 'commit', '--quiet', '--message', 'Count words'], repository);
  return repository;
}
