import { appendFileSync, writeFileSync } from 'node:fs';
import { type EngineEvent } from '../deployment/events';
import { without } from '../rpc/values';

const COLOURS = /\u001b\[[0-9;]*m/g;

/**
 * Where events go besides the screen: a file, a line each, or a server (`--event-log FILE` or
 * `tcp://HOST:PORT`).
 */
export class EventLog {
  private sequence = 0;

  private constructor(private readonly sink: { write(line: string): void; close(): Promise<void> }) {}

  static async open(target: string): Promise<EventLog> {
    if (target.startsWith('tcp://')) return new EventLog(await streamSink(target.slice('tcp://'.length)));
    writeFileSync(target, '', { mode: 0o600 });
    return new EventLog({ write: (line) => appendFileSync(target, `${line}\n`), close: async () => undefined });
  }

  /** @param unixSeconds when it happened */
  write(event: EngineEvent, unixSeconds: number): void {
    this.sink.write(
      JSON.stringify({ sequence: this.sequence++, timestamp: unixSeconds, ...without(uncoloured(event), 'internal') }),
    );
  }

  close(): Promise<void> {
    return this.sink.close();
  }
}

function uncoloured(event: EngineEvent): EngineEvent {
  const { diagnosticEvent } = event;
  if (!diagnosticEvent) return event;
  return {
    diagnosticEvent: { ...diagnosticEvent, message: diagnosticEvent.message.replace(COLOURS, ''), color: 'never' },
  };
}

/** gRPC is loaded only by who wants it. */
async function streamSink(address: string): Promise<{ write(line: string): void; close(): Promise<void> }> {
  const { credentials } = await import('@grpc/grpc-js');
  const { EventsClient } = await import('@pulumi/pulumi/proto/events_grpc_pb');
  const { EventRequest } = await import('@pulumi/pulumi/proto/events_pb');
  const client = new EventsClient(address, credentials.createInsecure());
  let finished!: () => void;
  const done = new Promise<void>((resolve) => (finished = resolve));
  const stream = client.streamEvents(() => finished());
  stream.on('error', () => finished());
  return {
    write: (event) => void stream.write(new EventRequest().setEvent(event)),
    close: async () => {
      stream.end();
      await done;
      client.close();
    },
  };
}
