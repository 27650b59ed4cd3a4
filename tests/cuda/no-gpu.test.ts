/**
 * What the CUDA libraries say when no GPU can be used. Each case runs in a process of its own with a driver of its own, so the
 * tests are the same on machines with a GPU.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cudaLibraryFiles } from '../../core/native/cuda-driver.ts'
import { denoCommand } from '../../scripts/_deno.ts'

const [CUDA13, CUDA12] = ['libtritune_cuda.so', 'libtritune_cuda12.so']

test('`cudaLibraryFiles()` puts the newest library that the driver can run first', () => {
  expect(cudaLibraryFiles(13010)).toEqual([CUDA13, CUDA12])
  expect(cudaLibraryFiles(13000)).toEqual([CUDA13, CUDA12])
  expect(cudaLibraryFiles(12090)).toEqual([CUDA12, CUDA13])
  expect(cudaLibraryFiles(12000)).toEqual([CUDA12, CUDA13])
})
test('`cudaLibraryFiles()` without a driver, or with one that can run neither, takes the newest and the oldest', () => {
  expect(cudaLibraryFiles(null)).toEqual([CUDA13, CUDA12])
  expect(cudaLibraryFiles(11080)).toEqual([CUDA12, CUDA13])
})

// The bundled libraries are for this platform only.
describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('the bundled CUDA libraries', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-driver-'))
  const driver = join(folder, 'libcuda.so.1')
  afterAll(() => rmSync(folder, { recursive: true }))

  const RUNTIMES = {
    bun: [process.execPath],
    deno: [...denoCommand(), 'run', '--no-lock', '--allow-ffi', '--allow-read', '--allow-env', '--no-prompt'],
  } as const

  function probe(runtime: keyof typeof RUNTIMES, env: Readonly<Record<string, string>> = {}): unknown {
    const [program, ...args] = RUNTIMES[runtime]
    const { stdout, stderr } = spawnSync(program, [...args, join(import.meta.dir, 'probe.ts')], {
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        DENO_NO_UPDATE_CHECK: '1',
        LD_LIBRARY_PATH: folder,
        ...env,
      },
    })
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout)
  }

  for (const runtime of ['bun', 'deno'] as const) {
    test(`\`tt_devices()\` says under ${runtime} that there is no driver`, () => {
      // The first libcuda.so.1 on the path cannot be opened, and no other is tried.
      writeFileSync(driver, '')
      expect(probe(runtime)).toEqual({
        file: CUDA13,
        driver: 0,
        runtime: expect.any(Number),
        problem: 'there is no NVIDIA driver: libcuda.so.1 cannot be opened',
        remedy: expect.stringContaining('580'),
        devices: [],
      })
    })
  }

  // A C compiler makes the other drivers.
  describe.skipIf(Bun.which('gcc') === null)('with a driver', () => {
    beforeAll(() => {
      const source = join(import.meta.dir, 'fake-driver.c')
      rmSync(driver, { force: true })
      const { status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-o', driver, source], {
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(stderr)
    })
    const said = (version: number, error: number, env: Readonly<Record<string, string>> = {}): unknown =>
      probe('bun', { FAKE_DRIVER: String(version), FAKE_INIT: String(error), ...env })

    test('a driver of CUDA 12 gets the library of CUDA 12, one of CUDA 13 that of CUDA 13', () => {
      expect(said(12040, 100)).toMatchObject({ file: CUDA12, driver: 12040, devices: [] })
      expect(said(13000, 100)).toMatchObject({ file: CUDA13, driver: 13000, devices: [] })
    })
    test('`tt_devices()` says that the driver is too old', () => {
      expect(said(11080, 0)).toMatchObject({
        file: CUDA12,
        problem: 'the NVIDIA driver is too old: it supports CUDA 11.8, this library needs CUDA 12',
        remedy: 'update the NVIDIA driver to 525 or newer',
      })
    })
    test('`tt_devices()` says that there is no GPU, and names CUDA_VISIBLE_DEVICES when that hides it', () => {
      const [NO_DEVICE, visible] = [100, { CUDA_VISIBLE_DEVICES: '7"' }]
      expect(said(13000, NO_DEVICE)).toMatchObject({ problem: 'the NVIDIA driver is there but shows no GPU' })
      expect(said(13000, NO_DEVICE, visible)).toMatchObject({
        problem: "the NVIDIA driver shows no GPU to this process: CUDA_VISIBLE_DEVICES is '7''",
      })
    })
    for (const [error, problem, remedy] of [
      [3, 'does not start (cudaErrorInitializationError)', 'nvidia_uvm'],
      [802, 'system software is not ready', 'fabricmanager'],
      [803, 'of different versions', 'restart the machine'],
      [999, 'does not start (cudaErrorUnknown)', 'nvidia_uvm'],
      [304, 'CUDA does not start', 'nvidia-smi'],
    ] as const) {
      test(`\`tt_devices()\` explains error ${error}`, () => {
        expect(said(13000, error)).toMatchObject({
          problem: expect.stringContaining(problem),
          remedy: expect.stringContaining(remedy),
        })
      })
    }
  })
})
