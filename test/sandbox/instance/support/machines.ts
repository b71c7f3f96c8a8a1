import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { Client, type ClientChannel, type ConnectConfig, type ExecOptions } from 'ssh2';
import { generateKeyPair } from '../../../../sandbox/instance/keys';
import { startMachine, type Machine, type MachineKind, type MachineSpec } from '../../../../sandbox/instance';

export interface TestMachine {
  readonly machine: Machine;
  readonly spec: MachineSpec;
  /** The private key that may log in. */
  readonly privateKey: string;
  /** A new connection, closed at `dispose`. */
  connect(more?: Partial<ConnectConfig>): Promise<Client>;
  dispose(): Promise<void>;
}

/** Starts a machine on an address of its own; `dispose` ends it and removes its folder. */
export async function testMachine(
  kind: MachineKind,
  more: { readonly [K in keyof MachineSpec]?: MachineSpec[K] | undefined } = {},
): Promise<TestMachine> {
  const pair = generateKeyPair();
  const directory = more.directory ?? (await mkdtemp(path.join(tmpdir(), 'instance-')));
  const address = more.address ?? `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(2, 255)}`;
  const spec: MachineSpec = {
    instanceId: 'i-test0001',
    hostname: 'iZtest',
    address,
    sshPort: more.sshPort ?? (await freePort(address)),
    directory,
    authorizedKeys: [pair.public],
    userData: more.userData ?? '',
    metadataUrl: 'http://127.0.0.1:1/-/metadata/i-test0001',
    ...(more.programs && { programs: more.programs }),
    ...(more.sharedFolders && { sharedFolders: more.sharedFolders }),
  };
  const machine = await startMachine(kind)(spec).catch(async (error: unknown) => {
    if (more.directory === undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  });
  const clients: Client[] = [];
  return {
    machine,
    spec,
    privateKey: pair.private,
    connect: async (config = {}) => {
      const client = await login(spec, { privateKey: pair.private, ...config });
      clients.push(client);
      return client;
    },
    dispose: async () => {
      for (const client of clients) client.destroy();
      await machine.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function login(spec: MachineSpec, config: Partial<ConnectConfig>): Promise<Client> {
  const client = new Client();
  client.on('error', () => undefined);
  const sock = connect({ host: spec.address, port: spec.sshPort, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve).once('error', reject);
    client.connect({ sock, username: userInfo().username, readyTimeout: 20_000, ...config });
  });
  return client;
}

export async function freePort(address: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly channel: ClientChannel;
  readonly outcome: Promise<Outcome>;
  /** Resolves when standard output holds the text. */
  saw(text: string): Promise<void>;
  /** Standard output so far. */
  stdout(): string;
}

/** Starts a command; standard input is ended only when `stdin` is given. */
export async function exec(
  client: Client,
  command: string,
  options: ExecOptions = {},
  stdin?: string,
): Promise<Running> {
  // Listeners go on within the callback: the exit status may be in the same packet as the channel's
  // confirmation.
  const running = await new Promise<Running>((resolve, reject) =>
    client.exec(command, options, (error, stream) => (error ? reject(error) : resolve(follow(stream)))),
  );
  if (stdin !== undefined) running.channel.end(stdin);
  return running;
}

export function follow(channel: ClientChannel): Running {
  let stdout = '';
  let stderr = '';
  let exit: { code: number | null; signal: string | undefined } = { code: null, signal: undefined };
  channel.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  channel.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  channel.on('exit', (code: number | null, signal?: string) => (exit = { code, signal }));
  return {
    channel,
    outcome: new Promise((resolve) => channel.on('close', () => resolve({ ...exit, stdout, stderr }))),
    stdout: () => stdout,
    saw: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => void (stdout.includes(text) && resolve());
        look();
        channel.on('data', look);
        channel.on('close', () => reject(new Error(`closed before ${JSON.stringify(text)}: ${stdout}${stderr}`)));
      }),
  };
}

/** A command from start to end, without input. */
export async function run(client: Client, command: string, options: ExecOptions = {}): Promise<Outcome> {
  return (await exec(client, command, options, '')).outcome;
}
