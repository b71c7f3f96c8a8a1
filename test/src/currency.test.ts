import { currencyOf, namedIn, unitNameOf, unitOf } from '../../src/currency';

test('yuan is called yuan, and nothing else is', () => {
  expect([unitOf('CNY'), unitOf(undefined), unitOf('USD')]).toEqual(['yuan', 'yuan', 'USD']);
  expect(unitNameOf('USD')).toBe('usd');
  expect(currencyOf('')).toBe('CNY');
  // It comes from outside, and goes into logs and the names of metrics.
  expect(currencyOf('<b>')).toBe('CNY');
});

test('JSON has no key that speaks of yuan where the account pays in dollars', () => {
  const row = { key: 'yuan', yuan: 1, onDemandYuan: 2, pools: [{ priceYuanPerHour: 0.1, reason: null }] };
  expect(namedIn('USD', row)).toEqual({
    ...{ key: 'yuan', usd: 1, onDemandUsd: 2 },
    pools: [{ priceUsdPerHour: 0.1, reason: null }],
  });
  expect(namedIn('CNY', row)).toBe(row);
});
