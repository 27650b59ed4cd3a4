/**
 * Texts that go on from prompts until one of some texts comes: `generate_until` of lm-evaluation-harness. Greedy, many at once.
 */
import { leadLength, type Model, TrituneError } from '../../../core/mod.ts'
import { openBatchEngine } from '../../generate/mod.ts'
import type { Tokenizer } from '../../tokenizer/mod.ts'
import type { WritingOptions } from '../tasks/task.ts'
import { encodeText } from './encode-pair.ts'

export interface WriteUntilOptions extends WritingOptions {
  /** Texts that grow at once; default: 16. */
  readonly rowsAtOnce?: number
  /** Positions of one text, prompt included; default: the context of the model. */
  readonly maxLength?: number
  readonly onDone?: (done: number) => void
}

/** The texts, in the order of the prompts. A prompt that is too long loses its beginning. E_SHAPE where the new tokens alone fill the context. */
export function writeUntil(
  model: Model,
  tokenizer: Tokenizer,
  prompts: readonly string[],
  { until, maxNewTokens, rowsAtOnce = 16, maxLength = Infinity, onDone }: WriteUntilOptions,
): string[] {
  const context = Math.min(maxLength, model.info.contextLength - leadLength(model))
  const room = context - maxNewTokens
  if (room < 1)
    throw new TrituneError(
      'E_SHAPE',
      `${maxNewTokens} new tokens leave no room for a prompt: the model knows ${context}`,
      {
        remedy: `set max_gen_toks below ${context}`,
      },
    )
  const inputs = prompts.map((prompt) => encodeText(tokenizer, prompt).slice(-room))
  const texts = prompts.map(() => '')
  if (prompts.length === 0) return texts
  const longest = inputs.reduce((most, { length }) => Math.max(most, length), 1)
  using engine = openBatchEngine(model, {
    rows: Math.min(rowsAtOnce, prompts.length),
    tokens: longest + maxNewTokens,
  })
  const decoders = new Map<number, ReturnType<Tokenizer['createDecodeStream']>>()
  let done = 0
  for (let added = 0; added < inputs.length || engine.open > 0;) {
    for (; added < inputs.length && engine.free > 0; added++)
      // Texts are numbered as they are added: in the order of the prompts.
      decoders.set(
        engine.add({ prompt: inputs[added], maxNewTokens, stopIds: tokenizer.eosIds }),
        tokenizer.createDecodeStream({ skipSpecialTokens: true }),
      )
    for (const { text, id, end } of engine.step()) {
      const decoder = decoders.get(text)
      if (!decoder) continue
      if (id !== null) texts[text] += decoder.push(id)
      const isFound = until.some((stop) => stop !== '' && texts[text].includes(stop))
      if (isFound && end === null) engine.cancel(text)
      if (!isFound && end === null) continue
      texts[text] = before(texts[text] + (isFound ? '' : decoder.end()), until)
      decoders.delete(text)
      onDone?.(++done)
    }
  }
  return texts
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function before(text: string, until: readonly string[]): string {
  return until.reduce((left, stop) => (stop === '' ? left : left.split(stop)[0]), text)
}
