/**
 * Item memory: the search against one by one, its file, and files that are none.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafetensors } from '../../../core/files/safetensors-write.ts'
import { useDevice } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createItemMemory, loadItemMemory, packedTrits, sparseTrits } from '../../../plugins/ternary/mod.ts'
import { temporaryFolder, type TemporaryFolder } from '../../../testing/mod.ts'
import { thrown } from './_thrown.ts'

const DIMS = 300
const item = (i: number) =>
  packedTrits.random({ dims: DIMS, seed: 8, stream: `item ${i}`, density: 0.2 + (i % 5) / 8 })
const items = Array.from({ length: 57 }, (_, i) => item(i))
const queries = Array.from({ length: 9 }, (_, i) =>
  packedTrits.weightedBundle(
    [items[i], packedTrits.random({ dims: DIMS, seed: i, stream: 'noise' })],
    [1, 0.9],
  ),
)

function filled() {
  const memory = createItemMemory({ dims: DIMS })
  for (const [i, vector] of items.entries())
    memory.add(`item ${i}`, i % 2 === 0 ? vector : sparseTrits.from(vector))
  return memory
}

describe('nearest()', () => {
  test.each(['cosine', 'dot'] as const)('by %s finds what a search one by one finds', (metric) => {
    using memory = filled()
    const want = queries.map((query) =>
      items
        .map((vector, index) => ({ name: `item ${index}`, index, score: packedTrits[metric](query, vector) }))
        .toSorted((a, b) => b.score - a.score || a.index - b.index),
    )
    expect(memory.nearestAll(queries, { k: 100, metric })).toEqual(want)
    expect(memory.nearestAll(queries, { k: 4, metric })).toEqual(want.map((all) => all.slice(0, 4)))
    expect(queries.map((query) => memory.nearest(sparseTrits.from(query), { metric }))).toEqual(
      want.map((all) => all.slice(0, 1)),
    )
  })

  test('runs on the device that is asked for, and on the default one, with the same result', () => {
    using memory = filled()
    const want = memory.nearestAll(queries, { k: 3 })
    const cpu = openCpu({ threads: 2 })
    {
      using _device = useDevice(cpu)
      expect(memory.nearestAll(queries, { k: 3 })).toEqual(want)
    }
    expect(memory.nearestAll(queries, { k: 3 })).toEqual(want)
    using there = createItemMemory({ dims: DIMS, device: cpu })
    for (const [i, vector] of items.entries()) there.add(`item ${i}`, vector)
    expect(there.nearestAll(queries, { k: 3 })).toEqual(want)
  })

  test('sees items that came after a search, and equal ones in their order', () => {
    using memory = createItemMemory({ dims: DIMS })
    memory.add('first', items[0])
    expect(memory.nearest(items[1])[0].name).toBe('first')
    memory.add('second', items[1])
    memory.add('twin', items[1])
    expect(memory.nearest(items[1], { k: 2 }).map(({ name }) => name)).toEqual(['second', 'twin'])
  })

  test('has the cosine 0 with a vector of zeros', () => {
    using memory = createItemMemory({ dims: DIMS })
    memory.add('zeros', packedTrits.zeros(DIMS))
    memory.add('opposite', packedTrits.negate(items[0]))
    expect(memory.nearest(items[0], { k: 2 })).toEqual([
      { name: 'zeros', index: 0, score: 0 },
      { name: 'opposite', index: 1, score: -1 },
    ])
  })
})

test('get(), has(), names() and size tell what is there', () => {
  using memory = filled()
  expect(memory.size).toBe(57)
  expect(memory.names()[56]).toBe('item 56')
  expect([memory.has('item 3'), memory.has('item 57')]).toEqual([true, false])
  for (const [i, vector] of items.entries())
    expect(packedTrits.equals(memory.get(`item ${i}`), vector)).toBe(true)
})

test('refuses what does not fit', () => {
  using memory = filled()
  expect(thrown(() => memory.add('item 3', items[0]))).toMatchObject({ code: 'E_NAME' })
  expect(thrown(() => memory.get('item 99'))).toMatchObject({
    code: 'E_NAME',
    remedy: expect.stringContaining('item 19'),
  })
  const other = packedTrits.zeros(DIMS + 1)
  for (const work of [() => memory.add('x', other), () => memory.nearest(other)])
    expect(thrown(work)).toMatchObject({ code: 'E_SHAPE', what: expect.stringContaining('301') })
  for (const k of [0, 1.5, NaN]) expect(thrown(() => memory.nearest(items[0], { k })).code).toBe('E_VALUE')
  using empty = createItemMemory({ dims: DIMS })
  expect(thrown(() => empty.nearest(items[0]))).toMatchObject({
    code: 'E_VALUE',
    what: expect.stringContaining('no items'),
  })
  expect(thrown(() => createItemMemory({ dims: 0 })).code).toBe('E_VALUE')
  expect(memory.size).toBe(57)
})

describe('files', () => {
  let folder: TemporaryFolder
  beforeAll(() => {
    folder = temporaryFolder()
  })
  afterAll(() => folder[Symbol.dispose]())
  const path = (name: string): string => join(folder.path, name)

  test('give the same memory again', () => {
    using memory = filled()
    memory.save(path('items.safetensors'))
    using again = loadItemMemory(path('items.safetensors'))
    expect(again.names()).toEqual(memory.names())
    expect(again.nearestAll(queries, { k: 5 })).toEqual(memory.nearestAll(queries, { k: 5 }))
    again.save(path('again.safetensors'))
    expect(readdirSync(folder.path).toSorted()).toEqual(['again.safetensors', 'items.safetensors'])
  })

  test('names may be any text, and there may be no items', () => {
    using memory = createItemMemory({ dims: DIMS })
    memory.save(path('empty.safetensors'))
    using none = loadItemMemory(path('empty.safetensors'))
    expect([none.size, none.dims]).toEqual([0, DIMS])
    for (const name of ['', '"quoted"', '日本', '\n', '__proto__']) memory.add(name, items[0])
    memory.save(path('names.safetensors'))
    using again = loadItemMemory(path('names.safetensors'))
    expect(again.names()).toEqual(['', '"quoted"', '日本', '\n', '__proto__'])
  })

  const good = {
    metadata: { format: 'tritune item memory', version: '1', dims: '40', names: '["a","b"]' } as Record<
      string,
      string
    >,
    name: 'planes',
    dtype: 'i32' as 'i32' | 'f32',
    shape: [2, 2, 2],
    words: [1, 0, 2, 0, 1, 0, 2, 0],
  }
  const { names: _names, ...unnamed } = good.metadata
  const bad: readonly (readonly [string, Partial<typeof good>, string])[] = [
    ['of something else', { metadata: { format: 'pt' } }, 'no item memory'],
    ['of another version', { metadata: { ...good.metadata, version: '2' } }, 'version 2'],
    ['without dimensions', { metadata: { ...good.metadata, dims: 'many' } }, 'dims is "many"'],
    ['of no dimensions', { metadata: { ...good.metadata, dims: '0' } }, 'dims is "0"'],
    ['without names', { metadata: unnamed }, 'names is no JSON'],
    ['with names that are no texts', { metadata: { ...good.metadata, names: '[1,2]' } }, 'a list of texts'],
    ['with a name twice', { metadata: { ...good.metadata, names: '["a","a"]' } }, '"a" is there twice'],
    ['with too few names', { metadata: { ...good.metadata, names: '["a"]' } }, '1 names and 40 dimensions'],
    ['of other dimensions', { metadata: { ...good.metadata, dims: '70' } }, 'I32 [2, 2, 3]'],
    ['of another dtype', { dtype: 'f32' }, 'it is F32'],
    ['of another tensor', { name: 'items' }, '"planes"'],
    [
      'with a dimension in both planes',
      { words: [1, 0, 2, 0, 1, 0, 3, 0] },
      'item "b": dimension 0 is set in both planes',
    ],
    ['with a bit too many', { words: [1, 256, 2, 0, 1, 0, 2, 0] }, 'item "a": bit 40 is set'],
  ]
  test.each(bad)('%s is one clear error', (_what, change, message) => {
    const { metadata, name, dtype, shape, words } = { ...good, ...change }
    const bytes = new Uint8Array(Uint32Array.from(words).buffer)
    writeSafetensors(path('bad.safetensors'), [{ name, dtype, shape, chunks: () => [bytes] }], metadata)
    const error = thrown(() => loadItemMemory(path('bad.safetensors')))
    expect(error.code).toBe('E_FORMAT')
    expect(error.place).toContain('bad.safetensors')
    expect(error.message).toContain(message)
  })

  test('a truncated file, one that is none and one that is not there', () => {
    using memory = filled()
    memory.save(path('short.safetensors'))
    truncateSync(path('short.safetensors'), 2000)
    expect(thrown(() => loadItemMemory(path('short.safetensors'))).code).toBe('E_FORMAT')
    writeFileSync(path('text.safetensors'), 'hello')
    expect(thrown(() => loadItemMemory(path('text.safetensors'))).code).toBe('E_FORMAT')
    expect(thrown(() => loadItemMemory(path('nowhere.safetensors'))).code).toBe('E_FILE')
  })

  test('what cannot be written leaves nothing', () => {
    using memory = filled()
    writeFileSync(path('file'), '')
    expect(thrown(() => memory.save(path('file/items.safetensors'))).code).toBe('E_FILE')
    expect(existsSync(path('file/items.safetensors'))).toBe(false)
  })
})
