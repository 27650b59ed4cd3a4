/**
 * What a record takes, with the tokenizer of the example.
 */
import { readFileSync } from 'node:fs'
import { run } from 'mitata'
import { benchOp } from 'tritune/bench'
import { openTokenizer, readFinetuneConfig } from 'tritune/plugins/finetune'
import { myDataset } from '../src/mod.ts'

const file = 'example/finetune.yaml'
const config = readFinetuneConfig(readFileSync(file, 'utf8'), file, { overrides: ['plugins=[]'] })
const tokenizer = openTokenizer(config.base_model, config)
const typeOptions = { prompt: 'Question: {question}\nAnswer: ' }
const context = { tokenizer, typeOptions, trainOnInputs: false, note() {} }
const value = { question: 'How many legs has a spider?', answer: 'Eight.' }
benchOp('my-dataset: a record', {
  open: () => () => myDataset.tokenize({ value, source: { file: 'questions.jsonl', line: 1 } }, context),
})
await run()
