/** Client of the control API. */
import type { CloudControl } from './types';

/** `endpoint`: `127.0.0.1:PORT`, as cloud.json has it. Methods reject with the cloud's sentence. */
export function cloudControl(endpoint: string): CloudControl {
  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    const response = await fetch(`http://${endpoint}/-/control/${method}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(args),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`sandbox cloud: ${(answer as { error?: string }).error ?? response.statusText}`);
    return answer ?? undefined;
  };
  return new Proxy({} as CloudControl, {
    get: (_target, method) =>
      typeof method === 'string' && method !== 'then' ? (...args: unknown[]) => call(method, args) : undefined,
  });
}
