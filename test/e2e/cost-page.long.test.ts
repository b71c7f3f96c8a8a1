import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { dayOf, Ledger } from '../../src/billing/ledger';
import { describeWithChromium, openInChromium } from '../support/chromium';
import { gitlabSpot } from '../support/cli';
import { ledgerEntry } from '../support/ledger-entry';

const HOSTILE = `</td></table><script>document.title='taken'</script><img src=x onerror="document.title='taken'">`;
const DAYS = 30;
/** Narrower the browser makes no window. */
const NARROW = 500;
const DAY_MS = 86_400_000;

interface Figure {
  readonly caption: string;
  readonly width: number;
  readonly height: number;
  readonly bars: number;
}

interface Layout {
  readonly figures: readonly Figure[];
  /** The table's first row, by cost and then by the cost of a run. */
  readonly dearest: string;
  readonly dearestRun: string;
  /** After the second tab was chosen. */
  readonly shown: readonly string[];
  readonly window: number;
  readonly page: number;
  readonly paper: string;
  readonly ink: string;
}

/** Written into a copy of the page, which may then run it: how large everything came out. */
const measure = `<script>
const bars = (figure) => [...figure.querySelectorAll('.col > i')].filter((bar) => bar.getBoundingClientRect().height > 0 && bar.getBoundingClientRect().width > 0).length;
const figures = [...document.querySelectorAll('figure')].map((figure) => {
  const { width, height } = figure.getBoundingClientRect();
  return { caption: figure.querySelector('figcaption').textContent, width, height, bars: bars(figure) };
});
const first = () => [...document.querySelectorAll('.p0 .r:not(.head)')].sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0].querySelector('.name').textContent;
const dearest = first();
document.querySelector('.p0 label.k2').click();
const dearestRun = first();
document.querySelector('label.l1').click();
const shown = [...document.querySelectorAll('.panel')].filter((panel) => panel.getBoundingClientRect().height > 0).map((panel) => panel.className);
const { backgroundColor: paper, color: ink } = getComputedStyle(document.body);
const layout = { figures, dearest, dearestRun, shown, window: innerWidth, page: document.documentElement.scrollWidth, paper, ink };
document.title = 'layout ' + encodeURIComponent(JSON.stringify(layout));
</script>`;

describeWithChromium('the cost page in a browser', () => {
  let directory: string;
  let page: string;
  beforeAll(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'cost-page-'));
    const ledger = new Ledger(path.join(directory, 'ledger'));
    for (let back = 0; back < DAYS; back++) {
      const day = dayOf(new Date(Date.now() - back * DAY_MS));
      const at = { from: `${day}T10:00:00.000Z`, stack: `job-${back}`, instanceId: `i-${back}` };
      await ledger.put(ledgerEntry({ ...at, interrupted: back % 3 === 0 }));
    }
    await ledger.put(
      ledgerEntry({
        from: `${dayOf(new Date())}T11:00:00.000Z`,
        project: HOSTILE,
        jobName: HOSTILE,
        stack: 'hostile',
        yuan: 0.3,
      }),
    );
    page = path.join(directory, 'cost.html');
    const from = dayOf(new Date(Date.now() - (DAYS - 1) * DAY_MS));
    const args = ['cost', '--from', from, '--to', dayOf(new Date()), '--html', page];
    const made = await gitlabSpot(args, {
      PATH: process.env.PATH,
      GITLAB_SPOT_STATE_DIR: directory,
      GITLAB_SPOT_ENV_FILE: '',
    });
    expect(made).toEqual({ exitCode: 0, stdout: `${page}\n`, stderr: '' });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function layout(options: { width: number; dark?: boolean }): Promise<Layout> {
    const copy = path.join(directory, 'measured.html');
    const measured = readFileSync(page, 'utf8')
      .replace(/<meta http-equiv[^>]*>/, '')
      .replace('</body>', `${measure}</body>`);
    writeFileSync(copy, measured);
    const { dom } = await openInChromium(copy, options);
    return JSON.parse(decodeURIComponent(/<title>layout ([^<]*)</.exec(dom)![1]!)) as Layout;
  }

  test('opens without a complaint, and what jobs are called does nothing', async () => {
    const { dom, console } = await openInChromium(page, { width: 1100 });
    expect(console).toEqual([]);
    expect(dom).toMatch(/<title>gitlab-spot: cost /);
    expect(dom).not.toMatch(/<script|<img/);
    expect(dom.match(/&lt;script&gt;/g)!.length).toBeGreaterThanOrEqual(2);
  });

  test('may load nothing from anywhere: the browser itself would refuse', async () => {
    const broken = path.join(directory, 'broken.html');
    writeFileSync(
      broken,
      readFileSync(page, 'utf8').replace('</body>', '<img src="http://127.0.0.1:9/x"><script>0</script></body>'),
    );
    const { console } = await openInChromium(broken, { width: 1100 });
    expect(console).toHaveLength(2);
    expect(console.join()).toMatch(/Content Security Policy/);
  });

  test.each([
    ['wide', 1100],
    ['narrow', NARROW],
  ])('shows its charts in a %s window, and nothing sticks out', async (_title, width) => {
    const { figures, window, page: pageWidth } = await layout({ width });
    expect(figures.map(({ caption }) => caption)).toEqual(['Spend a day yuan']);
    // One for each day, and one for the other project.
    expect(figures.map(({ bars }) => bars)).toEqual([DAYS + 1]);
    for (const { height, width: figureWidth } of figures) {
      expect(height).toBeGreaterThan(80);
      expect(figureWidth).toBeGreaterThan(width / 2);
    }
    expect(pageWidth).toBeLessThanOrEqual(window);
  });

  test('sorts its tables and turns to another one, without a script of its own', async () => {
    const { dearest, dearestRun, shown } = await layout({ width: 1100 });
    expect(dearest).toBe('team/app');
    expect(dearestRun).toBe(HOSTILE);
    expect(shown).toEqual(['panel p1']);
  });

  test('is light on dark where the reader likes it so', async () => {
    const brightness = (colour: string) =>
      colour
        .match(/\d+/g)!
        .slice(0, 3)
        .reduce((sum, part) => sum + Number(part), 0);
    const [light, dark] = [await layout({ width: 1100 }), await layout({ width: 1100, dark: true })];
    expect(brightness(light.paper)).toBeGreaterThan(brightness(light.ink) + 400);
    expect(brightness(dark.ink)).toBeGreaterThan(brightness(dark.paper) + 400);
  });
});
