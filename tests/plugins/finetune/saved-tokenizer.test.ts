/**
 * Beside the trained weights lie the tokenizer and the chat template that they were trained with.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHATML } from '../../../plugins/data/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { type Changes, workspace } from './_run.ts'

const CHAT: Changes = { max_steps: 2, save_strategy: undefined, save_steps: 1, num_epochs: 1 }

function json(...path: readonly string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(join(...path), 'utf8'))
}

describe.each([{ adapter: 'lora' }, { adapter: 'none' }])('adapter: $adapter', ({ adapter }) => {
  test('the template of the run is saved, in the final folder and in checkpoints', async () => {
    using space = workspace()
    const { outputDir } = await space.train({ ...CHAT, adapter, chat_template: 'chatml' })
    for (const folder of [outputDir, join(outputDir, 'checkpoint-1')]) {
      expect(readFileSync(join(folder, 'chat_template.jinja'), 'utf8')).toBe(CHATML)
      expect(json(folder, 'tokenizer_config.json')['chat_template']).toBe(CHATML)
      const text = loadTokenizer(folder).renderChat([{ role: 'user', content: '1' }], {
        addGenerationPrompt: true,
      })
      expect(text).toBe('<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n')
    }
  })

  test('without a template of the run the files are those of the base model', async () => {
    using space = workspace()
    const { outputDir } = await space.train({ ...CHAT, adapter })
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      expect(json(outputDir, name)).toEqual(json(space.path, 'model', name))
    const template = (folder: string): string => readFileSync(join(folder, 'chat_template.jinja'), 'utf8')
    expect(template(outputDir)).toBe(template(join(space.path, 'model')))
  })

  test('special tokens of the run are saved', async () => {
    using space = workspace()
    writeFileSync(join(space.path, 'model/special_tokens_map.json'), '{"eos_token": "<other>"}')
    const config = json(space.path, 'model', 'tokenizer_config.json')
    const eos = String(config['eos_token'])
    const { outputDir } = await space.train({ ...CHAT, adapter, special_tokens: { pad_token: eos } })
    expect(json(outputDir, 'tokenizer_config.json')['pad_token']).toBe(eos)
    expect(json(outputDir, 'special_tokens_map.json')).toEqual({ eos_token: '<other>', pad_token: eos })
  })
})
