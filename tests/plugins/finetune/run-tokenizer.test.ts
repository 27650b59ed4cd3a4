import { describe, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHATML } from '../../../plugins/data/mod.ts'
import { openTokenizer } from '../../../plugins/finetune/mod.ts'

const NOTHING = {
  special_tokens: { bos_token: null, eos_token: null, pad_token: null, unk_token: null },
  chat_template: null,
  chat_template_jinja: null,
} as const
const user = [{ role: 'user', content: 'Hi' }]

/** A copy of a golden tokenizer with another chat template. */
function withTemplate<T>(template: string, work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-tokenizer-'))
  try {
    cpSync(join(import.meta.dirname, '../../golden/tokenizer/digits'), folder, { recursive: true })
    writeFileSync(join(folder, 'chat_template.jinja'), template)
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('openTokenizer()', () => {
  test('has the template that is trained as text', () => {
    withTemplate('own {{ messages[0].content }}', (folder) => {
      const own = openTokenizer(folder, NOTHING)
      expect(own.chatTemplate).toBeNull()
      expect(own.inner.chatTemplates.get('default')).toBe('own {{ messages[0].content }}')
      const set = openTokenizer(folder, { ...NOTHING, chat_template: 'chatml' })
      expect(set.chatTemplate).toBe(CHATML)
      expect(set.renderChat(user, { addGenerationPrompt: false })).toBe('<|im_start|>user\nHi<|im_end|>\n')
    })
  })

  test('shows the template the special tokens that the configuration sets, and the tools', () => {
    withTemplate(
      '{{ eos_token }}|{{ tools | tojson }}|{% generation %}{{ messages[0].content }}{% endgeneration %}',
      (folder) => {
        const plain = openTokenizer(folder, NOTHING)
        const [eos] = plain.renderChat(user, { addGenerationPrompt: false }).split('|')
        const other = plain.tokenOf(5)
        expect(other).not.toBe(eos)
        const config = { ...NOTHING, special_tokens: { ...NOTHING.special_tokens, eos_token: other } }
        const options = { addGenerationPrompt: false, tools: [{ name: 'f' }] }
        const set = openTokenizer(folder, config)
        const text = set.renderChat(user, options)
        expect(text).toBe(`${other}|[{"name": "f"}]|Hi`)
        expect(set.generationsOf?.(user, options)).toEqual([{ start: text.length - 2, end: text.length }])
      },
    )
  })

  test('takes a template by name, that of one dataset, and one only where there is none', () => {
    withTemplate('own', (folder) => {
      const own = openTokenizer(folder, NOTHING)
      const text = (tokenizer: typeof own): string =>
        tokenizer.renderChat(user, { addGenerationPrompt: false })
      const fallback = { ...NOTHING, chat_template: 'tokenizer_default_fallback_chatml' } as const
      expect(text(openTokenizer(folder, fallback))).toBe('own')
      expect(openTokenizer(folder, fallback).chatTemplate).toBeNull()
      const entry = own.withChatTemplate?.({ chat_template: null, chat_template_jinja: 'its own' })
      expect(entry?.renderChat(user, { addGenerationPrompt: false })).toBe('its own')
      expect(entry?.id).not.toBe(own.id)
      rmSync(join(folder, 'chat_template.jinja'))
      expect(text(openTokenizer(folder, fallback))).toBe('<|im_start|>user\nHi<|im_end|>\n')
    })
  })

  test('refuses a template of another family, unless its marks are added', () => {
    withTemplate('own', (folder) => {
      const llama = { ...NOTHING, chat_template: 'llama3' } as const
      expect(() => openTokenizer(folder, llama)).toThrow(
        /chat_template: the template llama3 is of another family: <\|start_header_id\|>, .* are no tokens/,
      )
      const tokens = ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']
      expect(
        openTokenizer(folder, { ...llama, tokens }).renderChat(user, { addGenerationPrompt: false }),
      ).toContain('user<|end_header_id|>\n\nHi<|eot_id|>')
    })
  })
})
