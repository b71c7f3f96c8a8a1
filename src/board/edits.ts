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
  private readonly jobFile = jobSource().file;

  constructor(private readonly settings: Pick<Settings, 'stateDir' | 'profilesFile'>) {}

  /** A look at three files; they are read only when one has changed. */
  look(): readonly string[] {
    const { stateDir, profilesFile } = this.settings;
    const files = [profilesFile, this.jobFile, verdictFile(stateDir, 'checked')];
    const now = files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0).join();
    if (now !== this.before) this.refused = [...this.profiles(), ...(knownJobProgram(stateDir)?.problems ?? [])];
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
