/**
 * The built-in dataset types keep the contract of dataset types.
 */
import { describe, test } from 'bun:test'
import { safeParse } from 'valibot'
import {
  alpaca,
  alpacaPrompt,
  completion,
  datasetOptions,
  inputOutput,
  tokenized,
} from '../../plugins/data/mod.ts'
import { type ContractCheck, datasetContract } from '../../testing/mod.ts'

const parsed = safeParse(datasetOptions, { path: 'rows.jsonl', type: 'alpaca' })
if (!parsed.success) throw new Error('the options of a dataset entry have other defaults than this test')
const context = { options: parsed.output, eotTokens: null }

const SUITES: Readonly<Record<string, readonly ContractCheck[]>> = {
  alpaca: datasetContract(alpaca, {
    context,
    rows: [
      {
        row: { instruction: 'Add.', input: '1 1', output: '2' },
        text: `<s>${alpacaPrompt('Add.', '1 1')}2</s>`,
        trained: ['2</s>'],
      },
      { row: { instruction: 'Stop.', output: '' }, text: `<s>${alpacaPrompt('Stop.')}`, trained: [] },
    ],
    wrongRows: [{ row: { instruction: 'Add.' }, says: '"output"' }, { row: { instruction: 1, output: '' } }],
  }),
  'alpaca with train_on_inputs': datasetContract(alpaca, {
    context,
    trainOnInputs: true,
    rows: [
      {
        row: { instruction: 'Add.', output: '2' },
        text: `<s>${alpacaPrompt('Add.')}2</s>`,
        trained: [`<s>${alpacaPrompt('Add.')}2</s>`],
      },
    ],
  }),
  completion: datasetContract(completion, {
    context,
    rows: [{ row: { text: 'grüß Gott' }, text: '<s>grüß Gott</s>', trained: ['<s>grüß Gott</s>'] }],
    wrongRows: [{ row: { txt: 'x' }, says: '"text"' }],
  }),
  input_output: datasetContract(inputOutput, {
    context,
    rows: [
      {
        row: {
          segments: [
            { label: false, text: 'a b ' },
            { label: true, text: 'c' },
            { label: false, text: ' d ' },
            { label: true, text: 'e' },
          ],
        },
        text: 'a b c d e',
        trained: ['c', 'e'],
      },
    ],
    wrongRows: [{ row: { segments: 'x' } }],
  }),
  tokenized: datasetContract(tokenized, {
    context,
    rows: [
      { row: { input_ids: [256, 72, 105] }, text: '<s>Hi', trained: ['<s>Hi'] },
      { row: { input_ids: [256, 72, 105], labels: [-100, -100, 105] }, text: '<s>Hi', trained: ['i'] },
    ],
    wrongRows: [{ row: { input_ids: [1.5] } }, { row: { input_ids: [1], labels: [] } }],
  }),
}

describe.each(Object.entries(SUITES))('%s', (_name, checks) => {
  for (const { name, run } of checks) test(name, run)
})
