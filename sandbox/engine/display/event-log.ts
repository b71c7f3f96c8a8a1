import { appendFileSync, writeFileSync } from 'node:fs';
import { type EngineEvent } from '../deployment/events';
import { without } from '../rpc/values';

const COLOURS = /\u001b\[[0-9;]*m/g;

/** Where events go besides the screen: a file, a line each, or a server (`--event-log FILE` or `tcp://HOST:PORT`). */
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

async function streamSink(address: string): Promise<{ write(line: string): void; close(): Promise<void> }> {
  const { RpcClient } = await import('../rpc/transport');
  const { EventRequest } = await import('../rpc/schema/events');
  const { Empty } = await import('../rpc/schema/common');
  const client = new RpcClient(address, 'pulumirpc.Events');
  const stream = client.stream('StreamEvents', { request: EventRequest, response: Empty });
  return {
    write: (event) => stream.write({ event }),
    close: async () => {
      await stream.end();
      client.close();
    },
  };
}
