import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { Repository, uncommittedFiles } from '../../../../sandbox/runner/gitlab/repository';
import { makeRepository } from '../local-hooks';

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'a repository '))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (source: string) => Repository.import(source, path.join(folder, 'server'), 'root/demo');

test('a folder that is no repository, and one without a commit, are told as that', async () => {
  await expect(open(folder)).rejects.toThrow(`${folder} is no git repository: run \`git init\` in it`);
  execFileSync('git', ['init', '-q', folder]);
  await expect(open(folder)).rejects.toThrow(`${folder} has no commit yet`);
});

test('changes that are not committed are counted', async () => {
  const source = await makeRepository(folder, { 'a.txt': 'a' });
  expect(await uncommittedFiles(source)).toBe(0);
  writeFileSync(path.join(source, 'a.txt'), 'b');
  writeFileSync(path.join(source, 'new.txt'), 'c');
  expect(await uncommittedFiles(source)).toBe(2);
});

test('a merge request has its ref, and what changed since its branch parted', async () => {
  const source = await makeRepository(folder, { 'a.txt': 'a' });
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.com', ...args], { cwd: source });
  git('checkout', '-qb', 'change');
  writeFileSync(path.join(source, 'b.txt'), 'b');
  git('add', '.');
  git('commit', '-qm', 'change');
  git('checkout', '-q', 'main');
  const repository = await open(source);
  const { commit, request } = await repository.mergeRequest(await repository.commit('change'));
  expect(commit).toMatchObject({ ref: 'change', changedFiles: ['b.txt'] });
  expect(request).toMatchObject({ iid: 1, targetBranch: 'main', baseSha: git('rev-parse', 'main').toString().trim() });
  const head = execFileSync('git', ['rev-parse', 'refs/merge-requests/1/head'], { cwd: repository.directory });
  expect(head.toString().trim()).toBe(commit.sha);
});
