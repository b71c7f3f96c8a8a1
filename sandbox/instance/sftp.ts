import type { SFTPWrapper } from 'ssh2';
export function serveSftp(_sftp: SFTPWrapper, _home: string): void {}
