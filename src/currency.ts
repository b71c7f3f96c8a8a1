/**
 * Currencies. Alibaba's China site answers CNY, the international one USD
 * (DescribeSpotPriceHistory, DescribePrice). In our code amounts are called yuan, with a currency
 * beside them that says what they are; text and JSON for others are named by that currency.
 */

/** ISO 4217. */
export type Currency = string;

export const CNY: Currency = 'CNY';

/** An answer that says none is of the China site, whose older answers had none. */
export function currencyOf(text: string | undefined): Currency {
  return text !== undefined && /^[A-Z]{3}$/.test(text) ? text : CNY;
}

/** As people say it: `yuan`, `USD`. */
export function unitOf(currency: Currency | undefined): string {
  return currency === undefined || currency === CNY ? 'yuan' : currency;
}

/** As names of metrics and columns have it: `yuan`, `usd`. */
export function unitNameOf(currency: Currency | undefined): string {
  return unitOf(currency).toLowerCase();
}

/** For JSON: keys that speak of yuan speak of the currency, at any depth. */
export function namedIn<T>(currency: Currency | undefined, value: T): T {
  const name = unitNameOf(currency);
  if (name === 'yuan') return value;
  const capital = `${name[0]!.toUpperCase()}${name.slice(1)}`;
  const named = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(named);
    if (one === null || typeof one !== 'object') return one;
    return Object.fromEntries(
      Object.entries(one).map(([key, inner]) => [key.replace(/Yuan/g, capital).replace(/^yuan/, name), named(inner)]),
    );
  };
  return named(value) as T;
}
