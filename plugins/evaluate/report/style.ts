/** The style of the report: light and dark, narrow and wide, on paper too. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --ink: #1f2937; --soft: #6b7280; --rule: #d1d5db; --page: #ffffff; --c0: #1d4ed8; --c1: #c2410c; --c2: #15803d; --c3: #7e22ce; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e7eb; --soft: #9ca3af; --rule: #374151; --page: #111827; --c0: #60a5fa; --c1: #fb923c; --c2: #4ade80; --c3: #c084fc; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
.soft, figcaption { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid var(--rule); }
td.number, th.number { text-align: right; white-space: nowrap; }
pre { white-space: pre-wrap; border: 1px solid var(--rule); border-radius: 6px; padding: 0.75rem; font: 14px/1.6 ui-monospace, monospace; }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } .grid { stroke: var(--rule); stroke-width: 1; }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.curve.c0 { stroke: var(--c0); } .curve.c1 { stroke: var(--c1); } .curve.c2 { stroke: var(--c2); } .curve.c3 { stroke: var(--c3); }
.dot.c0, .dot.c1, .dot.c2, .dot.c3 { fill: var(--c1); }
.key::before { content: '— '; font-weight: bold; } .key.c0 { color: var(--c0); } .key.c1 { color: var(--c1); } .key.c2 { color: var(--c2); } .key.c3 { color: var(--c3); }
.better { color: var(--c2); } .worse { color: var(--c1); }
summary { cursor: pointer; }
`
