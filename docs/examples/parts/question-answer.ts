/**
 * A dataset type: `{ "q": …, "a": … }`, of which the answer is trained.
 */
import {
  type DatasetContext,
  type DatasetDefinition,
  defineOptions,
  definePlugin,
  type Plugin,
  optional,
  text,
  TrituneError,
} from 'tritune/core'

interface Options {
  readonly prompt: string
}

const questionAnswer: DatasetDefinition<DatasetContext<Options>> = {
  name: 'question-answer',
  options: defineOptions<Options>({ prompt: optional(text(), 'Q: {q}\nA: ') }),
  tokenize({ value: { q, a }, source }, { tokenizer, typeOptions }) {
    if (typeof q !== 'string' || typeof a !== 'string')
      throw new TrituneError('E_DATA', 'a record has the texts "q" and "a"', { place: `${source.file}:${source.line}` })
    const prompt = tokenizer.encode(typeOptions.prompt.replace('{q}', q), { addSpecialTokens: true })
    const answer = tokenizer.encode(a, { addSpecialTokens: false })
    const ids = Int32Array.from([...prompt, ...answer, ...(tokenizer.eosId === null ? [] : [tokenizer.eosId])])
    const labels = ids.map((id, i) => (i < prompt.length ? -100 : id))
    return { ids, labels, source }
  },
}

export const plugin: Plugin = definePlugin({
  name: 'question-answer',
  provides: { dataset: { 'question-answer': questionAnswer } },
})
