import type { ServerResponse } from 'node:http';

/** What the feed sends, and how it learns that there is news. */
export interface FeedSource {
  /**
   * Looks again. @returns the version of what there is now: another one once anything has changed
   */
  readonly refresh: () => Promise<number>;
  /** One line of text. */
  readonly current: () => string;
  readonly warn: (line: string) => void;
}

/** More would cost a small host more than the page is worth. */
const MOST_VIEWERS = 20;
const LOOK_MS = 1_000;
/** Proxies end a connection that is silent for a minute. */
const HEARTBEAT_MS = 15_000;
/** A viewer that has read nothing for this long is disconnected. */
const STUCK_MS = 30_000;

interface Viewer {
  readonly response: ServerResponse;
  /** Since when it has not taken what was sent; undefined: it has. */
  stuckSinceMs: number | undefined;
}

/**
 * Server-sent events for the open pages. Looks for news once a second while somebody watches, once
 * for all viewers, and does nothing while nobody does.
 */
export class Feed {
  private readonly viewers = new Set<Viewer>();
  private timer: NodeJS.Timeout | undefined;
  private toldMs = 0;
  private toldVersion = 0;

  constructor(private readonly source: FeedSource) {}

  get isFull(): boolean {
    return this.viewers.size >= MOST_VIEWERS;
  }

  /** Answers with the stream; its first event is the present snapshot. */
  add(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    // A viewer that has disconnected meanwhile would never report it, and keep its place for ever.
    if (response.destroyed) return;
    const viewer: Viewer = { response, stuckSinceMs: undefined };
    response.writeHead(200, {
      ...headers,
      'Content-Type': 'text/event-stream; charset=utf-8',
      // nginx holds answers back otherwise.
      'X-Accel-Buffering': 'no',
    });
    response.on('close', () => this.viewers.delete(viewer));
    response.on('error', () => undefined);
    // The stream is silent for longer than a request may be; its heartbeats find out whether the
    // viewer is there.
    response.socket?.setTimeout(0);
    this.viewers.add(viewer);
    this.send(viewer, `retry: 3000\n${eventOf(this.source.current())}`);
    this.timer ??= setTimeout(() => void this.tick(), LOOK_MS).unref();
  }

  close(): void {
    clearTimeout(this.timer);
    for (const { response } of this.viewers) response.destroy();
  }

  private async tick(): Promise<void> {
    try {
      const version = await this.source.refresh();
      if (version !== this.toldVersion) this.tell(eventOf(this.source.current()));
      else if (Date.now() - this.toldMs >= HEARTBEAT_MS) this.tell(': still here\n\n');
      this.toldVersion = version;
    } catch (error) {
      this.source.warn(`board: ${(error as Error).message}`);
    }
    this.timer = this.viewers.size === 0 ? undefined : setTimeout(() => void this.tick(), LOOK_MS).unref();
  }

  private tell(text: string): void {
    this.toldMs = Date.now();
    for (const viewer of this.viewers) this.send(viewer, text);
  }

  /** Each event is a whole snapshot: a slow viewer misses some, and none pile up for it. */
  private send(viewer: Viewer, text: string): void {
    const { response } = viewer;
    if (!response.writableNeedDrain) {
      viewer.stuckSinceMs = undefined;
      response.write(text);
      return;
    }
    viewer.stuckSinceMs ??= Date.now();
    if (Date.now() - viewer.stuckSinceMs >= STUCK_MS) response.destroy();
  }
}

function eventOf(data: string): string {
  return `event: snapshot\ndata: ${data}\n\n`;
}
