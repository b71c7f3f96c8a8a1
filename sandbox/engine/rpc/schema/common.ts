/** Messages that several of Pulumi's protocols share (pulumi/proto, release 3.260). */
import { bytes, define, int32, message, repeated, string, type Infer } from '../message';

export const Empty = define({});
export const PluginInfo = define({ version: string(1) });
export const Urns = define({ urns: repeated(string(1)) });

export const SourcePosition = define({ uri: string(1), line: int32(2), column: int32(3) });
export const StackFrame = define({ pc: message(1, SourcePosition) });
export const StackTrace = define({ frames: repeated(message(1, StackFrame)) });

export const CheckFailure = define({ property: string(1), reason: string(2) });

/** google.rpc.Status, as the grpc-status-details-bin trailer carries it. */
const Any = define({ typeUrl: string(1), value: bytes(2) });
export const Status = define({ code: int32(1), message: string(2), details: repeated(message(3, Any)) });
export const ErrorCause = define({ message: string(1), stackTrace: string(2) });

export type CheckFailure = Infer<typeof CheckFailure>;
export type SourcePosition = Infer<typeof SourcePosition>;
export type StackTrace = Infer<typeof StackTrace>;
