import { cpus } from 'node:os';
import path from 'node:path';
import { addToHistory } from '../backend/history';
import { type StackReference } from '../backend/reference';
import { deploy, type DeploymentResult, type Kind } from '../deployment/deployment';
import { type Emit } from '../deployment/events';
import { programHost } from '../plugins/program-host';
import { isTruthy } from '../project/paths';
import { type Project } from '../project/project';
import { readSettings, type Setting } from '../project/config';
import { StackConfig } from '../project/stack-config';
import { CallLog } from '../rpc/call-log';
import { SecretSealer } from '../secrets/envelope';
import { type Crypter } from '../secrets/passphrase';
import { openDeployment } from '../state/open';
import { type Deployment, type SecretsProvider } from '../state/checkpoint';
import { Journal } from '../state/journal';
import { LineDisplay } from '../display/lines';
import { EventLog } from '../display/event-log';
import { Interrupts } from './interrupts';
import { Keyring, stateSalt } from './secrets';
import { updateEnvironment } from './update-environment';
import { type Session } from './session';

const MAX_PARALLEL = 16;

/** Everything that the preview and the update of one command share. */
export class UpdateRun {
  private constructor(
    private readonly session: Session,
    private readonly project: Project,
    private readonly stack: StackReference,
    private readonly kind: Kind,
    private readonly config: StackConfig,
    private readonly settings: Record<string, Setting>,
    private readonly crypter: Crypter,
    private readonly sealer: SecretSealer,
    private readonly interrupts: Interrupts,
    private readonly events: EventLog | undefined,
  ) {}

  /** Reads configuration and state; throws CommandError before anything is touched. */
  static async prepare(session: Session, project: Project, stack: StackReference, kind: Kind): Promise<UpdateRun> {
    const { flags, env } = session.invocation;
    const config = StackConfig.load(project, stack.name);
    const keyring = new Keyring(env);
    const deployment = (await session.backend.load(stack))?.checkpoint.latest;
    const crypter = await keyring.forStack(config, deployment);
    const stateCrypter = stateSalt(deployment) ? await keyring.forState(deployment) : crypter;
    const settings = await readSettings(project, config, async () => crypter);
    const target = flags.string('event-log');
    const events = target ? await EventLog.open(target) : undefined;
    return new UpdateRun(
      session,
      project,
      stack,
      kind,
      config,
      settings,
      crypter,
      new SecretSealer(() => stateCrypter),
      new Interrupts(),
      events,
    );
  }

  /**
   * Runs the preview, or the update itself. `shown`: it is what the command is about, and goes to
   * the event log.
   */
  async perform(preview: boolean, shown: boolean): Promise<DeploymentResult> {
    const { clock, out } = this.session.invocation;
    const display = new LineDisplay(out, {
      kind: this.kind,
      preview,
      stack: this.session.display(this.stack),
      stackName: this.stack.name,
      project: this.project.name,
    });
    const emit: Emit = (event) => {
      display.show(event);
      if (shown) this.events?.write(event, clock.unixSeconds());
    };
    display.begin();
    const start = clock.unixSeconds();
    const base = openDeployment((await this.session.backend.load(this.stack))?.checkpoint.latest, this.sealer);
    const journal = preview ? undefined : this.journal(base);
    const result = await this.deploy(base, journal, preview, emit);
    display.end();
    if (!journal) return result;
    await journal.save();
    await this.remember(result, start);
    return result;
  }

  /** A second signal ended everything at once. */
  get terminated(): boolean {
    return this.interrupts.isTerminated;
  }

  async close(): Promise<void> {
    this.interrupts.close();
    await this.events?.close();
  }

  private deploy(
    base: Deployment | undefined,
    journal: Journal | undefined,
    preview: boolean,
    emit: Emit,
  ): Promise<DeploymentResult> {
    const { flags, env, clock } = this.session.invocation;
    const grpcLog = env['PULUMI_DEBUG_GRPC'];
    const calls = grpcLog ? new CallLog(path.resolve(grpcLog), () => clock.now()) : undefined;
    const programDirectory = path.resolve(this.project.root, this.project.main ?? '');
    this.interrupts.watch(emit);
    return deploy(
      {
        kind: this.kind,
        preview,
        stack: this.stack.name,
        project: this.project.name,
        root: this.project.root,
        programDirectory,
        base,
        settings: this.settings,
        // Four for each core, as the real CLI does.
        parallel: Math.min(MAX_PARALLEL, 4 * cpus().length),
      },
      {
        env,
        clock,
        emit,
        calls,
        journal,
        program: programHost({
          client: flags.string('client'),
          project: this.project,
          programDirectory,
          env,
          calls,
          emit,
          kind: this.kind,
        }),
        cancelled: this.interrupts.cancelled,
        terminated: this.interrupts.terminated,
      },
    );
  }

  private journal(base: Deployment | undefined): Journal {
    const provider: SecretsProvider = base?.secrets_providers ?? {
      type: 'passphrase',
      state: { salt: this.crypter.salt },
    };
    return new Journal(base, provider, this.sealer, this.session.invocation.clock, (deployment) =>
      this.session.backend.save(this.stack, deployment),
    );
  }

  private async remember({ changes, result }: DeploymentResult, startTime: number): Promise<void> {
    const { invocation, storage, backend } = this.session;
    await addToHistory(storage, invocation.clock, this.stack, {
      kind: this.kind,
      startTime,
      message: '',
      environment: updateEnvironment(invocation),
      config: this.config.entries,
      version: 0,
      result: result === 'succeeded' ? 'succeeded' : 'failed',
      endTime: invocation.clock.unixSeconds(),
      ...(Object.keys(changes).length > 0 && { resourceChanges: changes }),
    });
    if (!isTruthy(invocation.env['PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS'])) await backend.backup(this.stack);
  }
}
