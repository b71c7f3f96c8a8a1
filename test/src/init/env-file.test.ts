import { parse } from 'dotenv';
import { withVariables } from '../../../src/init/env-file';

describe('withVariables', () => {
  it('replaces a line where it stands, adds new ones at the end, and keeps all else', () => {
    const text = '# ours\nOTHER=1 # kept\nALICLOUD_REGION=cn-beijing\n\nexport A = "x y"\n';
    expect(withVariables(text, { ALICLOUD_REGION: 'cn-hangzhou', GITLAB_SPOT_VPC_ID: 'vpc-1' })).toBe(
      '# ours\nOTHER=1 # kept\nALICLOUD_REGION=cn-hangzhou\n\nexport A = "x y"\nGITLAB_SPOT_VPC_ID=vpc-1\n',
    );
  });

  it('takes a variable out, and changes nothing the second time', () => {
    const once = withVariables('A=1\nB=2', { A: undefined, C: '3' });
    expect(once).toBe('B=2\nC=3\n');
    expect(withVariables(once, { A: undefined, C: '3' })).toBe(once);
  });

  it.each(['a b', 'a#b', "it's", '"quoted"', 'a=b', 'back\\slash', '$HOME', 'ключ', ''])(
    'writes %j so that it is read back the same',
    (value) => expect(parse(withVariables('', { A: value }))).toEqual({ A: value }),
  );

  it('says so when a value can’t be written', () => {
    expect(() => withVariables('', { A: `'"\`#` })).toThrow("A has a value that the env file can't hold");
  });

  it('changes the line that counts where a variable is set twice', () => {
    expect(parse(withVariables('A=1\nA=2\n', { A: '3' }))).toEqual({ A: '3' });
    expect(parse(withVariables('A=1\nA=2\n', { A: undefined }))).toEqual({});
  });
});
