/**
 * Small charts as inline SVG: no script, no font, no request, so that the page is one file and
 * prints.
 */

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Shown over the bar and in its tooltip. */
  readonly text: string;
  readonly colour?: string;
}

const WIDTH = 720;
const LEFT = 56;

/** Text that is safe inside HTML and its attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Upright bars, one for each label, with a scale on the left. Labels are thinned out where they
 * would overlap.
 */
export function columns(title: string, bars: readonly Bar[], unit: string): string {
  const height = 200;
  const values = bars.map(({ value }) => value);
  // Half an instance is no mark on a scale.
  const top = niceCeiling(Math.max(values.every(Number.isInteger) ? 2 : 0, ...values));
  const step = (WIDTH - LEFT) / Math.max(1, bars.length);
  const every = Math.ceil(56 / step);
  const y = (value: number) => height - (value / top) * height;
  const grid = [0, 0.5, 1].map((share) => {
    const at = (y(top * share) + 10).toFixed(1);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${at}" y2="${at}"/><text class="scale" x="${LEFT - 6}" y="${at}" dy="4">${short(top * share)}</text>`;
  });
  const drawn = bars.map(({ label, value, text, colour }, index) => {
    const x = LEFT + index * step + step * 0.1;
    const h = value > 0 ? Math.max(1, height - y(value)) : 0;
    const name =
      index % every === 0
        ? `<text class="label" x="${(x + step * 0.4).toFixed(1)}" y="${height + 26}">${escapeHtml(label)}</text>`
        : '';
    const style = colour ? ` style="fill:${colour}"` : '';
    return `<g><title>${escapeHtml(`${label}: ${text}`)}</title><rect class="bar"${style} x="${x.toFixed(1)}" y="${(height - h + 10).toFixed(1)}" width="${(step * 0.8).toFixed(1)}" height="${h.toFixed(1)}" rx="2"/>${name}</g>`;
  });
  return figure(
    title,
    `${unit}`,
    `<svg viewBox="0 0 ${WIDTH} ${height + 36}" role="img" aria-label="${escapeHtml(title)}">${grid.join('')}${drawn.join('')}</svg>`,
  );
}

/** Lying bars with their text beside them: for a few things to compare. */
export function rows(title: string, bars: readonly Bar[], unit: string): string {
  const top = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const drawn = bars.map(({ label, value, text, colour }) => {
    const width = `width:calc((100% - 8em) * ${(value / top).toFixed(4)})`;
    const style = `${width}${colour ? `;background:${colour}` : ''}`;
    return `<div class="row"><span>${escapeHtml(label)}</span><div><i style="${style}"></i>${escapeHtml(text)}</div></div>`;
  });
  return figure(title, unit, drawn.join(''));
}

function figure(title: string, unit: string, chart: string): string {
  return `<figure><figcaption>${escapeHtml(title)} <small>${escapeHtml(unit)}</small></figcaption>${chart}</figure>`;
}

/** The next round number whose half is round too, so that the scale reads well. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
