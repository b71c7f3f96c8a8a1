/** What boot, SSH server and sessions of one machine share. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { furnish, journal, layoutOf, loginShell, type Layout } from './layout';
import type { MachineSpec } from './machine';
import { machineNamespaces, type Namespaces } from './namespaces';
import { killMarked, markerOf, markedEnvironment, type Marker } from './processes';
import { programFiles, programPath } from './programs';

export interface MachineContext {
  readonly spec: MachineSpec;
  readonly layout: Layout;
  readonly marker: Marker;
  readonly namespaces: Namespaces;
  /**
   * What every process of the instance finds, whoever starts it. Nothing of the host's own
   * environment.
   */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Ends what an earlier life of the directory left running, makes the folders and the namespaces.
 * `user`: whose name processes see.
 */
export async function prepareMachine(spec: MachineSpec, user: string): Promise<MachineContext> {
  const layout = layoutOf(spec.directory);
  const isNew = (await mkdir(layout.root, { recursive: true, mode: 0o700 })) !== undefined;
  const marker = markerOf(spec.directory);
  if (!isNew) await killMarked(marker);
  await furnish(layout);
  const search = await programPath(spec, layout);
  const shared = { readable: programFiles(spec, search), writable: spec.sharedFolders ?? [] };
  const namespaces = await machineNamespaces(layout, spec.hostname, shared, marker);
  if (namespaces.missing !== undefined) journal(layout, `no namespaces of its own: ${namespaces.missing}`);
  const environment = {
    HOME: layout.home,
    USER: user,
    LOGNAME: user,
    SHELL: loginShell,
    PATH: search.join(path.delimiter),
    TMPDIR: layout.temporary,
    SANDBOX_ROOT: layout.root,
    SANDBOX_PATH: search.join(path.delimiter),
    SANDBOX_INSTANCE_ID: spec.instanceId,
    SANDBOX_METADATA_URL: spec.metadataUrl,
    ...markedEnvironment(marker),
  };
  return { spec, layout, marker, namespaces, environment };
}
