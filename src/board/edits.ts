import { statSync } from 'node:fs';
import path from 'node:path';
import { knownJobProgram } from '../engine/job-program';
import { jobSource } from '../engine/job-source';
import { verdictFile } from '../engine/job-verdicts';
import { checkProfiles, readPage } from '../settings/profiles';
import type { Settings } from '../settings/types';

/** What the platform team has edited into something that is not right, each with its file. */
export class EditWatch {
  private before = '';
  private refused: readonly string[] = [];

  /** @param root the package's folder */
  constructor(
    private readonly settings: Pick<Settings, 'stateDir' | 'profilesFile'>,
    private readonly root?: string,
  ) {}

  /** What they say is looked at only when one of them has changed, or what stacks/job.ts imports. */
  look(): readonly string[] {
    const { stateDir, profilesFile } = this.settings;
    const files = [profilesFile, verdictFile(stateDir, 'checked')];
    const times = files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    const now = [...times, jobSource(this.root).key].join();
    if (now !== this.before)
      this.refused = [...this.profiles(), ...(knownJobProgram(stateDir, this.root)?.problems ?? [])];
    this.before = now;
    return this.refused;
  }

  private profiles(): readonly string[] {
    const { profilesFile } = this.settings;
    try {
      return checkProfiles(readPage(profilesFile)).problems.map(
        (problem) => `${path.basename(profilesFile)}: ${problem}`,
      );
    } catch (error) {
      return [(error as Error).message];
    }
  }
}
