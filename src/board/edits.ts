import { statSync } from 'node:fs';
import path from 'node:path';
import { knownJobProgram } from '../engine/job-program';
import { jobSource } from '../engine/job-source';
import { verdictFile } from '../engine/job-verdicts';
import { checkProfiles, readPage } from '../settings/profiles';
import type { Settings } from '../settings/types';

/** Finds mistakes in what the platform team has edited, each with its file. */
export class EditWatch {
  private before = '';
  private refused: readonly string[] = [];

  /** @param root the package's folder */
  constructor(
    private readonly settings: Pick<Settings, 'stateDir' | 'profilesFile'>,
    private readonly root?: string,
  ) {}

  /** Checks the files only if one of them, or what stacks/job.ts imports, has changed. */
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
