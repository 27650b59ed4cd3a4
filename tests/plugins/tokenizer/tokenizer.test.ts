import { afterAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import type { ChatMessage, Tokenizer } from '../../../plugins/tokenizer/mod.ts'
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'

const golden = join(import.meta.dir, '../../golden/tokenizer')
const root = mkdtempSync(join(tmpdir(), 'tritune-tokenizer-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Golden {
  cases: { text: string; ids: number[]; bare: number[]; decoded: string; visible: string }[]
  chats: { messages: ChatMessage[]; options: Record<string, unknown>; text: string }[]
}
const NAMES = ['digits', 'template']
const read = (name: string): Golden => JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8'))
const load = (name: string): Tokenizer => loadTokenizer(join(golden, name))

/** A copy of a golden folder with further or changed files; `undefined` removes one. */
function variant(files: Record<string, unknown>): string {
  const folder = mkdtempSync(join(root, 'v-'))
  cpSync(join(golden, 'digits'), folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    if (content === undefined) rmSync(join(folder, name))
    else writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

function failure(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe.each(NAMES)('loadTokenizer() of the folder %s', (name) => {
  const tokenizer = load(name)
  const { cases, chats } = read(name)

  test('encodes and decodes as transformers does', () => {
    for (const { text, ids, bare, decoded, visible } of cases) {
      expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
      expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(bare)
      expect(tokenizer.decode(ids)).toBe(decoded)
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(visible)
    }
  })

  test('gives every text back exactly', () => {
    for (const { text, bare } of cases) expect(tokenizer.decode(bare)).toBe(text)
  })

  test('streams the same text, and never half a character', () => {
    for (const { ids, decoded } of cases) {
      const stream = tokenizer.createDecodeStream()
      const pieces = ids.map((id) => stream.push(id))
      expect(pieces.join('')).not.toContain('\uFFFD')
      expect([...pieces, stream.end()].join('')).toBe(decoded)
    }
  })

  test('renders chats as transformers does', () => {
    for (const { messages, options, text } of chats) {
      const { tools, add_generation_prompt: addGenerationPrompt, ...variables } = options
      const rendered = tokenizer.renderChat(messages, {
        addGenerationPrompt: addGenerationPrompt === true,
        ...(Array.isArray(tools) ? { tools } : {}),
        variables,
      })
      expect(rendered).toBe(text)
    }
  })
})

describe('loadTokenizer()', () => {
  test('knows its special tokens', () => {
    const tokenizer = load('digits')
    expect(tokenizer).toMatchObject({
      bosId: 0,
      eosId: 1,
      eosIds: [1],
      padId: 1,
      unkId: undefined,
      vocabSize: 421,
    })
    expect([tokenizer.tokenOf(1), tokenizer.idOf('<|end|>'), tokenizer.idOf('nothing')]).toEqual([
      '<|end|>',
      1,
      undefined,
    ])
    expect(tokenizer.hasChatTemplate).toBe(true)
  })

  test('takes further ends from generation_config.json and tokens from special_tokens_map.json', () => {
    const folder = variant({
      'generation_config.json': { eos_token_id: [0, 1] },
      'special_tokens_map.json': {
        unk_token: { content: '<|start|>' },
        eos_token: 'ignored: the config has one',
      },
    })
    expect(loadTokenizer(folder)).toMatchObject({ eosId: 1, eosIds: [1, 0], unkId: 0 })
  })

  test('adds the tokens that only the config knows', () => {
    const decoder = {
      '421': { content: '<new>', special: true, lstrip: false, rstrip: false, normalized: false },
    }
    const config = { bos_token: '<|start|>', eos_token: '<|end|>', added_tokens_decoder: decoder }
    const tokenizer = loadTokenizer(variant({ 'tokenizer_config.json': config }))
    expect(tokenizer.encode('<new>')).toEqual([421])
    expect(tokenizer.vocabSize).toBe(422)
  })

  test('adds BOS and EOS when the config says so and the tokenizer has no template', () => {
    const config = { bos_token: '<|start|>', eos_token: '<|end|>', add_bos_token: true, add_eos_token: true }
    const tokenizer = loadTokenizer(variant({ 'tokenizer_config.json': config }))
    const bare = tokenizer.encode('Hello', { addSpecialTokens: false })
    expect(tokenizer.encode('Hello')).toEqual([0, ...bare, 1])
  })

  test('leaves out ids that are no tokens', () => {
    const tokenizer = load('digits')
    const ids = tokenizer.encode('Hello')
    expect(tokenizer.decode([...ids, 50000])).toBe('Hello')
    expect(tokenizer.decode([])).toBe('')
    expect(tokenizer.decode(Int32Array.from(ids))).toBe('Hello')
  })

  test('says what was looked for when there is no tokenizer', () => {
    const empty = mkdtempSync(join(root, 'empty-'))
    const error = failure(() => loadTokenizer(empty))
    expect(error.code).toBe('E_TOKENIZER')
    expect(error.message).toContain(`${empty}: no tokenizer: the folder has no tokenizer.json`)
    writeFileSync(join(empty, 'tokenizer.model'), '')
    expect(failure(() => loadTokenizer(empty)).message).toMatch(/it has tokenizer\.model[^]*AutoTokenizer/)
    expect(failure(() => loadTokenizer(join(empty, 'nothing'))).message).toMatch(/no such folder/)
  })

  test('names a damaged file', () => {
    expect(failure(() => loadTokenizer(variant({ 'tokenizer.json': '{' }))).message).toMatch(
      /tokenizer\.json: not valid JSON/,
    )
    const unknown = {
      model: { type: 'BPE', vocab: {}, merges: [] },
      added_tokens: [],
      normalizer: { type: 'Odd' },
    }
    expect(failure(() => loadTokenizer(variant({ 'tokenizer.json': unknown }))).message).toMatch(
      /tokenizer.json: normalizer: the type "Odd" is not known/,
    )
  })
})

describe('renderChat()', () => {
  const user: ChatMessage[] = [{ role: 'user', content: 'Hi' }]

  test("wraps the template's own refusal", () => {
    const error = failure(() => load('digits').renderChat([{ role: 'pirate', content: 'Arr' }]))
    expect(error.code).toBe('E_TOKENIZER')
    expect(error.message).toMatch(/refuses the messages: unknown role: pirate/)
  })

  test('reports a template that cannot be parsed', () => {
    expect(failure(() => load('digits').renderChat(user, { template: '{% for %}' })).message).toMatch(
      /cannot be parsed/,
    )
  })

  test('chooses among several templates', () => {
    const templates = [
      { name: 'default', template: 'D' },
      { name: 'tool_use', template: 'T{{ tools | length }}' },
    ]
    const tokenizer = loadTokenizer(
      variant({
        'chat_template.jinja': undefined,
        'tokenizer_config.json': { chat_template: templates },
        'additional_chat_templates/rag.jinja': 'R',
      }),
    )
    expect(tokenizer.renderChat(user)).toBe('D')
    expect(tokenizer.renderChat(user, { tools: [{}, {}] })).toBe('T2')
    expect(tokenizer.renderChat(user, { templateName: 'rag' })).toBe('R')
    expect(failure(() => tokenizer.renderChat(user, { templateName: 'rog' })).message).toMatch(
      /"rog"; did you mean "rag"/,
    )
  })

  test('needs a template', () => {
    const tokenizer = loadTokenizer(variant({ 'chat_template.jinja': undefined }))
    expect(tokenizer.hasChatTemplate).toBe(false)
    expect(failure(() => tokenizer.renderChat(user)).message).toMatch(
      /has no chat template[^]*pass a template/,
    )
    expect(tokenizer.renderChat(user, { template: '{{ messages[0].content }}!' })).toBe('Hi!')
  })
})

describe('renderChat() as apply_chat_template', () => {
  const show = '{{ messages | tojson }}{{ tools is none }}{{ documents is none }}{{ eos_token }}'

  test('leaves out fields that are null, and gives reasoning under all of its names', () => {
    const messages = [{ role: 'assistant', content: null, thinking: 'hm', name: undefined }]
    expect(load('digits').renderChat(messages, { template: show })).toStartWith(
      '[{"thinking": "hm", "role": "assistant", "reasoning_content": "hm"}]TrueTrue',
    )
  })

  test('variables win over special tokens', () => {
    const options = {
      template: '{{ eos_token }}{{ enable_thinking }}',
      variables: { eos_token: 'E', enable_thinking: false },
    }
    expect(load('digits').renderChat([{ role: 'user', content: 'Hi' }], options)).toBe('EFalse')
  })

  test('says where the template marks what the model writes', () => {
    const messages = [{ role: 'assistant', content: 'Hi' }]
    const template = 'a{% generation %}{{ messages[0].content }}{% endgeneration %}b'
    expect(load('digits').renderMarkedChat(messages, { template })).toEqual({
      text: 'aHib',
      generations: [{ start: 1, end: 3 }],
    })
    expect(load('digits').renderMarkedChat(messages, { template: 'x' }).generations).toBeUndefined()
  })

  test('stops a template that would go on for hours', () => {
    const template = '{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}'
    const error = failure(() => load('digits').renderChat([{ role: 'user', content: 'Hi' }], { template }))
    expect(error.code).toBe('E_TOKENIZER')
    expect(error.message).toContain('takes more than')
  })
})

describe('createDecodeStream()', () => {
  test('gives broken bytes at the end as a decode of all would', () => {
    const tokenizer = load('digits')
    const ids = tokenizer.encode('é', { addSpecialTokens: false }).slice(0, 1)
    const stream = tokenizer.createDecodeStream()
    expect(stream.push(ids[0])).toBe('')
    expect(stream.end()).toBe('\uFFFD')
    expect(stream.push(tokenizer.encode('a')[0])).toBe('a')
  })
})
