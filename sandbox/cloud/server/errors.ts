/** An answer that is an error, in the API's own shape. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Further fields of the answer. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** 404 `CODE` with the API's usual sentence. */
export function notFound(code: string, what: string): ApiError {
  return new ApiError(404, code, `The specified ${what} does not exist.`);
}

export function missingParameter(name: string): ApiError {
  return new ApiError(
    400,
    'MissingParameter',
    `The input parameter "${name}" that is mandatory for processing this request is not supplied.`,
  );
}

/** The answer to a dry run of something that would work. */
export function refuseDryRun({ DryRun }: { readonly DryRun: boolean }): void {
  if (DryRun) throw new ApiError(400, 'DryRunOperation', 'Request validation has been passed with DryRun flag set.');
}
