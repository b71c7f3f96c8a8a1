/** pulumirpc.Engine: the log and the root resource (pulumi/proto/engine.proto, release 3.260). */
import { bool, define, enumeration, int32, string, struct, type Infer } from '../message';

export const LOG_SEVERITIES = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const;
export const LogRequest = define({
  severity: enumeration(1, LOG_SEVERITIES),
  message: string(2),
  urn: string(3),
  streamId: int32(4),
  ephemeral: bool(5),
});
export const GetRootResourceResponse = define({ urn: string(1) });
export const SetRootResourceRequest = define({ urn: string(1) });
export const StartDebuggingRequest = define({ config: struct(1), message: string(2) });
export const RequirePulumiVersionRequest = define({ pulumiVersionRange: string(1) });

export type LogRequest = Infer<typeof LogRequest>;
