const series = (colours: readonly string[]): string =>
  colours.map((colour, index) => `--c${index}:${colour}`).join(';');
const places = [0, 1, 2, 3, 4, 5, 6];
const colours = places.slice(0, 6).map((index) => `.c${index}{background:var(--c${index})}`);
const tabs = places.map(
  (index) =>
    `.t${index}:checked~.p${index}{display:block}.t${index}:checked~nav .l${index}{color:var(--ink);border-color:var(--accent)}.t${index}:focus-visible~nav .l${index}{outline:2px solid var(--accent)}`,
);
const sorts = places
  .slice(0, 5)
  .map(
    (index) =>
      `.s${index}:checked~.table .r{order:var(--o${index})}.s${index}:checked~.table .k${index}{color:var(--ink)}.s${index}:checked~.table .k${index}::after{content:" ↓"}.s${index}:focus-visible~.table .k${index}{outline:2px solid var(--accent)}`,
  );

/** The page's look: light and dark, wide and narrow, and on paper. */
export const style = `
:root{color-scheme:light dark;--ink:#17202e;--soft:#5c6878;--line:#dfe4ec;--paper:#fff;--card:#f5f7fa;--accent:#2563c9;--good:#1d7f50;--bad:#b3401f;${series(['#2f6fdb', '#17a08c', '#e0a030', '#9a63d6', '#d45a7a', '#97a3b4'])}}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf3;--soft:#9aa6b6;--line:#2f3a49;--paper:#11161d;--card:#1a212b;--accent:#7aa8ff;--good:#57c792;--bad:#ff9472;${series(['#6ea1ff', '#3fc4b0', '#ebb85c', '#b98af0', '#ee84a1', '#748194'])}}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif;color:var(--ink);background:var(--paper);max-width:980px;margin:0 auto;padding:2rem 1rem 3rem;-webkit-text-size-adjust:100%}
h1{font-size:1.55rem;line-height:1.2;margin:0}h2{font-size:1.05rem;margin:2.4rem 0 .6rem}p{margin:.2rem 0}a{color:inherit;text-decoration-color:var(--accent);text-underline-offset:.15em}
small,.soft{color:var(--soft);font-weight:400;font-size:.87em}
.top{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem;margin:1.4rem 0 .8rem}
.top>div{background:var(--card);border-radius:10px;padding:.9rem 1.1rem 1rem}.top b{display:block;font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}.top span{color:var(--soft);display:block}
.good{color:var(--good)!important}.bad{color:var(--bad)!important}
.meter{position:relative;height:8px;border-radius:4px;background:var(--line);margin:.55rem 0 .35rem;overflow:hidden}.meter i{position:absolute;inset:0 auto 0 0;background:var(--c0)}.meter .to{opacity:.35}.over .meter i{background:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.6rem,1fr));gap:.2rem 1.2rem;margin:0;padding:.3rem .2rem}
.facts div{padding:.35rem 0}.facts dt{color:var(--soft);font-size:.87em}.facts dd{margin:0;font-weight:600}.facts dd small{display:block}
figure{margin:2.2rem 0 0}figcaption{font-weight:600;margin-bottom:.8rem}
.plot{position:relative;padding:0 0 1.6rem 2.6rem}.plot .axis{position:absolute;inset:0 0 1.6rem 0}.axis b{position:absolute;left:2.6rem;right:0;border-top:1px solid var(--line);font-weight:400}.axis span{position:absolute;right:100%;transform:translateY(-50%);padding-right:.5rem;color:var(--soft);font-size:.8rem;font-variant-numeric:tabular-nums}
.cols{position:relative;display:flex;height:13rem;gap:min(4px,.4%)}.col{position:relative;flex:1 1 0;min-width:0;max-width:3.2rem;display:flex;flex-direction:column-reverse}
.col>i{min-height:1px;margin:0 8%;flex:none;z-index:1}.col:hover>i{filter:brightness(1.12)}.col>u,.legend u{border:1.5px solid var(--soft);border-bottom:0;border-radius:3px 3px 0 0;opacity:.6}.col>u{position:absolute;left:0;right:0;bottom:0}
.col em{position:absolute;top:100%;left:50%;transform:translateX(-50%);padding-top:.3rem;font-style:normal;font-size:.8rem;color:var(--soft);white-space:nowrap}.col em.w,.col em.n.w{visibility:hidden}
.legend,.parts{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.4rem 0 0;padding:0;font-size:.87em;color:var(--soft)}.legend li,.parts li{display:flex;align-items:center;gap:.4rem;overflow-wrap:anywhere}.legend i,.legend u,.parts i{flex:none;width:.75rem;height:.75rem;border-radius:2px}
${colours.join('')}
.bar{display:flex;height:1.5rem;border-radius:5px;overflow:hidden;background:var(--line)}.parts{font-size:1em;margin-top:.7rem}.parts b{color:var(--ink)}
.tabs>input,.panel>input{position:absolute;opacity:0;pointer-events:none}.tabs nav{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;border-bottom:1px solid var(--line);margin-bottom:.3rem}.tabs nav label{padding:.3rem 0;margin-bottom:-1px;border-bottom:2px solid transparent;color:var(--soft);cursor:pointer;font-weight:600}
.panel{display:none}${tabs.join('')}
.table{display:flex;flex-direction:column}.r{display:grid;grid-template-columns:minmax(9rem,2fr) minmax(6rem,1fr) 7.8rem 4rem 5rem 3.6rem minmax(7.4rem,1fr) 4.5rem;gap:0 .8rem;align-items:center;padding:.4rem 0;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
.r>span,.head label{text-align:right}.r .name{text-align:left;overflow-wrap:anywhere}.r small{display:block;line-height:1.2}.r>[data-is=cost],.r>[data-is="a run"]{white-space:nowrap}.head{order:-1!important;color:var(--soft);font-size:.87em}.head .name{text-transform:capitalize}.head label{cursor:pointer}.head span:last-child{text-align:right}
.share{display:flex;align-items:center;gap:.5rem;background:none}.share i{height:.7rem;border-radius:2px;background:var(--c0);min-width:2px;flex:none;max-width:calc(100% - 3.1rem)}.share b{font-weight:400;color:var(--soft);font-size:.87em;white-space:nowrap}.head span:nth-child(2){text-align:left}
.spark{width:4.5rem;height:1.15rem;display:inline-block;vertical-align:middle}.spark polyline{fill:none;stroke:var(--c0);stroke-width:1.5;vector-effect:non-scaling-stroke}
${sorts.join('')}
.others{color:var(--soft);margin:.5rem 0 0}
.advice{margin:0;padding:0;list-style:none}.advice li{display:grid;grid-template-columns:1fr auto;gap:0 1rem;padding:.5rem 0;border-bottom:1px solid var(--line)}.advice li>*{overflow-wrap:anywhere}.advice b{white-space:nowrap}.advice small{grid-column:1/-1}
footer{margin-top:2.6rem;padding-top:.8rem;border-top:1px solid var(--line);color:var(--soft);font-size:.87em}
@media(max-width:640px){.col em.w{visibility:visible}.col em.n{visibility:hidden}.top b{font-size:1.5rem}.plot{padding-left:2.2rem}.axis b{left:2.2rem}
.r{grid-template-columns:repeat(3,1fr);gap:.1rem .8rem;padding:.7rem 0}.r .name{grid-column:1/-1;font-weight:600}.r .share{grid-column:1/3}.r .trend{grid-column:3;grid-row:2;text-align:right}.r>span[data-is]:not(.share):not(.trend){text-align:left}.r>span[data-is]:not(.share):not(.trend)::before{content:attr(data-is);display:block;color:var(--soft);font-size:.8em;line-height:1.2}.r>span[data-is=waste]{grid-column:2/-1}
.head{display:flex;flex-wrap:wrap;gap:.2rem 1rem}.head span{display:none}.head::before{content:"sort by"}.parts{flex-direction:column}.parts b{margin-left:auto}}
@media print{.panel{display:block}.tabs nav,.head::before{display:none}body{max-width:none}.top>div{border:1px solid var(--line)}}`;
