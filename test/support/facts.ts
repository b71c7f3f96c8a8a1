import { readFileSync } from 'node:fs';
import path from 'node:path';

/** A table of the project's own on what a real program does, such as `pulumi/calls`. */
export function facts<T>(name: string): T {
  return JSON.parse(readFileSync(path.resolve(__dirname, `../fixtures/${name}.json`), 'utf8')) as T;
}

/**
 * The message with which the provider tells that RunInstances was refused, as the event log carries
 * it.
 */
export function refusalMessage(code: string, text = 'injected', requestId = 'REQ-1'): string {
  const { message } = facts<{ message: string[] }>('pulumi/refusals');
  return message.join('\n').replaceAll('CODE', code).replaceAll('TEXT', text).replaceAll('REQUEST', requestId);
}

/** The codes with which the real RunInstances was seen to refuse. */
export const REFUSAL_CODES = facts<{ codes: string[] }>('pulumi/refusals').codes;
