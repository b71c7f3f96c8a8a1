import { isDeepStrictEqual } from 'node:util';
import { expiryOf, type RunnerSection } from '../register/config-file';
import { isCopy } from '../register/copies';
import { warning, type Finding } from './finding';

/** A runner's section, and the further ones by which gitlab-runner asks for its jobs more often. */
export interface SameRunner {
  readonly first: RunnerSection;
  readonly copies: readonly RunnerSection[];
}

/** Sections of one token are one runner: gitlab-runner counts their jobs and requests together. */
export function sameRunners(sections: readonly RunnerSection[]): readonly SameRunner[] {
  const found: { first: RunnerSection; copies: RunnerSection[] }[] = [];
  for (const section of sections) {
    const known = found.find(({ first }) => isSame(first, section));
    if (known) known.copies.push(section);
    else found.push({ first: section, copies: [] });
  }
  return found;
}

function isSame(first: RunnerSection, section: RunnerSection): boolean {
  const one = first.token !== undefined && first.token === section.token && first.url === section.url;
  return one || isCopy(section, first);
}

export function copyFindings({ first, copies }: SameRunner, condition: string, remedy: string): readonly Finding[] {
  if (copies.length === 0) return [];
  const findings: Finding[] = [];
  const all = [first, ...copies].map(({ name = '(no name)' }) => name);
  const twice = [...new Set(all.filter((name, at) => all.indexOf(name) !== at))];
  if (twice.length > 0)
    findings.push(
      warning(
        condition,
        `several of its sections have the name ${twice.join(', ')}: gitlab-runner's own metrics then answer with an error`,
        'Remove all but one of them, then run `gitlab-spot register`.',
      ),
    );
  const others = copies.filter((copy) => differences(first, copy).length > 0);
  const keys = [...new Set(others.flatMap((copy) => differences(first, copy)))];
  if (others.length > 0)
    findings.push(
      warning(
        condition,
        `not the same as it, but for the name, as they should be: ${others.map(({ name = '(no name)' }) => name).join(', ')} (${keys.join(', ')}): gitlab-runner runs a job by any of them`,
        remedy,
      ),
    );
  if (expiryOf(first) !== undefined)
    findings.push(
      warning(
        condition,
        `its token expires, and it stands ${all.length} times in the file: gitlab-runner renews the token in one section, and the others' requests are refused from then on`,
        remedy,
      ),
    );
  return findings;
}

function differences(first: RunnerSection, copy: RunnerSection): string[] {
  const [one, other] = [first, copy] as unknown as readonly Readonly<Record<string, unknown>>[];
  const keys = [...new Set([...Object.keys(one!), ...Object.keys(other!)])];
  return keys.filter((key) => key !== 'name' && !isDeepStrictEqual(one![key], other![key])).sort();
}
