import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { parse } from 'yaml'
import type { Field } from '../../core/contracts/config-fields.ts'
import { datasetOptions } from '../../plugins/data/mod.ts'
import { RENAMED_KEYS } from '../../plugins/finetune/config/keys/axolotl-keys.ts'
import { readFinetuneConfig } from '../../plugins/finetune/config/config.ts'
import { finetuneSchema } from '../../plugins/finetune/config/finetune-schema.ts'

const ROOT = join(import.meta.dir, '../..')
const page = readFileSync(join(ROOT, 'docs/yaml.md'), 'utf8')

/** Heading → key → the cell with its default. */
function tables(text: string): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>()
  for (const section of text.split(/^#+ /m).slice(1)) {
    const rows = [...section.matchAll(/^\| `(\w+)` \| (.+?) \| /gm)]
    if (rows.length > 0) found.set(section.split('\n')[0], new Map(rows.map(([, key, cell]) => [key, cell])))
  }
  return found
}

const all = tables(page)
const DATASET = 'An entry of `datasets`'
const rowsOfDatasets = all.get(DATASET) ?? new Map<string, string>()
const rowsOfRun = new Map(
  [...all].filter(([heading]) => heading !== DATASET).flatMap(([, rows]) => [...rows]),
)

function keysOf(schema: Field<unknown>): string[] {
  return Object.keys(Object(Reflect.get(schema, 'entries')))
}

function expectDefaults(
  rows: ReadonlyMap<string, string>,
  values: object,
  required: readonly string[],
): void {
  for (const [key, cell] of rows) {
    if (required.includes(key)) expect([key, cell]).toEqual([key, 'required'])
    else {
      const shown: unknown = cell === '–' ? null : parse(cell.replace(/^`(.*)`$/, '$1'))
      expect([key, shown]).toEqual([key, asWritten(Reflect.get(values, key))])
    }
  }
}

/** A part with a name and no options is written as its name. */
function asWritten(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('name' in value) || !('options' in value)) return value
  return Object.keys(Object(value.options)).length === 0 ? value.name : value
}

describe('docs/yaml.md', () => {
  test('has every key of the schema once, and no other', () => {
    expect([...rowsOfRun.keys()].toSorted()).toEqual(keysOf(finetuneSchema).toSorted())
    expect([...rowsOfDatasets.keys()].toSorted()).toEqual(keysOf(datasetOptions).toSorted())
    const count = [...page.matchAll(/^\| `\w+` \|/gm)].length
    expect(count).toBe(rowsOfRun.size + rowsOfDatasets.size)
  })

  test('says the defaults that the schema fills in', () => {
    const entry = { path: 'x' }
    const required = ['base_model', 'learning_rate', 'datasets']
    const run = v.parse(finetuneSchema, { base_model: 'x', learning_rate: 1, datasets: [entry] })
    expectDefaults(rowsOfRun, run, required)
    expectDefaults(rowsOfDatasets, v.parse(datasetOptions, entry), ['path'])
  })

  test('names every old spelling', () => {
    for (const [old, name] of Object.entries(RENAMED_KEYS)) {
      expect(page.replace(/\s+/g, ' ')).toContain(`\`${old}\` (\`${name}\`)`)
    }
  })
})

describe('the YAML of README.md and docs/plugins.md', () => {
  const blocks = ['README.md', 'docs/plugins.md'].flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, body]) => ({
      file,
      first: body.split('\n')[0],
      body,
    })),
  )

  test.each(blocks)('$file, "$first …" is a configuration', ({ body }) => {
    const missing = Object.entries({ base_model: 'x', learning_rate: '1e-4', datasets: '[{ path: x }]' })
      .filter(([key]) => !new RegExp(`^${key}:`, 'm').test(body))
      .map(([key, value]) => `${key}: ${value}\n`)
    const config = readFinetuneConfig(body + missing.join(''), 'block.yaml')
    expect(config.notes).toEqual([])
  })

  test('there are some', () => {
    expect(blocks.length).toBe(4)
  })
})
