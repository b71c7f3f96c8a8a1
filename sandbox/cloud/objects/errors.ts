/** An error of the object store, answered as XML. */
export class StoreError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'StoreError';
  }
}

export function noSuchKey(): StoreError {
  return new StoreError(404, 'NoSuchKey', 'The specified key does not exist.');
}

export function noSuchUpload(): StoreError {
  return new StoreError(404, 'NoSuchUpload', 'The specified upload does not exist.');
}
