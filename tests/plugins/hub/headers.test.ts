/** The headers of a model on the hub, without its weights. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../../core/files/checkpoint.ts'
import { resolveModelHeaders } from '../../../plugins/hub/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'
import { type FakeFile, fakeHub } from './_server.ts'

function tinyFiles(folder: string): Record<string, FakeFile> {
  writeTinyModel(folder, {})
  const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors']
  return Object.fromEntries(
    names.map((name) => [
      name,
      { content: new Uint8Array(readFileSync(join(folder, name))), large: name.endsWith('.safetensors') },
    ]),
  )
}

test.each([true, false])(
  'come by ranges, also from a server that knows none (%p), and go again',
  async (ranges) => {
    using folder = temporaryFolder()
    const model = join(folder.path, 'model')
    using hub = fakeHub('org/tiny', tinyFiles(model), { ranges })
    const options = { endpoint: hub.endpoint, cacheDir: join(folder.path, 'cache') }
    const headers = await resolveModelHeaders('org/tiny', options)
    const [ours, theirs] = [openCheckpoint(headers.path), openCheckpoint(model)]
    expect([...ours.entries.keys()]).toEqual([...theirs.entries.keys()])
    const file = join(headers.path, 'model.safetensors')
    expect(statSync(file).size).toBe(statSync(join(model, 'model.safetensors')).size)
    const asked = hub.log.filter((line) => line.startsWith('cdn'))
    expect(asked.length).toBeGreaterThan(0)
    for (const line of asked) expect(line).toMatch(/ bytes=0-\d+/)
    headers[Symbol.dispose]()
    expect(existsSync(headers.path)).toBe(false)
  },
)

test('of a folder are that folder, and a GGUF file on the hub has none alone', async () => {
  using folder = temporaryFolder()
  writeTinyModel(join(folder.path, 'model'), {})
  using headers = await resolveModelHeaders(join(folder.path, 'model'))
  expect(headers.path).toBe(join(folder.path, 'model'))
  expect(resolveModelHeaders('org/name/file.gguf', { offline: true })).rejects.toThrow('no headers to be had')
})

test('that are none leave nothing behind', async () => {
  using folder = temporaryFolder()
  const files = tinyFiles(join(folder.path, 'model'))
  const broken = { ...files, 'model.safetensors': { content: new Uint8Array(64).fill(255), large: true } }
  using hub = fakeHub('org/tiny', broken)
  const options = { endpoint: hub.endpoint, cacheDir: join(folder.path, 'cache') }
  expect(resolveModelHeaders('org/tiny', options)).rejects.toThrow('is none')
})
