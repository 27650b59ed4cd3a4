/**
 * Uploads in Bun, Deno and Node, as processes: every byte of small and large files, whole and in parts, one clear error for
 * a refusal, and no file read into memory.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { denoCommand } from '../../../scripts/_deno.ts'
import { leftOut, nodesForTests, nodeVersion } from '../../_tools.ts'
import { large } from './_server.ts'
import { type PushServer, pushServer } from './_push-server.ts'

const { nodes, missing } = await nodesForTests()
const CHILD = join(import.meta.dir, '_push-child.ts')
const RUNTIMES: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['Bun', [process.execPath]],
  ['Deno', [...denoCommand(), 'run', '-A', '--no-check']],
  ...nodes.map((node) => [`Node ${nodeVersion(node)}`, [node]] as const),
]

const folder = mkdtempSync(join(tmpdir(), 'tritune-runtimes-'))
const BIG_BYTES = 240 * 2 ** 20
const WEIGHTS = large(200_000).content
writeFileSync(join(folder, 'adapter_config.json'), '{"r":8}')
writeFileSync(join(folder, 'adapter_model.safetensors'), WEIGHTS)
const big = mkdtempSync(join(tmpdir(), 'tritune-runtimes-'))
writeFileSync(join(big, 'config.json'), '{}')
writeFileSync(join(big, 'model.safetensors'), new Uint8Array(BIG_BYTES))
// Node is given JavaScript, as in the package: Node 22 knows no `using`.
const bundle = join(folder, '..', `tritune-push-child-${process.pid}.mjs`)
beforeAll(async () => {
  const { outputs } = await Bun.build({ entrypoints: [CHILD], target: 'node' })
  await Bun.write(bundle, outputs[0])
})
afterAll(() => {
  rmSync(bundle, { force: true })
  rmSync(folder, { recursive: true, force: true })
  rmSync(big, { recursive: true, force: true })
})

let hub: PushServer
beforeEach(() => {
  hub = pushServer()
})
afterEach(() => hub[Symbol.dispose]())

describe.each(RUNTIMES)('%s', (_, command) => {
  const push = (from = folder): Promise<{ told: string; grownMb: number }> => runChild(command, from)

  test.each([undefined, 64_000])(
    'every byte arrives (parts of %p)',
    async (partBytes) => {
      hub.partBytes = partBytes
      expect((await push()).told).toBe('pushed 3')
      const files = hub.files('me/pushed')
      expect([...files.keys()].toSorted()).toEqual([
        'README.md',
        'adapter_config.json',
        'adapter_model.safetensors',
      ])
      expect(Buffer.from(files.get('adapter_model.safetensors')?.content ?? [])).toEqual(Buffer.from(WEIGHTS))
      expect(hub.log.filter((line) => line.startsWith('storage') && line.includes('auth='))).toEqual([])
    },
    30_000,
  )

  test('what arrives damaged is named', async () => {
    hub.damage = (content) => content.slice(0, 10)
    expect((await push()).told).toContain('adapter_model.safetensors has 10 bytes instead of 200000')
  }, 30_000)

  test.each([401, 403, 409])(
    '%p is one clear error',
    async (status) => {
      hub.refuse = (_, url) =>
        url.pathname.includes('/commit/') ? Response.json({ error: 'No' }, { status }) : undefined
      const { told } = await push()
      expect(told).toContain(`(${status}: No)\n  → `)
      expect([...hub.files('me/pushed')]).toEqual([])
    },
    30_000,
  )

  test('429 with Retry-After passes', async () => {
    let left = 1
    hub.refuse = (_, url) =>
      url.pathname.endsWith('/batch') && left-- > 0
        ? new Response('', { status: 429, headers: { 'retry-after': '1' } })
        : undefined
    expect((await push()).told).toBe('pushed 3')
  }, 30_000)

  test('a large file is not read into memory', async () => {
    const { told, grownMb } = await push(big)
    expect(told).toBe('pushed 3')
    expect(grownMb).toBeLessThan(BIG_BYTES / 1e6)
  }, 60_000)
})

test.skipIf(missing !== null)(leftOut('Node is one of the runtimes', missing), () => {
  expect(RUNTIMES.length).toBeGreaterThan(2)
})

// ---- helpers ----------------------------------------------------------------------------------------------------

async function runChild(
  command: readonly string[],
  from: string,
): Promise<{ told: string; grownMb: number }> {
  const { HF_ENDPOINT: _e, HF_HUB_OFFLINE: _o, TRANSFORMERS_OFFLINE: _t, ...env } = process.env
  const script = command.length === 1 && command[0] !== process.execPath ? bundle : CHILD
  const child = Bun.spawn([...command, script, from, 'me/pushed', hub.endpoint], {
    env,
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [text, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  if ((await child.exited) !== 0) throw new Error(`the child failed: ${errors}`)
  return JSON.parse(text)
}
