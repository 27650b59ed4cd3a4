/**
 * An example as text that shows what is trained, for `--dry-run`: trained tokens green and the rest grey, or, without
 * colours, trained tokens between « and ».
 */
import { styleText } from 'node:util'
import { IGNORE } from './types/dataset-type.ts'
import { documentsOf, type ExampleDocument } from './packing/documents.ts'
import type { TokenizedExample } from './types/dataset-type.ts'
import type { TokenizerLike } from '../../core/contracts/dataset.ts'

/** How `colourTokens()` marks what is trained: by colours of a terminal, or by «marks». */
export interface ColourOptions {
  /** Whether to colour; the caller knows where it is shown. */
  readonly colour: boolean
}

/**
 * An example as text that shows what is trained, its documents on lines of their own: green among grey with colours, «between marks» without. Masks are
 * seen before a run starts.
 *
 * @example
 * ```ts
 * import { colourTokens } from 'tritune/plugins/data'
 * import { finetuneConfig, openTokenizer } from 'tritune/plugins/finetune'
 *
 * const datasets = [{ path: 'my-data.jsonl' }]
 * const config = finetuneConfig.validate({ base_model: 'my-model', datasets, learning_rate: 1e-4 })
 * const tokenizer = openTokenizer('my-model', config)
 * const ids = Int32Array.from(tokenizer.encode('ab', { addSpecialTokens: false }))
 * const labels = ids.map((id, at) => (at === 0 ? -100 : id)) // the first token is not trained
 * console.log(colourTokens({ ids, labels, source: { file: 'here', line: 1 } }, tokenizer, { colour: false }))
 * ```
 */
export function colourTokens(
  example: TokenizedExample,
  tokenizer: TokenizerLike,
  options: ColourOptions,
): string {
  return documentsOf(example)
    .map((document) => colourDocument(document, tokenizer, options))
    .join('\n')
}

function colourDocument(
  { ids, labels }: ExampleDocument,
  tokenizer: TokenizerLike,
  { colour }: ColourOptions,
): string {
  let text = ''
  for (let start = 0; start < ids.length;) {
    const isTrained = labels[start] !== IGNORE
    let end = start + 1
    while (end < ids.length && (labels[end] !== IGNORE) === isTrained) end++
    // Decoding run by run keeps characters of several tokens together.
    const run = tokenizer.decode([...ids.subarray(start, end)])
    if (colour) text += styleText(isTrained ? 'green' : 'gray', run, { validateStream: false })
    else text += isTrained ? `«${run}»` : run
    start = end
  }
  return text
}
