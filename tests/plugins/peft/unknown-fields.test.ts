/**
 * Fields of adapter_config.json that are not known are told and left out; those of PEFT that would give another model are refused.
 */
import { describe, expect, test } from 'bun:test'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { loadAdapter, saveAdapter } from '../../../plugins/peft/mod.ts'
import { METHODS } from '../../../plugins/peft/methods/methods.ts'
import { unknownFields } from '../../../plugins/peft/files/unknown-fields.ts'
import { GOLDEN, goldenJson, temporaryFolder } from '../../_golden.ts'

const BASE = join(GOLDEN, 'peft-train/base')
const cpu = openCpu()

type Fields = Readonly<Record<string, unknown>>

/** Loads a golden adapter with other fields; the notes, and the fields as they are saved again. */
function loaded(
  name: string,
  changes: Fields,
): { readonly notes: readonly string[]; readonly saved: Fields; readonly place: string } {
  using temporary = temporaryFolder()
  const [folder, copy] = ['adapter', 'copy'].map((one) => join(temporary.path, one))
  cpSync(join(GOLDEN, name), folder, { recursive: true })
  const place = join(folder, 'adapter_config.json')
  writeFileSync(place, JSON.stringify({ ...JSON.parse(readFileSync(place, 'utf8')), ...changes }))
  const notes: string[] = []
  using model = loadModel(BASE, { device: cpu })
  using adapter = loadAdapter(model, folder, { onNote: (text) => notes.push(text) })
  saveAdapter(copy, adapter, { baseModel: null })
  return { notes, saved: JSON.parse(readFileSync(join(copy, 'adapter_config.json'), 'utf8')), place }
}

describe('fields of PEFT 0.21', () => {
  const types = goldenJson<Readonly<Record<string, Fields>>>('peft-fields.json')

  test('every type is here', () => {
    expect(Object.keys(types)).toEqual(
      [...new Set(Object.values(METHODS).map(({ peft }) => peft?.type ?? ''))].toSorted(),
    )
  })

  test.each(Object.entries(types))('%s: each is known', (type, fields) => {
    const definition = Object.values(METHODS).find(({ peft }) => peft?.type === type)
    if (!definition) throw new Error(type)
    const given = Object.fromEntries(Object.keys(fields).map((key) => [key, 'something']))
    expect(unknownFields(definition, given)).toEqual([])
    expect(unknownFields(definition, { ...given, use_more: true })).toEqual(['use_more'])
  })
})

test.each(['peft-methods/lora', 'peft-methods/loha', 'peft-families/prefix'])(
  '%s: what is not known is told once and not saved again',
  (name) => {
    const { notes, saved, place } = loaded(name, {
      use_more: true,
      less: { a: 1 },
      off: false,
      peft_version: '9.1',
    })
    expect(notes).toEqual([`${place}: left out, since not known here: less, use_more (written by PEFT 9.1)`])
    expect(Object.keys(saved)).not.toContain('use_more')
    expect(Object.keys(saved)).toContain('peft_type')
  },
)

test('of files that PEFT wrote nothing is told', () => {
  expect(loaded('peft-methods/lora', {}).notes).toEqual([])
  expect(loaded('peft-methods/adalora', {}).notes).toEqual([])
})

test.each([
  ['peft-methods/lora', { arrow_config: { top_k: 2 } }, 'arrow_config'],
  ['peft-methods/lora', { kasa_config: { beta: 1e-4 } }, 'kasa_config'],
  ['peft-methods/lora', { monteclora_config: {} }, 'monteclora_config'],
  ['peft-methods/lora', { use_qalora: true }, 'use_qalora'],
  ['peft-methods/adalora', { arrow_config: { top_k: 2 } }, 'arrow_config'],
  ['peft-families/prompt', { num_transformer_submodules: 2 }, 'num_transformer_submodules'],
])('%s with %p is refused with what can be done', (name, changes, key) => {
  let thrown: unknown
  try {
    loaded(name, changes)
  } catch (error) {
    thrown = error
  }
  if (!(thrown instanceof TrituneError)) throw new Error('it was taken')
  expect(thrown.message).toContain(key)
  expect(['E_UNSUPPORTED', 'E_CONFIG']).toContain(thrown.code)
})
