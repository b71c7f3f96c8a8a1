/** What an operation of the object store answers. */
import type { IncomingMessage } from 'node:http';
import type { ObjectRequest } from './request';
import type { ObjectStore } from './store';
import type { Xml } from './xml';

export interface StoreAnswer {
  /** 200 where left out. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly xml?: { readonly [name: string]: Xml };
  /** Ready-made XML. */
  readonly text?: string;
  /** A part of a file, both ends included. */
  readonly file?: { readonly path: string; readonly start: number; readonly end: number };
}

export interface StoreCall extends ObjectRequest {
  readonly store: ObjectStore;
  readonly request: IncomingMessage;
  readonly region: string;
  readonly accountId: string;
  readonly now: number;
}

/** As XML writes times. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
