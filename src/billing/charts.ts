/**
 * Charts out of plain elements: no script, no font, no request, so that the page is one file and
 * prints; text keeps its size however narrow the window is.
 */

export interface StackedBar {
  readonly label: string;
  /** In the order of the series. */
  readonly parts: readonly number[];
  /** Drawn as an empty frame behind the bar. */
  readonly outline: number;
  /** Said when the pointer rests on it. */
  readonly text: string;
}

export interface Series {
  readonly name: string;
  /** Its class: `c0` and so on. */
  readonly colour: string;
}

/** Text that is safe inside HTML and its attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Upright stacked bars, with a scale on the left and as many labels below as there is room for. */
export function stackedColumns(
  title: string,
  series: readonly Series[],
  outlineName: string,
  bars: readonly StackedBar[],
  unit: string,
): string {
  const top = niceCeiling(Math.max(...bars.flatMap(({ parts, outline }) => [sum(parts), outline]), 0));
  const height = (value: number): string => `${((value / top) * 100).toFixed(2)}%`;
  const grid = [1, 0.5, 0].map((share) => `<b style="bottom:${share * 100}%"><span>${short(top * share)}</span></b>`);
  const every = { wide: Math.ceil(bars.length / 12), narrow: Math.ceil(bars.length / 5) };
  const columns = bars.map(({ label, parts, outline, text }, index) => {
    const stack = parts
      .map((value, part) =>
        value > 0 ? `<i class="${series[part]!.colour}" style="height:${height(value)}"></i>` : '',
      )
      .join('');
    const kinds = [index % every.wide === 0 ? '' : 'w', index % every.narrow === 0 ? '' : 'n'].join(' ').trim();
    return `<div class="col" title="${escapeHtml(`${label}: ${text}`)}"><u style="height:${height(outline)}"></u>${stack}<em class="${kinds}">${escapeHtml(label)}</em></div>`;
  });
  const legend = [
    ...series.map(({ name, colour }) => `<li><i class="${colour}"></i>${escapeHtml(name)}</li>`),
    `<li><u></u>${escapeHtml(outlineName)}</li>`,
  ];
  return `<figure><figcaption>${escapeHtml(title)} <small>${escapeHtml(unit)}</small></figcaption><div class="plot" role="img" aria-label="${escapeHtml(title)}"><div class="axis">${grid.join('')}</div><div class="cols">${columns.join('')}</div></div><ul class="legend">${legend.join('')}</ul></figure>`;
}

/** A few amounts as parts of one bar, and each by name below. */
export function partsBar(
  parts: readonly { readonly name: string; readonly text: string; readonly value: number }[],
): string {
  const all = sum(parts.map(({ value }) => value));
  const pieces = parts.map(
    ({ value }, index) => `<i class="c${index}" style="width:${((value / (all || 1)) * 100).toFixed(2)}%"></i>`,
  );
  const lines = parts.map(
    ({ name, text }, index) =>
      `<li><i class="c${index}"></i><span>${escapeHtml(name)}</span> <b>${escapeHtml(text)}</b></li>`,
  );
  return `<div class="bar">${pieces.join('')}</div><ul class="parts">${lines.join('')}</ul>`;
}

/** A line of how something went, as tall as a line of text. */
export function sparkline(values: readonly number[], title: string): string {
  const most = Math.max(...values, Number.MIN_VALUE);
  const step = 72 / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(1)},${(17 - (value / most) * 15).toFixed(1)}`);
  return `<svg class="spark" viewBox="0 0 72 18" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(title)}"><title>${escapeHtml(title)}</title><polyline points="${points.join(' ')}"/></svg>`;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The next round number whose half is round too, so that the scale reads well. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

function short(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en');
}
