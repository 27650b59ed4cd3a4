/**
 * `type: alpaca`: {instruction, input?, output} under the prompts of Stanford Alpaca
 * (https://github.com/tatsu-lab/stanford_alpaca), as axolotl renders them.
 */
import { optionalTextField, textField } from './dataset-type.ts'
import type { DatasetType } from './dataset-type.ts'
import { tokenizePromptResponse } from './prompt-response.ts'

/**
 * The dataset type `alpaca`: records `{ instruction, input?, output }` under the prompts of Stanford Alpaca; the
 * output and an EOS are trained.
 */
export const alpaca: DatasetType = {
  name: 'alpaca',
  tokenize(record, context) {
    const prompt = alpacaPrompt(textField(record, 'instruction'), optionalTextField(record, 'input'))
    return tokenizePromptResponse(prompt, textField(record, 'output'), record.source, context)
  },
}

/**
 * Everything up to and including `### Response:\n`; an empty input leaves its section out.
 *
 * @example
 * ```ts
 * import { alpacaPrompt } from 'tritune/plugins/data'
 *
 * console.log(alpacaPrompt('Name a whale.').includes('### Instruction:\nName a whale.')) // → true
 * ```
 */
export function alpacaPrompt(instruction: string, input = ''): string {
  if (input === '') {
    return (
      'Below is an instruction that describes a task. Write a response that appropriately completes the request.' +
      `\n\n### Instruction:\n${instruction}\n\n### Response:\n`
    )
  }
  return (
    'Below is an instruction that describes a task, paired with an input that provides further context. ' +
    'Write a response that appropriately completes the request.' +
    `\n\n### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`
  )
}
