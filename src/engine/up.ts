import type { EngineEvent } from '@pulumi/pulumi/automation';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import { automationCommand, CliFailed } from './automation-command';
import type { PulumiCli } from './cli';
import { failureOf } from './diagnostics';
import { EngineFailed, UpCancelled } from './errors';
import { initStack } from './init-stack';
import type { JobStack } from './job-program';
import { loadAutomation } from './sdk';
import type { StackSettings } from './stack-template';
import type { UpOptions, UpRequest, UpResult } from './types';
import { ensureWorkDir } from './workspace';

const STACK_TYPE = 'pulumi:pulumi:Stack';
const INSTANCE_TYPE = 'alicloud:ecs/instance:Instance';
/**
 * What the provider's SDK notes, for debugging, once RunInstances has answered with an id
 * (docs/pulumi.md). Among a job's resources only the instance is waited for until it runs.
 */
const ACCEPTED = /Waiting for state to become: \[Running\]/;
/** The last events may still be on their way when the CLI has ended. */
const LATE_EVENTS_MS = 500;

const outputsSchema = z.object({
  instanceId: z.string().check(z.minLength(1)),
  privateIp: z.catch(z.string(), ''),
  publicIp: z.catch(z.string(), ''),
});

export interface UpDependencies {
  readonly cli: PulumiCli;
  readonly version: string;
  readonly settings: StackSettings;
  /** The job's work dir. */
  readonly directory: string;
  /** What the stack consists of. */
  readonly jobStack: () => Promise<JobStack>;
}

/**
 * Makes the stack where there is none, and brings it up: two starts of the CLI. What it consists of
 * is asked for once the engine wants to know.
 */
export async function up(
  { stackName, args }: UpRequest,
  options: UpOptions,
  dependencies: UpDependencies,
): Promise<UpResult> {
  const { cli, version, directory } = dependencies;
  ensureWorkDir(directory);
  const events = new EventReader(options);
  // Side by side: loading the SDK takes this process 0.2 s, making the stack takes the CLI 0.1 to
  // 0.25 s.
  const [{ LocalWorkspace, Stack }, jobStack] = await Promise.all([
    loadAutomation(),
    dependencies.jobStack(),
    options.create === false ? undefined : initStack(stackName, dependencies, options),
  ]);
  options.signal.throwIfAborted();
  const workspace = await LocalWorkspace.create({
    workDir: directory,
    // The job's own program, inside this process.
    program: async () => {
      const { runtime, CustomResource } = await import('@pulumi/pulumi');
      runtime.registerStackTransformation((one) => {
        if (one.resource instanceof CustomResource) events.declare(one);
        return undefined;
      });
      const outputs = { ...jobStack(await args) };
      events.allDeclared();
      return outputs;
    },
    pulumiCommand: automationCommand({
      cli,
      version,
      signal: options.signal,
      abandon: options.abandon,
      outputs: () => events.outputs(),
    }),
  });
  const stack = await Stack.select(stackName, workspace);
  const { outputs } = await stack.up({ onEvent: (event) => events.read(event) }).catch((error: unknown) => {
    throw upFailure(error, events, options);
  });
  const parsed = outputsSchema.safeParse(
    Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value])),
  );
  if (parsed.success) return parsed.data;
  throw new EngineFailed('The job stack has no instanceId among its outputs', {
    remedy: 'Have stacks/job.ts return instanceId, privateIp and publicIp.',
    cause: parsed.error,
  });
}

function upFailure(error: unknown, events: EventReader, { signal, abandon }: UpOptions): unknown {
  if (signal.aborted) return new UpCancelled('Cancelled while the instance was being created', { cause: error });
  if (abandon?.aborted) return new UpCancelled('Given up, since the instance will not come', { cause: error });
  if (error instanceof CliFailed)
    return failureOf({ verb: error.verb, diagnostics: events.diagnostics, ...error.result });
  return error;
}

/** Follows the engine's events: what begins and ends, what went wrong, and the stack's outputs. */
export class EventReader {
  readonly diagnostics: string[] = [];
  private stackOutputs: Readonly<Record<string, unknown>> | undefined;
  private ended = false;
  private instance: string | undefined;
  /** Resources beside the instance, as `TYPE::NAME`. */
  private readonly declared = new Set<string>();
  private readonly made = new Set<string>();
  private isAllDeclared = false;

  constructor(private readonly options: Pick<UpOptions, 'onResource' | 'onAccepted' | 'onOthersMade'>) {}

  /** The program declares a resource; what it declares once another is made may come too late. */
  declare({ type, name }: { readonly type: string; readonly name: string }): void {
    const resource = `${type}::${name}`;
    if (type === INSTANCE_TYPE) this.instance ??= resource;
    if (resource !== this.instance) this.declared.add(resource);
  }

  /** The program is through. */
  allDeclared(): void {
    this.isAllDeclared = true;
    this.tellOthersMade();
  }

  read(event: EngineEvent): void {
    const { severity, message = '' } = event.diagnosticEvent ?? {};
    if (severity === 'error') this.diagnostics.push(message);
    if (ACCEPTED.test(message)) this.options.onAccepted?.();
    if (event.summaryEvent) this.ended = true;
    const [metadata, done, failed] = event.resourcePreEvent
      ? [event.resourcePreEvent.metadata, false, false]
      : event.resOutputsEvent
        ? [event.resOutputsEvent.metadata, true, false]
        : event.resOpFailedEvent
          ? [event.resOpFailedEvent.metadata, true, true]
          : [undefined, false, false];
    if (!metadata) return;
    if (metadata.type === STACK_TYPE && done && !failed) this.stackOutputs = metadata.new?.outputs ?? this.stackOutputs;
    this.options.onResource?.({ type: metadata.type, operation: metadata.op, done, failed });
    if (!done || failed) return;
    this.made.add(`${metadata.type}::${metadata.urn?.split('::').at(-1)}`);
    this.tellOthersMade();
  }

  private tellOthersMade(): void {
    if (this.isAllDeclared && [...this.declared].every((one) => this.made.has(one))) this.options.onOthersMade?.();
  }

  async outputs(): Promise<Readonly<Record<string, unknown>> | undefined> {
    for (let waitedMs = 0; !this.ended && waitedMs < LATE_EVENTS_MS; waitedMs += 20) await sleep(20);
    return this.stackOutputs && Object.keys(this.stackOutputs).length > 0 ? this.stackOutputs : undefined;
  }
}
