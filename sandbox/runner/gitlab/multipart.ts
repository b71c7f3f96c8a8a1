/** The one file of a multipart/form-data upload. */
export interface UploadedFile {
  readonly filename: string;
  readonly content: Buffer;
}

/** Undefined where the body holds no file. */
export function uploadedFile(contentType: string, body: Buffer): UploadedFile | undefined {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) return undefined;
  const mark = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(mark); at >= 0;) {
    const next = body.indexOf(mark, at + mark.length);
    if (next < 0) return undefined;
    const headEnd = body.indexOf('\r\n\r\n', at);
    const head = body.subarray(at + mark.length, headEnd).toString();
    const filename = /filename="([^"]*)"/.exec(head)?.[1];
    if (filename !== undefined && headEnd < next) return { filename, content: body.subarray(headEnd + 4, next - 2) };
    at = next;
  }
  return undefined;
}
