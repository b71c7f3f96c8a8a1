import type { Clock } from '../../../sandbox/provider/waits';
import { TestCloud } from '../cloud/support';
import { ProviderUnderTest } from './support';

export interface Call {
  readonly action: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * The simulated cloud in this process, with a VPC and a vSwitch, the provider in front of it, and
 * what it asks.
 */
export class CloudWithNetwork {
  readonly provider = new ProviderUnderTest();
  vpcId = '';
  vSwitchId = '';
  private cloud!: TestCloud;
  private calls: Call[] = [];

  async start(): Promise<void> {
    this.cloud = await TestCloud.start({
      onCall: ({ action, parameters, answer }) => {
        // Told before the answer and after it.
        if (answer === undefined) this.calls.push({ action, parameters });
      },
    });
    const { clock } = this.cloud;
    // The provider sleeps by moving the cloud's time on.
    const time: Clock = { now: () => clock.now(), sleep: (ms) => Promise.resolve(clock.advance(ms)) };
    const { endpoint, accessKeyId, accessKeySecret, caFile, region } = this.cloud.info;
    const env = { ALICLOUD_ACCESS_KEY: accessKeyId, ALICLOUD_SECRET_KEY: accessKeySecret, ALICLOUD_REGION: region };
    const services = { ECS_ENDPOINT: endpoint, VPC_ENDPOINT: endpoint, RAM_ENDPOINT: endpoint, STS_ENDPOINT: endpoint };
    await this.provider.start({ ...env, ...services, SSL_CERT_FILE: caFile }, time);
    await this.provider.configure();
    this.vpcId = await this.make('alicloud:vpc/network:Network', { vpcName: 'ours', cidrBlock: '10.86.0.0/16' });
    this.vSwitchId = await this.make('alicloud:vpc/switch:Switch', {
      ...{ vswitchName: 'ours-k', vpcId: this.vpcId, zoneId: 'cn-hangzhou-k', cidrBlock: '10.86.0.0/21' },
    });
  }

  async stop(): Promise<void> {
    this.provider.stop();
    await this.cloud.stop();
  }

  /**
   * What was asked since the last time; a question asked over and over while waiting counts once.
   */
  takeCalls(): Call[] {
    const taken = this.calls;
    this.calls = [];
    const own = ({ action, parameters }: Call) =>
      JSON.stringify([action, Object.entries(parameters).filter(([name]) => !EACH_TIME.includes(name))]);
    return taken.filter((call, index) => index === 0 || own(call) !== own(taken[index - 1]!) || !isWait(call));
  }

  /** RFC 3339, to the minute. */
  inHours(hours: number): string {
    return new Date(this.cloud.clock.now() + hours * 3_600_000).toISOString().replace(/:\d\d\.\d+Z$/, ':00Z');
  }

  private async make(type: string, given: Record<string, string>): Promise<string> {
    const { inputs } = await this.provider.check(type, given);
    return (await this.provider.create(type, inputs)).id;
  }
}

const EACH_TIME = ['Timestamp', 'Signature', 'SignatureNonce'];

/** The real provider asks for an interface twice in a row, without waiting. */
function isWait({ action }: Call): boolean {
  return action === 'DescribeInstances';
}
