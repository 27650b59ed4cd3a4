/**
 * What a record takes.
 */
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { loadTokenizer } from 'tritune/plugins/tokenizer'
import { myDataset } from '../src/mod.ts'

const tokenizer = loadTokenizer('node_modules/tritune/quickstart/model')
const typeOptions = { prompt: 'Question: {question}\nAnswer: ' }
const context = {
  tokenizer: { ...tokenizer, id: 'quickstart' },
  typeOptions,
  trainOnInputs: false,
  note() {},
}
const value = { question: 'How many legs has a spider?', answer: 'Eight.' }
benchOp('my-dataset: a record', {
  open: () => () => myDataset.tokenize({ value, source: { file: 'questions.jsonl', line: 1 } }, context),
})
await run()
