/**
 * What the provider is told by its configuration and by the environment, in the real provider's
 * names.
 */
import { readFileSync } from 'node:fs';
import { parseSleeps, SLEEPS_VARIABLE, type Sleeps } from './sleeps';
import { isProperties, text, type Properties, type Value } from './values';

export type Product = 'ecs' | 'vpc' | 'ram' | 'sts';

export interface ProviderSettings {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string | undefined;
  readonly region: string;
  readonly protocol: 'HTTP' | 'HTTPS';
  /** host:port by product. */
  readonly endpoints: Readonly<Record<Product, string>>;
  readonly ossEndpoint: string;
  /** PEM, in place of the system's authorities, as Go programs read SSL_CERT_FILE. */
  readonly ca: string | undefined;
  readonly sleeps: Sleeps;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The real provider's own default. */
const DEFAULT_REGION = 'cn-beijing';

/**
 * @param config the provider resource's inputs; everything but plain text comes JSON-encoded
 * @throws Error with one sentence when credentials are missing or a setting can't be read
 */
export function readSettings(config: Properties, env: Environment): ProviderSettings {
  const pick = (name: string, ...variables: readonly string[]) =>
    text(config[name]).trim() ||
    variables.map((variable) => env[variable]?.trim() ?? '').find((value) => value !== '') ||
    '';

  const accessKeyId = pick(
    'accessKey',
    'ALICLOUD_ACCESS_KEY',
    'ALIBABA_CLOUD_ACCESS_KEY_ID',
    'ALIBABACLOUD_ACCESS_KEY_ID',
  );
  const accessKeySecret = pick(
    'secretKey',
    'ALICLOUD_SECRET_KEY',
    'ALIBABA_CLOUD_ACCESS_KEY_SECRET',
    'ALIBABACLOUD_ACCESS_KEY_SECRET',
  );
  if (accessKeyId === '' || accessKeySecret === '') {
    throw new Error(
      'configuring Terraform Alibaba Cloud Provider: no valid credential sources for Terraform Alibaba Cloud Provider found.\n\n' +
        'Set ALICLOUD_ACCESS_KEY and ALICLOUD_SECRET_KEY.',
    );
  }
  const region = pick('region', 'ALICLOUD_REGION', 'ALIBABA_CLOUD_REGION') || DEFAULT_REGION;
  const endpoints = configuredEndpoints(config['endpoints']);
  const endpoint = (product: string, otherwise: string) =>
    endpoints[product] ||
    env[`ALIBABA_CLOUD_ENDPOINT_${product.toUpperCase()}`]?.trim() ||
    env[`${product.toUpperCase()}_ENDPOINT`]?.trim() ||
    otherwise;

  return {
    accessKeyId,
    accessKeySecret,
    securityToken:
      pick('securityToken', 'ALICLOUD_SECURITY_TOKEN', 'ALIBABA_CLOUD_SECURITY_TOKEN', 'ALIBABACLOUD_SECURITY_TOKEN') ||
      undefined,
    region,
    protocol: text(config['protocol']).toUpperCase() === 'HTTP' ? 'HTTP' : 'HTTPS',
    endpoints: {
      ecs: endpoint('ecs', `ecs.${region}.aliyuncs.com`),
      vpc: endpoint('vpc', `vpc.${region}.aliyuncs.com`),
      ram: endpoint('ram', 'ram.aliyuncs.com'),
      sts: endpoint('sts', `sts.${region}.aliyuncs.com`),
    },
    ossEndpoint: endpoint('oss', `oss-${region}.aliyuncs.com`),
    ca: env['SSL_CERT_FILE'] ? readFileSync(env['SSL_CERT_FILE'], 'utf8') : undefined,
    sleeps: parseSleeps(env[SLEEPS_VARIABLE]),
  };
}

/** `endpoints` is a list of one object, JSON-encoded: `[{"ecs":"127.0.0.1:8080"}]`. */
function configuredEndpoints(value: Value | undefined): Record<string, string> {
  const decoded = typeof value === 'string' ? (JSON.parse(value) as Value) : value;
  const first = Array.isArray(decoded) ? (decoded[0] as Value | undefined) : decoded;
  return isProperties(first)
    ? Object.fromEntries(Object.entries(first).map(([product, endpoint]) => [product, text(endpoint)]))
    : {};
}
