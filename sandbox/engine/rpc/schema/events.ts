/** pulumirpc.Events: where `--event-log tcp://…` streams the engine's events to (pulumi/proto/events.proto). */
import { define, string } from '../message';

export const EventRequest = define({ event: string(1) });
