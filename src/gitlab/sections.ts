/**
 * Collapsible sections of a job's log, as GitLab reads them:
 * https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
 */

const CLEAR_LINE = '\u001b[0K';

export interface Section {
  /** Letters, digits, `_`, `.`, `-`. */
  readonly name: string;
  readonly title: string;
  readonly collapsed?: boolean;
}

export function sectionStart({ name, title, collapsed }: Section, nowMs: number): string {
  return `section_start:${Math.floor(nowMs / 1000)}:${name}${collapsed ? '[collapsed=true]' : ''}\r${CLEAR_LINE}${title}\n`;
}

export function sectionEnd(name: string, nowMs: number): string {
  return `section_end:${Math.floor(nowMs / 1000)}:${name}\r${CLEAR_LINE}`;
}
