// How the status page looks: no file, no font and no picture from anywhere, readable on a phone, in the light and the
// dark of the reader's own system. Contrast of every text is above 4.5:1 in both.
import { createHash } from 'node:crypto';
import type { Html } from './html.ts';

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #4a5361; --paper: #fbfbf9; --line: #d3d7dd; --band: #eef0f3;
  --link: #0b57a4; --good: #17633a; --bad: #a5231b; --bar: #5b8cc4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #b1b9c4; --paper: #14171b; --line: #3a414b;
  --band: #20252b; --link: #8fc1ff; --good: #7fd6a2; --bad: #ff9d94; --bar: #5f93cf; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0; }
a { color: var(--link); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.soft, caption { color: var(--soft); font-size: .9rem; }
.state { font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: .75rem 0 0; padding: 0; }
nav a { display: inline-block; padding: .25rem 0; }
dl.facts { display: grid; grid-template-columns: 13rem minmax(0, 1fr); gap: .15rem 1rem; margin: .75rem 0; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; }
.day { white-space: nowrap; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 2rem; }
@media (min-width: 52rem) { .pair { grid-template-columns: 3fr 2fr; } }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .25rem 0; }
th, td { padding: .3rem .5rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { background: var(--band); font-size: .9rem; }
tbody th { font-weight: 400; }
.number { text-align: right; }
.flow tbody th, .flow td { white-space: nowrap; }
.flow .total th, .flow .total td { font-weight: 600; }
.bar { width: 7rem; }
.bar svg { display: block; width: 100%; min-width: 4rem; height: 1.1rem; margin-top: .2rem; }
.bar rect { fill: var(--bar); }
.codes dt { margin-top: 1rem; font-weight: 600; scroll-margin-top: 1rem; }
.codes dt:target { background: var(--band); outline: 2px solid var(--link); }
.codes dd { margin: .15rem 0 0; }
dt code { font-weight: 600; }
code { font: .95em ui-monospace, monospace; }
@media (max-width: 40rem) { body { padding: .75rem; } th, td { padding: .3rem .25rem; } .bar { display: none; }
  table { font-size: .9rem; }
  dl.facts { grid-template-columns: 8.5rem minmax(0, 1fr); } thead th { font-size: .75rem; }
  .wide { display: none; } }
`;

/** Byte for byte what the policy allows. */
export const styleElement: Html = { markup: `<style>${style}</style>` };

const styleHash = createHash('sha256').update(style).digest('base64');

/** This one style, and nothing else from anywhere: no script, no picture, no form, no frame around it. */
export const statusPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
