/** Examples as one HTML page that needs nothing else: a token shows its ids where one points at it. */
import type { Preview, PreviewExample, PreviewToken } from '../../plugins/finetune/mod.ts'
import { visible } from './visible.ts'

const STYLE = `
:root { color-scheme: light dark; --trained: #0a7d32; --masked: #6b7280; --rule: #d1d5db; }
@media (prefers-color-scheme: dark) { :root { --trained: #4ade80; --masked: #9ca3af; --rule: #4b5563; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--rule); border-radius: 6px; padding: 1rem; font: 14px/1.7 ui-monospace, monospace; }
span { color: var(--masked); }
span.trained { color: var(--trained); background: color-mix(in srgb, var(--trained) 12%, transparent); }
span.special { border: 1px solid currentColor; border-radius: 4px; padding: 0 2px; }
span:hover { outline: 1px solid currentColor; }
h2 { font-size: 1rem; margin-top: 2rem; }
`

export function previewPage({ examples, report }: Preview, title: string): string {
  const { train, validation } = report
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p>${train.examples} examples of ${train.tokens} tokens, ${validation.examples} kept for validation.
Below: <span class="trained">trained</span>, <span>not trained</span>, <span class="special">special</span>.</p>
${examples.map(section).join('\n')}
</body>
</html>
`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function section({ file, line, tokens, count, trained }: PreviewExample): string {
  return `<h2>${escaped(`${file}:${line}`)}: ${count} tokens, ${trained} of them trained</h2>
<pre>${tokens.map(spanOf).join('')}</pre>`
}

function spanOf({ text, ids, trained, special }: PreviewToken): string {
  const classes = [...(trained ? ['trained'] : []), ...(special ? ['special'] : [])].join(' ')
  const kind = `${trained ? 'trained' : 'not trained'}${special ? ', special' : ''}`
  return `<span${classes === '' ? '' : ` class="${classes}"`} title="${ids.join(' ')}: ${kind}">${escaped(visible(text))}</span>`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}
