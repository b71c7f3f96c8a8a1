/** The part of Go's templates that scripts use with --format: fields, `json`, `index`, and text between. */
import { DockerError } from './errors';

/** @throws DockerError for a field that isn't there, or an action that the stand-in doesn't know */
export function format(template: string, value: unknown): string {
  return template.replaceAll(/\{\{\s*(.*?)\s*\}\}/gs, (_all, action: string) => evaluate(action, value));
}

function evaluate(action: string, value: unknown): string {
  const json = /^json\s+(\S+)$/.exec(action)?.[1];
  if (json !== undefined) return JSON.stringify(fieldOf(json, value));
  const index = /^index\s+(\S+)\s+"([^"]*)"$/.exec(action);
  if (index) return text((fieldOf(index[1] ?? '', value) as Record<string, unknown>)[index[2] ?? '']);
  if (action.startsWith('.')) return text(fieldOf(action, value));
  throw new DockerError(`template parsing error: the stand-in knows no {{${action}}}`);
}

function fieldOf(path: string, value: unknown): unknown {
  return path
    .split('.')
    .filter(Boolean)
    .reduce<unknown>((at, key) => {
      if (typeof at !== 'object' || at === null || !(key in at))
        throw new DockerError(
          `template parsing error: template: :1: executing "" at <${path}>: map has no entry for key "${key}"`,
        );
      return (at as Record<string, unknown>)[key];
    }, value);
}

function text(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
