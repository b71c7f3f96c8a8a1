import { CNY, unitOf, type Currency } from '../currency';

/** The hundredth part, as people call it. */
const HUNDREDTHS: Readonly<Record<Currency, string>> = { [CNY]: 'fen', USD: 'US cents' };

/** `1,234.50 yuan`, `34 fen`, `2.1 fen`: what people read, never more digits than they want. */
export function money(yuan: number, currency: Currency): string {
  const unit = unitOf(currency);
  const small = HUNDREDTHS[currency];
  if (yuan === 0) return `0 ${unit}`;
  if (Math.abs(yuan) >= 0.995 || small === undefined) return `${decimals(yuan, 2)} ${unit}`;
  const hundredths = yuan * 100;
  if (Math.abs(hundredths) < 0.05) return `< 0.1 ${small}`;
  return `${decimals(hundredths, Math.abs(hundredths) < 9.95 ? 1 : 0)} ${small}`;
}

/** To a millionth of a yuan, as exact as the ledger is; sums of floats would drift. */
export function millionths(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

/** `12 %`; `–` of nothing. */
export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return '–';
  const share = (part / whole) * 100;
  return `${share > 0 && share < 1 ? '< 1' : Math.round(share)} %`;
}

function decimals(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
