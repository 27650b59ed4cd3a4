/** Examples for a terminal: trained tokens green, the others grey, special ones in reverse; without colours between « and » and in ⟦ ⟧. */
import { styleText } from 'node:util'
import type { PreviewExample, PreviewToken } from '../../plugins/finetune/mod.ts'
import { visible } from './visible.ts'

export function previewText({ file, line, tokens, count, trained }: PreviewExample, colour: boolean): string {
  const text = colour ? coloured(tokens) : marked(tokens)
  return `${file}:${line}  ${count} tokens, ${trained} of them trained\n${text}\n`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function coloured(tokens: readonly PreviewToken[]): string {
  return tokens
    .map(({ text, trained, special }) => {
      const colour = trained ? 'green' : 'gray'
      return styleText(special ? ['inverse', colour] : colour, visible(text), { validateStream: false })
    })
    .join('')
}

function marked(tokens: readonly PreviewToken[]): string {
  let [out, inside] = ['', false]
  for (const { text, trained, special } of tokens) {
    if (trained !== inside) out += trained ? '«' : '»'
    inside = trained
    out += special ? `⟦${visible(text)}⟧` : visible(text)
  }
  return inside ? `${out}»` : out
}
