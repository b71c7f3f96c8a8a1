/**
 * A cloud in this process with a clock moved by hand, machines that are only noted down, and a
 * client that signs.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startCloud, type Cloud, type StartCloudOptions } from '../../../sandbox/cloud';
import type { Clock } from '../../../sandbox/cloud/model/clock';
import { sign } from '../../../sandbox/cloud/server/signature';
import type { MachineSpec, StartMachine } from '../../../sandbox/instance/machine';

export class ManualClock implements Clock {
  private tasks: { at: number; task: () => void }[] = [];

  /** From a whole second on: the books know no others. */
  constructor(private time = Math.floor(Date.now() / 1000) * 1000) {}

  now(): number {
    return this.time;
  }

  after(ms: number, task: () => void): () => void {
    const entry = { at: this.time + ms, task };
    this.tasks.push(entry);
    return () => (this.tasks = this.tasks.filter((one) => one !== entry));
  }

  /** Tasks that wait for their time. */
  get waiting(): number {
    return this.tasks.length;
  }

  /** Moves on, running what comes due in its order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.tasks.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.tasks = this.tasks.filter((one) => one !== next);
      this.time = Math.max(this.time, next.at);
      next.task();
    }
    this.time = end;
  }
}

/** Machines as the cloud asked for them. */
export class NotedMachines {
  readonly started: MachineSpec[] = [];
  readonly killed: string[] = [];

  readonly start: StartMachine = async (spec) => {
    this.started.push(spec);
    return {
      spec,
      kill: async () => void this.killed.push(spec.instanceId),
      disconnect: async () => undefined,
      reconnect: async () => undefined,
      dropConnections: async () => 0,
    };
  };
}

export interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers are as deep as the API's, tests read them freely
  readonly body: any;
}

export interface CallOptions {
  readonly version?: string;
  readonly keyId?: string;
  readonly secret?: string;
  readonly method?: 'GET' | 'POST';
  /** Where the action's own parameters go; Action and signature are in the query. */
  readonly form?: boolean;
  readonly change?: (signed: Record<string, string>) => void;
}

export const VPC = '2016-04-28';
export const STS = '2015-04-01';

export class TestCloud {
  private constructor(
    readonly directory: string,
    readonly clock: ManualClock,
    readonly machines: NotedMachines,
    public cloud: Cloud,
  ) {}

  static async start(options: Partial<StartCloudOptions> = {}): Promise<TestCloud> {
    const directory = options.directory ?? (await mkdtemp(path.join(os.tmpdir(), 'gitlab-spot-cloud-')));
    const clock = new ManualClock();
    const machines = new NotedMachines();
    const cloud = await startCloud({ directory, clock, startMachine: machines.start, seed: 1, ...options });
    return new TestCloud(directory, clock, machines, cloud);
  }

  get info() {
    return this.cloud.info;
  }

  get control() {
    return this.cloud.control;
  }

  async restart(): Promise<void> {
    await this.cloud.close();
    this.cloud = await startCloud({ directory: this.directory, clock: this.clock, startMachine: this.machines.start });
  }

  async stop(): Promise<void> {
    await this.cloud.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A signed call; the answer whatever its status. */
  async call(action: string, parameters: Record<string, string> = {}, options: CallOptions = {}): Promise<Answer> {
    const method = options.method ?? 'POST';
    const signed: Record<string, string> = {
      Action: action,
      Version: options.version ?? '2014-05-26',
      Format: 'JSON',
      AccessKeyId: options.keyId ?? this.info.accessKeyId,
      SignatureMethod: 'HMAC-SHA1',
      SignatureVersion: '1.0',
      SignatureNonce: randomUUID(),
      Timestamp: new Date(this.clock.now()).toISOString().replace(/\.\d+/, ''),
      RegionId: this.info.region,
      ...parameters,
    };
    signed.Signature = sign(method, signed, options.secret ?? this.info.accessKeySecret);
    options.change?.(signed);
    const inForm = Object.entries(signed).filter(
      ([name]) => options.form && (name in parameters || name === 'RegionId'),
    );
    const inQuery = Object.entries(signed).filter(([name]) => !inForm.some(([other]) => other === name));
    const response = await fetch(`http://${this.info.endpoint}/?${new URLSearchParams(inQuery).toString()}`, {
      method,
      ...(method === 'POST' && inForm.length > 0 ? { body: new URLSearchParams(inForm) } : {}),
    });
    return { status: response.status, body: await response.json() };
  }

  /** A call that must succeed; its answer. */
  async ok(
    action: string,
    parameters: Record<string, string> = {},
    options: CallOptions = {},
  ): Promise<Answer['body']> {
    const { status, body } = await this.call(action, parameters, options);
    if (status !== 200) throw new Error(`${action}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** The error code of a call that must fail. */
  async code(action: string, parameters: Record<string, string> = {}, options: CallOptions = {}): Promise<string> {
    const { status, body } = await this.call(action, parameters, options);
    return status === 200 ? 'no error' : String(body.Code);
  }

  vSwitch(letter = 'k'): string {
    return this.info.vSwitchIds[`${this.info.region}-${letter}`] ?? '';
  }

  async securityGroup(parameters: Record<string, string> = {}): Promise<string> {
    return (await this.ok('CreateSecurityGroup', { VpcId: this.info.vpcId, ...parameters })).SecurityGroupId;
  }

  /** Parameters of a RunInstances that the cloud accepts. */
  async launchParameters(change: Record<string, string> = {}): Promise<Record<string, string>> {
    return {
      ImageId: 'aliyun_3_x64_20G_alibase.vhd',
      InstanceType: 'ecs.c7.xlarge',
      VSwitchId: this.vSwitch(),
      'SecurityGroupIds.1': change['SecurityGroupIds.1'] ?? (await this.securityGroup()),
      SpotStrategy: 'SpotAsPriceGo',
      SpotDuration: '0',
      ...change,
    };
  }

  async launch(change: Record<string, string> = {}): Promise<string> {
    const answer = await this.ok('RunInstances', await this.launchParameters(change));
    return answer.InstanceIdSets.InstanceIdSet[0];
  }

  async launchRunning(change: Record<string, string> = {}): Promise<string> {
    const instanceId = await this.launch(change);
    this.clock.advance(1000);
    return instanceId;
  }

  async describe(instanceId: string): Promise<Answer['body']> {
    const answer = await this.ok('DescribeInstances', { InstanceIds: JSON.stringify([instanceId]) });
    return answer.Instances.Instance[0];
  }
}
