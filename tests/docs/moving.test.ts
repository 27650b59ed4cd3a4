import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FOREIGN_TOOLS } from '../../plugins/finetune/config/foreign-keys.ts'
import { finetuneSchema } from '../../plugins/finetune/config/finetune-schema.ts'

const GUIDES = join(import.meta.dir, '../../docs/guides')
const KEYS = new Set(Object.keys(Object(Reflect.get(finetuneSchema, 'entries'))))

/** The cells of the last table of a guide, without backticks. */
function rowsOf(guide: string): string[][] {
  const text = readFileSync(join(GUIDES, guide), 'utf8')
  return [...text.matchAll(/^\| (.+) \|$/gm)].map(([, row]) => row.replaceAll('`', '').split(' | ')).slice(1)
}

describe('moving from another tool', () => {
  test.each(['mlx-lm', 'unsloth'])('%s: the guide says what the error message says', (name) => {
    const tool = FOREIGN_TOOLS.find((other) => other.name === name)
    expect(Object.fromEntries(rowsOf(`moving-from-${name}.md`))).toEqual({ ...tool?.keys, ...tool?.differs })
  })

  test('PEFT: the keys are keys of the file, the options those of attachLora', () => {
    const lora = readFileSync(join(import.meta.dir, '../../plugins/peft/attach/attach-lora.ts'), 'utf8')
    const targets = ['attach/targets', 'methods/lora', 'lora/lora-options', 'attach/attach']
      .map((file) => readFileSync(join(import.meta.dir, `../../plugins/peft/${file}.ts`), 'utf8'))
      .join('')
    const rows = rowsOf('moving-from-peft.md')
    expect(rows.length).toBeGreaterThan(8)
    for (const [, key, option] of rows) {
      expect([key, KEYS.has(key.split(',')[0])]).toEqual([key, true])
      if (option !== '–')
        expect([option, `${lora}${targets}`.match(new RegExp(`readonly ${option}\\??:`)) !== null]).toEqual([
          option,
          true,
        ])
    }
  })

  test('the keys that save memory are keys of the file', () => {
    const rows = rowsOf('memory-of-a-run.md')
    expect(rows.length).toBeGreaterThan(5)
    for (const [key] of rows) expect([key, KEYS.has(key)]).toEqual([key, true])
  })
})
