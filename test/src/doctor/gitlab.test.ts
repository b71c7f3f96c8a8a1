import { gitlab } from '../../../src/doctor/gitlab';

test.each([
  [true, ['running jobs again']],
  [false, []],
])('running jobs again with the rights of a token (%s) is warned of', async (retry, warned) => {
  const runners = () => ({ verify: () => Promise.resolve(undefined) });
  const findings = await gitlab({ url: undefined, retry, askWithToken: undefined, sections: [], runners });
  expect(findings.filter(({ state }) => state === 'warning').map(({ condition }) => condition)).toEqual(warned);
});
