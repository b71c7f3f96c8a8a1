import { appendFileSync } from 'node:fs';
import { type Message } from 'google-protobuf';
import { plain } from './plain';

/** Which side of which connection a call belongs to, as the real engine records it. */
export interface CallMetadata {
  kind?: 'language' | 'resource';
  mode: 'client' | 'server';
  name?: string;
  address?: string;
}

/** A call that is under way. */
export interface OpenCall {
  completed(response: Message): void;
  failed(message: string): void;
}

/** What the real engine puts for the start and the duration of calls that it answers. */
const NO_TIME = '0001-01-01T00:00:00Z';
const NO_DURATION = '9223372036854775807';

/** Records every gRPC call as a line of JSON (PULUMI_DEBUG_GRPC=FILE). */
export class CallLog {
  constructor(
    private readonly file: string,
    private readonly clock: () => string,
  ) {}

  /** A call that the engine makes. */
  started(method: string, request: Message, metadata: CallMetadata): OpenCall {
    const begin = process.hrtime.bigint();
    return this.open(method, request, metadata, this.clock(), () => String(process.hrtime.bigint() - begin));
  }

  /** A call that the engine answers. */
  received(method: string, request: Message, metadata: CallMetadata): OpenCall {
    return this.open(method, request, metadata, NO_TIME, () => NO_DURATION);
  }

  private open(
    method: string,
    message: Message,
    metadata: CallMetadata,
    since: string,
    duration: () => string,
  ): OpenCall {
    const request = plain(message);
    const end = (outcome: object) =>
      this.write(
        { method, request, ...outcome, metadata, progress: 'response_completed', timestamp: this.clock() },
        duration(),
      );
    this.write({ method, request, metadata, progress: 'request_started', timestamp: since });
    return { completed: (response) => end({ response: plain(response) }), failed: (text) => end({ errors: [text] }) };
  }

  private write(entry: object, duration?: string): void {
    const line = JSON.stringify(entry);
    // Nanoseconds of a call without a beginning are beyond a double: written as digits.
    appendFileSync(this.file, `${duration ? `${line.slice(0, -1)},"duration":${duration}}` : line}\n`, { mode: 0o600 });
  }
}
