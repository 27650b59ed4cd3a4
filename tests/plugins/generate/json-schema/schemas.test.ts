/**
 * Whatever a model would say: what the rules of a schema let through is JSON that fits it.
 */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { createRandom, type JsonSchema } from '../../../../core/mod.ts'
import { openCpu } from '../../../../plugins/cpu/mod.ts'
import { openBatchEngine, openJsonSchema, type TokenConstraint } from '../../../../plugins/generate/mod.ts'
import { loadModel } from '../../../../plugins/models/mod.ts'
import { loadTokenizer } from '../../../../plugins/tokenizer/mod.ts'
import { ROOT } from '../../../../scripts/_setup.ts'

const FOLDER = join(ROOT, 'quickstart/model')
const tokenizer = loadTokenizer(FOLDER)

function idsIn(mask: Uint32Array): number[] {
  return Array.from({ length: mask.length * 32 }, (_, id) => id).filter(
    (id) => mask[id >> 5] & (1 << (id & 31)),
  )
}

/** Says something at random, and ends as soon as it may after `most` tokens; null: it did not come to an end. */
function babble(rules: TokenConstraint, seed: number, most: number): string | null {
  const random = createRandom(seed, 'babble')
  const said: number[] = []
  for (let i = 0; i < 20 * most; i++) {
    if (rules.isOver || (rules.canEnd && (i > most || random.int(3) === 0))) return textOf(said)
    const ids = idsIn(rules.allowed())
    // Towards the end what closes something is most of what is said.
    const closing = i > most ? ids.filter((id) => /^["\]},0-9]+$/.test(tokenizer.tokenOf(id) ?? '')) : []
    const from = closing.length > 0 && random.int(4) > 0 ? closing : ids
    const id = from[random.int(from.length)]
    rules.accept(id)
    said.push(id)
  }
  return null
}

function textOf(ids: readonly number[]): string {
  const bytes = ids.flatMap((id) => [...(tokenizer.bytesOf(id) ?? [])])
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes))
}

/** The tokens of single bytes. */
const SINGLE = new Map(
  Array.from({ length: tokenizer.vocabSize }, (_, id) => [tokenizer.bytesOf(id), id] as const).flatMap(
    ([bytes, id]) => (bytes?.length === 1 ? [[bytes[0], id] as const] : []),
  ),
)

/** Whether the rules let a text through, one byte a token. */
function accepts(schema: JsonSchema, text: string): boolean {
  const rules = openJsonSchema(schema, tokenizer).open()
  for (const byte of new TextEncoder().encode(text)) {
    const id = SINGLE.get(byte)
    if (id === undefined || !(rules.allowed()[id >> 5] & (1 << (id & 31)))) return false
    rules.accept(id)
  }
  return rules.canEnd
}

const PERSON = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Person',
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 12, description: 'of a person' },
    age: { type: 'integer', minimum: 0, maximum: 130 },
    mail: {
      anyOf: [{ type: 'string', pattern: '^[a-z]+@[a-z]+\\.(?:com|org)$' }, { type: 'null' }],
      default: null,
    },
    kind: { enum: ['a "b"', 'é\\', 3, null, { deep: [1] }] },
    tags: { type: 'array', items: { type: 'string', maxLength: 3 }, minItems: 1, maxItems: 3 },
  },
  required: ['name', 'age', 'tags'],
  additionalProperties: false,
}
const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  person: PERSON,
  'a tree': {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: {
          value: { type: 'number' },
          children: { type: 'array', items: { $ref: '#/$defs/node' } },
        },
        required: ['value', 'children'],
      },
    },
  },
  'a map': { type: 'object', additionalProperties: { type: ['integer', 'null'] } },
  'a tuple': {
    type: 'array',
    prefixItems: [{ type: 'integer' }, { type: 'boolean' }, { const: 'x' }],
    items: { type: 'null' },
    minItems: 2,
    maxItems: 5,
  },
  'a short tuple': { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'boolean' }], items: false },
  anything: { description: 'any value' },
  'any object': { type: 'object' },
  patterns: {
    type: 'object',
    properties: {
      quoted: { type: 'string', pattern: '^"[^a-z\\\\]{2}\\t?"$' },
      loose: { type: 'string', pattern: 'ab+|^c$' },
      far: { type: 'string', pattern: '^[\\u00e9-\\u{1F600}]{1,3}$' },
      word: { type: 'string', pattern: '^\\w\\s\\D.$' },
    },
    required: ['quoted', 'loose', 'far', 'word'],
  },
  formats: {
    type: 'array',
    prefixItems: ['date', 'time', 'date-time', 'uuid', 'ipv4'].map((format) => ({ type: 'string', format })),
    minItems: 5,
    items: false,
  },
  'all optional': { properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } } },
  'only the type': { type: 'boolean', enum: ['true', true, 1] },
}

/** What a format is, in other words than ours. */
const FORMATS = {
  date: (text: string) => new Date(`${text}T00:00:00Z`).toISOString().startsWith(text),
  time: (text: string) => !Number.isNaN(Date.parse(`2020-01-01T${text}`)),
  'date-time': (text: string) => !Number.isNaN(Date.parse(text)),
  uuid: /^[0-9a-f]{4}(?:[0-9a-f]{4}-){4}[0-9a-f]{12}$/,
  ipv4: (text: string) =>
    text.split('.').length === 4 && text.split('.').every((part) => Number(part) <= 255),
}

describe.each(Object.entries(SCHEMAS))('%s', (_, schema) => {
  test('what is said at random fits, and not always alike', () => {
    const fits = new Ajv2020({ strict: false, formats: FORMATS, unicodeRegExp: true }).compile(schema)
    const rules = openJsonSchema(schema, tokenizer)
    const said = new Set<string>()
    for (let seed = 0; seed < 10; seed++) {
      const text = babble(rules.open(), seed, 24)
      if (text === null) continue
      said.add(text)
      const value: unknown = JSON.parse(text)
      if (!fits(value)) throw new Error(`${text}: ${JSON.stringify(fits.errors)}`)
    }
    expect(said.size).toBeGreaterThan(schema === SCHEMAS['only the type'] ? 0 : 2)
  })
})

test('texts that fit are let through, others are not', () => {
  const tags = '"tags":["x"]'
  const good = [
    `{"name":"A","age":0,${tags}}`,
    `{"name": "Zoë \\ud83d\\ude00", "age": 130, "kind": "é\\\\", "tags": ["a", "b"]}`,
    `{"name":"A","age":7,"mail":"a@b.org",${tags}}`,
    `{"name":"A","age":7,"mail":null,"kind":{"deep":[1]},${tags}}`,
  ]
  const bad = [
    `{"name":"","age":0,${tags}}`,
    `{"name":"A","age":131,${tags}}`,
    `{"name":"A","age":-1,${tags}}`,
    `{"name":"A","age":01,${tags}}`,
    `{"name":"A",${tags}}`,
    `{"age":1,"name":"A",${tags}}`,
    `{"name":"A","age":1,"mail":"a@b.net",${tags}}`,
    `{"name":"A","age":1,"tags":[]}`,
    `{"name":"A","age":1,"tags":["a","b","c","d"]}`,
    `{"name":"A","age":1,"tags":["long one"]}`,
    `{"name":"\n","age":1,${tags}}`,
    `{"name":"\\ud83d","age":1,${tags}}`,
    `{"name":"A","age":1,${tags}} `,
    `{"name":"A","age":1,${tags},}`,
    `{"name":"A","age":1,${tags},"more":1}`,
  ]
  for (const text of good) expect([text, accepts(PERSON, text)]).toEqual([text, true])
  for (const text of bad) expect([text, accepts(PERSON, text)]).toEqual([text, false])
})

test('every whole number between two limits, and no other', () => {
  for (const [minimum, maximum] of [
    [0, 0],
    [7, 2345],
    [-120, 35],
    [-30, -2],
    [99, 101],
    [1000, 1999],
  ])
    for (let value = minimum - 12; value <= maximum + 12; value += maximum - minimum > 300 ? 7 : 1)
      expect([value, accepts({ type: 'integer', minimum, maximum }, String(value))]).toEqual([
        value,
        value >= minimum && value <= maximum,
      ])
  const open = { type: 'integer', exclusiveMinimum: 10 }
  expect(['10', '11', '999999999999999'].map((text) => accepts(open, text))).toEqual([false, true, true])
})

test.each([
  [{ oneOf: [{ type: 'null' }] }, 'the keyword "oneOf" is not supported', '#'],
  [
    { type: 'object', properties: { 'a/b': { type: 'string', patern: 'a' } } },
    '"patern"',
    '#/properties/a~1b',
  ],
  [{ type: 'array', uniqueItems: true }, '"uniqueItems"', '#'],
  [{ type: 'number', minimum: 3 }, 'minimum of a number', '#'],
  [{ type: 'text' }, 'type: expected', '#'],
  [{ $ref: '#/$defs/none' }, 'there is no #/$defs/none', '#'],
  [{ $ref: 'https://example.com/x' }, '$ref: expected a place in this schema', '#'],
  [{ anyOf: [] }, 'anyOf: expected a list', '#'],
  [{ anyOf: [{}], type: 'string' }, 'anyOf beside type', '#'],
  [{ required: ['a'] }, 'required: "a" is not one of the properties', '#'],
  [{ type: 'string', pattern: '(?=a)' }, 'a group of another kind', '#'],
  [{ type: 'string', pattern: 'a\\b' }, '\\b', '#'],
  [{ type: 'string', pattern: '[a' }, 'a class without an end', '#'],
  [{ type: 'string', format: 'email' }, 'the format "email" is not supported', '#'],
  [{ type: 'string', minLength: 3, maxLength: 2 }, 'minLength is above maxLength', '#'],
  [{ type: 'string', minLength: -1 }, 'minLength: expected a whole number', '#'],
  [{ type: 'integer', minimum: 3, maximum: 2 }, 'no integer fits', '#'],
  [{ type: 'integer', enum: ['a'] }, 'no value has the type', '#'],
  [{ properties: { a: false } }, 'no value fits', '#/properties/a'],
  [{ properties: { a: { $ref: '#' } }, required: ['a'] }, 'no finite value', ''],
  [{ $ref: '#' }, 'no finite value', ''],
  [{ properties: { a: { $ref: '#/$defs/b' } }, $defs: { b: { not: {} } } }, '"not"', '#/$defs/b'],
])('%j is refused by name and place', (schema, message, place) => {
  expect(() => openJsonSchema(schema, tokenizer)).toThrow(message)
  expect(() => openJsonSchema(schema, tokenizer)).toThrow(place)
})

test('a model says what fits, greedy or sampled, beside a text without rules', () => {
  using model = loadModel(FOLDER, { device: openCpu() })
  const schema = openJsonSchema(
    {
      properties: { name: { type: 'string', maxLength: 8 }, ok: { type: 'boolean' } },
      required: ['name', 'ok'],
    },
    tokenizer,
  )
  using engine = openBatchEngine(model, { rows: 4, tokens: 80 })
  const prompt = tokenizer.encode('My fellow citizens')
  const made = [0, 1, 2].map((temperature) => ({
    text: engine.add({
      prompt,
      temperature,
      seed: 5,
      maxNewTokens: 60,
      constraint: schema.open(),
      stopIds: tokenizer.eosIds,
    }),
    ids: new Array<number>(),
    end: '',
  }))
  const free = engine.add({ prompt, maxNewTokens: 5 })
  while (engine.open > 0)
    for (const { text, id, end } of engine.step()) {
      const own = made.find((one) => one.text === text)
      if (!own) expect(text).toBe(free)
      if (id !== null) own?.ids.push(id)
      if (own && end) own.end = end
    }
  for (const { ids, end } of made) {
    expect(end).toBe('stop')
    const value: unknown = JSON.parse(textOf(ids))
    expect(value).toEqual({ name: expect.any(String), ok: expect.any(Boolean) })
  }
})

test('the second text of a schema finds what the first one has found', () => {
  const schema = openJsonSchema(PERSON, tokenizer)
  const first = schema.open().allowed()
  expect(schema.open().allowed()).toBe(first)
})
