/**
 * The metadata service, as an instance sees it at 100.100.100.200; here at a path of its own for
 * each instance.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../model/clock';
import { utcSeconds } from '../model/clock';
import type { CloudState, Instance } from '../model/records';

const PREFIX = '/-/metadata/';
const TOKEN_HEADER = 'x-aliyun-ecs-metadata-token';
const TTL_HEADER = 'x-aliyun-ecs-metadata-token-ttl-seconds';
const LONGEST_TTL_SECONDS = 21_600;

export class MetadataService {
  /** By `instance token`, until when it is good. */
  private readonly tokens = new Map<string, number>();

  constructor(
    private readonly state: CloudState,
    private readonly clock: Clock,
  ) {}

  /**
   * `http://127.0.0.1:PORT/-/metadata/i-…` answers as `http://100.100.100.200` does on that
   * instance.
   */
  static urlOf(endpoint: string, instanceId: string): string {
    return `http://${endpoint}${PREFIX}${instanceId}`;
  }

  static isMetadata(path: string): boolean {
    return path.startsWith(PREFIX);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const [instanceId = '', ...rest] = (request.url ?? '').slice(PREFIX.length).split('?')[0]!.split('/');
    const path = rest.join('/').replace(/\/+$/, '');
    const { status, text } = this.answer(request, instanceId, path);
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(text);
  }

  private answer(request: IncomingMessage, instanceId: string, path: string): { status: number; text: string } {
    const instance = this.state.home.instances.get(instanceId);
    if (!instance || instance.metadata.httpEndpoint === 'disabled') return { status: 404, text: 'not found\n' };
    if (request.method === 'PUT' && path === 'latest/api/token') return this.newToken(request, instanceId);
    if (request.method !== 'GET') return { status: 405, text: 'method not allowed\n' };
    if (!this.mayRead(request, instance)) return { status: 403, text: 'metadata token required\n' };
    const value = this.values(instance)[path];
    return value === undefined ? { status: 404, text: 'not found\n' } : { status: 200, text: value };
  }

  private newToken(request: IncomingMessage, instanceId: string): { status: number; text: string } {
    const seconds = Number(request.headers[TTL_HEADER]);
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > LONGEST_TTL_SECONDS)
      return { status: 400, text: 'bad token ttl\n' };
    const token = randomBytes(24).toString('base64url');
    const now = this.clock.now();
    for (const [old, until] of this.tokens) if (until <= now) this.tokens.delete(old);
    this.tokens.set(`${instanceId} ${token}`, now + seconds * 1000);
    return { status: 200, text: token };
  }

  private mayRead(request: IncomingMessage, instance: Instance): boolean {
    const token = request.headers[TOKEN_HEADER];
    if (token === undefined) return instance.metadata.httpTokens !== 'required';
    return (this.tokens.get(`${instance.instanceId} ${String(token)}`) ?? 0) > this.clock.now();
  }

  private values(instance: Instance): Readonly<Record<string, string | undefined>> {
    const meta = 'latest/meta-data';
    return {
      [meta]: 'hostname\nimage-id\ninstance-id\ninstance/\nmac\nprivate-ipv4\nregion-id\nvpc-id\nvswitch-id\nzone-id\n',
      [`${meta}/instance-id`]: instance.instanceId,
      [`${meta}/hostname`]: instance.hostName,
      [`${meta}/image-id`]: instance.imageId,
      [`${meta}/mac`]: instance.macAddress,
      [`${meta}/private-ipv4`]: instance.address,
      [`${meta}/region-id`]: this.state.region,
      [`${meta}/zone-id`]: instance.zoneId,
      [`${meta}/vpc-id`]: instance.vpcId,
      [`${meta}/vswitch-id`]: instance.vSwitchId,
      [`${meta}/owner-account-id`]: this.state.accountId,
      [`${meta}/instance/instance-type`]: instance.instanceType,
      [`${meta}/instance/instance-name`]: instance.name,
      [`${meta}/instance/spot/termination-time`]: instance.interruption
        ? utcSeconds(instance.interruption.releaseAt)
        : undefined,
      'latest/user-data':
        instance.userData === '' ? undefined : Buffer.from(instance.userData, 'base64').toString('utf8'),
    };
  }
}
