/**
 * The one way from the product into the sandbox: environment variables that the real programs know
 * too. `npm run sandbox -- env` prints them; the demo and the end-to-end tests pass them to the
 * hooks.
 */
export interface SandboxEnvironment {
  /**
   * Begins with the stand-ins' folder (dist/sandbox/bin), or leaves out those for which the real
   * program is wanted.
   */
  readonly PATH: string;
  readonly PULUMI_HOME: string;
  /** `file://DIR` */
  readonly PULUMI_BACKEND_URL: string;
  /** A file of mode 0600. */
  readonly PULUMI_CONFIG_PASSPHRASE_FILE: string;
  readonly PULUMI_SKIP_UPDATE_CHECK: 'true';
  readonly ALICLOUD_ACCESS_KEY: string;
  readonly ALICLOUD_SECRET_KEY: string;
  readonly ALICLOUD_REGION: string;
  /** `127.0.0.1:PORT`; HTTP and TLS on the same port. */
  readonly ECS_ENDPOINT: string;
  readonly VPC_ENDPOINT: string;
  readonly RAM_ENDPOINT: string;
  readonly STS_ENDPOINT: string;
  readonly CMS_ENDPOINT: string;
  readonly OSS_ENDPOINT: string;
  /** PEM file of the sandbox's CA, for Go programs (and the stand-in provider). */
  readonly SSL_CERT_FILE: string;
  /** The same file, for Node programs. */
  readonly NODE_EXTRA_CA_CERTS: string;
  /** Spares the real provider a billing call. */
  readonly ALIBABA_CLOUD_ACCOUNT_TYPE: 'Domestic';
  /**
   * `create=200,delete=100,network=50,poll=50,retry=50` (ms): shortens the stand-in provider's
   * pauses; left out: as long as the real one's.
   */
  readonly SANDBOX_PROVIDER_SLEEPS?: string;
  readonly GITLAB_SPOT_STATE_DIR: string;
  readonly GITLAB_SPOT_VPC_ID: string;
  /** Who may reach an instance's SSH port: the executor's own address. */
  readonly GITLAB_SPOT_EXECUTOR_CIDR: string;
  /**
   * Port 22 needs root; all instances of a sandbox share one high port, each on an address of its
   * own.
   */
  readonly GITLAB_SPOT_SSH_PORT: string;
  readonly GITLAB_SPOT_SSH_USER: string;
  /**
   * `DIR/{job}`: instances share this machine's file system, so each job gets a folder of its own.
   */
  readonly GITLAB_SPOT_BUILDS_DIR: string;
  /** One folder for all jobs: they find each other's caches there, as they would in a bucket. */
  readonly GITLAB_SPOT_CACHE_DIR: string;
  /** No instance of a sandbox has 100.100.100.200 to itself: each asks at a path of its own. */
  readonly GITLAB_SPOT_METADATA_URL: string;
  /** What the sandbox's GitLab takes for a person's access token. */
  readonly GITLAB_SPOT_GITLAB_TOKEN: string;
}
