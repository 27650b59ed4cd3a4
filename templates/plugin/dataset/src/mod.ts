/**
 * my-dataset: records of a question and its answer, of which the answer is learned.
 *
 *   {"question": "How many legs has a spider?", "answer": "Eight."}
 */
import {
  type DatasetContext,
  type DatasetDefinition,
  defineOptions,
  definePlugin,
  optional,
  type Plugin,
  text,
  TrituneError,
} from 'tritune/core'

export interface MyDatasetOptions {
  /** `{question}` is replaced. */
  readonly prompt: string
}

/** The label of a token that is not learned. */
const MASKED = -100

export const myDataset: DatasetDefinition<DatasetContext<MyDatasetOptions>> = {
  name: 'my-dataset',
  options: defineOptions<MyDatasetOptions>({ prompt: optional(text(), 'Question: {question}\nAnswer: ') }),
  tokenize({ value: { question, answer }, source }, { tokenizer, typeOptions }) {
    if (typeof question !== 'string' || typeof answer !== 'string')
      throw new TrituneError('E_DATA', 'a record has the texts "question" and "answer"', {
        place: `${source.file}:${source.line}`,
      })
    const prompt = typeOptions.prompt.replace('{question}', () => question)
    const before = tokenizer.encode(prompt, { addSpecialTokens: true })
    const learned = tokenizer.encode(answer, { addSpecialTokens: false })
    const end = tokenizer.eosId === null ? [] : [tokenizer.eosId]
    const ids = Int32Array.from([...before, ...learned, ...end])
    const labels = ids.map((id, i) => (i < before.length ? MASKED : id))
    return { ids, labels, source }
  },
}

export const plugin: Plugin = definePlugin({
  name: 'my-dataset',
  provides: { dataset: { 'my-dataset': myDataset } },
})
