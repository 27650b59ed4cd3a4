/** Chat templates by name: their text is that of axolotl's, for random conversations (tests/oracle/chat_template_names.py). */
import { describe, expect, setSystemTime, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CHAT_TEMPLATE_NAMES, chatTemplateNamed } from '../../../plugins/data/mod.ts'
import { compileTemplate } from '../../../plugins/jinja/mod.ts'

interface Golden {
  readonly conversations: readonly Readonly<Record<string, unknown>>[]
  readonly texts: Readonly<Record<string, Readonly<Record<string, string | null>>>>
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../golden/data/chat-templates.json', import.meta.url), 'utf8'),
)

/** null: refused. */
function render(template: string, index: number): string | null {
  try {
    return compileTemplate(template).render({
      tools: null,
      ...golden.conversations[index],
      bos_token: '<s>',
      eos_token: '</s>',
    }).text
  } catch {
    return null
  }
}

/** As the golden file has it: long ones by their hash. */
function asWritten(text: string | null, wanted: string | null): string | null {
  if (text === null || wanted === null || !/^[0-9a-f]{64}$/.test(wanted)) return text
  return createHash('sha256').update(text).digest('hex')
}

describe('chat templates by name', () => {
  test('are those of the golden file', () => {
    expect(Object.keys(golden.texts).toSorted()).toEqual([...CHAT_TEMPLATE_NAMES].toSorted())
  })

  test.each([...CHAT_TEMPLATE_NAMES])('%s writes what the original writes', (name) => {
    setSystemTime(new Date(2026, 2, 7, 15, 4, 9))
    try {
      const template = chatTemplateNamed(name)
      const wanted = Object.entries(golden.texts[name])
      expect(wanted.filter(([, text]) => text !== null).length).toBeGreaterThan(10)
      for (const [index, text] of wanted) {
        const written = asWritten(render(template, Number(index)), text)
        expect({ index, text: written }).toEqual({ index, text })
      }
    } finally {
      setSystemTime()
    }
  })
})
