/**
 * A system that no native library is made for: what runs there, told in one line, and what cannot be opened, with what there is.
 */
import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { denoCommand } from '../../scripts/_deno.ts'

const CHILD = join(import.meta.dir, '_no-library-child.ts')

test.each([
  ['Bun', [process.execPath]],
  ['Deno', [...denoCommand(), 'run', '-A', '--no-check']],
] as const)('%s', (_, [program, ...args]) => {
  const env = { ...process.env, TRITUNE_CPU_LIBRARY: undefined, TRITUNE_CUDA_LIBRARY: undefined }
  const { stdout, stderr } = spawnSync(program, [...args, CHILD], { encoding: 'utf8', env })
  expect(stderr).toBe('')
  const why = `no native library is made for freebsd-${process.arch}`
  const made = 'linux-x64, linux-arm64, darwin-arm64, darwin-x64, win32-x64'
  expect(JSON.parse(stdout)).toEqual({
    fallback: 'reference',
    note: `${why}: running on the TypeScript reference, which is slow`,
    auto: {
      device: expect.stringMatching(/^(wasm|reference)$/),
      note: expect.stringMatching(new RegExp(`^${why}[^\\n]*: running on [^\\n]+$`)),
      reason: `no GPU library for freebsd-${process.arch}`,
    },
    cpu: `E_LIBRARY ${why}\n  → there are libraries for ${made}; device: auto takes what this machine has`,
    cuda: `E_LIBRARY no library for GPUs is made for freebsd-${process.arch}\n  → there are libraries for linux-x64; device: auto takes what this machine has`,
  })
})
