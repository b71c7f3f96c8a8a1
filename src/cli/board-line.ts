import type { Served } from '../board/serve';

/** Where the board is, and where its token; never the token itself, which a journal would keep. */
export function boardLine({ url, tokenFile }: Pick<Served, 'url' | 'tokenFile'>): string {
  return tokenFile === undefined ? `board: ${url}/` : `board: ${url}/ (asks for the token in ${tokenFile})`;
}
