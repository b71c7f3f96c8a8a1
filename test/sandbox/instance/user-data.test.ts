import { parseUserData } from '../../../sandbox/instance/user-data';

const boundary = '===b==';
const archive = [
  `Content-Type: multipart/mixed; boundary="${boundary}"`,
  'MIME-Version: 1.0',
  '',
  `--${boundary}`,
  'Content-Type: text/cloud-config; charset="utf-8"',
  '',
  'ssh_authorized_keys: [ssh-ed25519 AAAA one]',
  '',
  `--${boundary}`,
  'Content-Type: text/x-shellscript',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from('#!/bin/sh\necho hello\n').toString('base64'),
  `--${boundary}--`,
  '',
].join('\n');

describe('user data', () => {
  test('cloud-config: keys, files and commands', () => {
    const config = [
      '#cloud-config',
      'hostname: builder-1',
      'ssh_authorized_keys:',
      '  - ssh-ed25519 AAAA one',
      'users:',
      '  - default',
      '  - name: builder',
      '    ssh_authorized_keys: [ssh-ed25519 BBBB two]',
      'ssh_deletekeys: true',
      'ssh_keys:',
      '  ed25519_private: |',
      '    -----BEGIN KEY-----',
      '    abc',
      '    -----END KEY-----',
      '  ed25519_public: ssh-ed25519 CCCC host',
      'write_files:',
      '  - { path: /etc/profile.d/x.sh, content: "export X=1", permissions: "0755" }',
      '  - { path: /opt/b, encoding: b64, content: aGk=, append: true }',
      'bootcmd: [echo boot]',
      'runcmd:',
      '  - [touch, /var/lib/done]',
      '  - echo run',
    ].join('\n');
    expect(parseUserData(config)).toEqual({
      hostname: 'builder-1',
      authorizedKeys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'],
      userNames: ['builder'],
      hostKeys: { ed25519: '-----BEGIN KEY-----\nabc\n-----END KEY-----\n' },
      files: [
        { path: '/etc/profile.d/x.sh', content: Buffer.from('export X=1'), mode: 0o755, append: false },
        { path: '/opt/b', content: Buffer.from('hi'), mode: 0o644, append: true },
      ],
      bootCommands: ['echo boot'],
      runCommands: [['touch', '/var/lib/done'], 'echo run'],
      scripts: [],
      complaints: [],
    });
  });

  test('a MIME archive of cloud-config and a script, with either line ending', () => {
    for (const text of [archive, archive.replaceAll('\n', '\r\n')]) {
      const { authorizedKeys, scripts, complaints } = parseUserData(text);
      expect({ authorizedKeys, scripts, complaints }).toEqual({
        authorizedKeys: ['ssh-ed25519 AAAA one'],
        scripts: ['#!/bin/sh\necho hello\n'],
        complaints: [],
      });
    }
  });

  test.each([
    ['a script', '#!/bin/bash\ntrue\n', { scripts: ['#!/bin/bash\ntrue\n'], complaints: [] }],
    ['nothing', '', { scripts: [], complaints: [] }],
    ['a template header', '## template: jinja\n#cloud-config\nruncmd: [a]\n', { runCommands: ['a'], complaints: [] }],
    [
      'keys that it does not know',
      '#cloud-config\npackages: [git]\nruncmd: [a]\n',
      { runCommands: ['a'], complaints: [] },
    ],
  ])('takes %s', (_what, text, expected) => {
    expect(parseUserData(text)).toMatchObject(expected);
  });

  test.each([
    ['YAML that is none', '#cloud-config\na: [', /^cloud-config is not YAML: /],
    [
      'a key of a wrong shape, without losing the others',
      '#cloud-config\nruncmd: 3\nbootcmd: [b]\n',
      /^cloud-config's runcmd is left out: /,
    ],
    ['another kind of data', 'hello', /^user data of an unknown kind is left out: "hello"$/],
  ])('leaves out, and says so, %s', (_what, text, complaint) => {
    const { complaints, bootCommands } = parseUserData(text);
    expect(complaints).toEqual([expect.stringMatching(complaint)]);
    expect(bootCommands).toEqual(text.includes('bootcmd') ? ['b'] : []);
  });
});
