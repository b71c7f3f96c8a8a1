/**
 * The cloud's answer was an error, in the words of the two client libraries that the real provider
 * uses.
 */

/**
 * `code`: the library that sends parameters as a form; `legacy`: the one that sends them in the
 * query.
 */
export type ClientLibrary = 'form' | 'query';

export interface ApiErrorBody {
  readonly Code: string;
  readonly Message: string;
  readonly RequestId: string;
  readonly HostId: string;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly body: ApiErrorBody,
    library: ClientLibrary,
  ) {
    super(library === 'form' ? formText(status, body) : queryText(body));
  }

  get code(): string {
    return this.body.Code;
  }

  /** What the provider tries again: throttling, and faults of the service itself. */
  get temporary(): boolean {
    return this.code === 'ServiceUnavailable' || this.code.includes('Throttling') || this.status >= 500;
  }
}

/** No answer: refused, reset, timed out. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof ApiError && codes.includes(error.code);
}

export function isTemporary(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ApiError && error.temporary);
}

function formText(status: number, body: ApiErrorBody): string {
  const data = Object.fromEntries(Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1)));
  return [
    'SDKError:',
    `   StatusCode: ${status}`,
    `   Code: ${body.Code}`,
    `   Message: code: ${status}, ${body.Message} request id: ${body.RequestId}`,
    `   Data: ${JSON.stringify(data)}`,
    '',
  ].join('\n');
}

function queryText(body: ApiErrorBody): string {
  return [
    'SDK.ServerError',
    `ErrorCode: ${body.Code}`,
    'Recommend: ',
    `RequestId: ${body.RequestId}`,
    `Message: ${body.Message}`,
  ].join('\n');
}

/**
 * An error with the place in the real provider's source where it arises, as that prints it.
 * @param where `resource_alicloud_instance.go:1275`
 * @param what `Resource alicloud_instance RunInstances Failed!!! [SDK alibaba-cloud-sdk-go ERROR]`,
 * or '' for none
 */
export function located(where: string, what: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const place = `\u001b[31m[ERROR]\u001b[0m tfalicloud/alicloud/${where}:`;
  return new Error(what === '' ? `${place}\n${reason}` : `${place} ${what}:\n${reason}`, { cause });
}

/** `Resource ID ACTION Failed!!! …` */
export function failed(resource: string, action: string): string {
  return `Resource ${resource} ${action} Failed!!! [SDK alibaba-cloud-sdk-go ERROR]`;
}
