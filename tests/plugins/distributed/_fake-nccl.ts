/**
 * A folder with a libnccl.so.2 and a libcuda.so.1 that work in the memory of the host, compiled from tests/fixtures/dist/fake-nccl.cpp.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PLATFORM } from '../../../core/native/platforms.ts'

const SOURCE = fileURLToPath(new URL('../../fixtures/dist/fake-nccl.cpp', import.meta.url))

/** For names of tests that are left out. */
export const NO_COMPILER: string | null =
  PLATFORM === 'linux-x64' && spawnSync('g++', ['--version']).status === 0
    ? null
    : 'g++ on Linux x64 is not here'

export interface FakeNccl extends Disposable {
  /** The variables with which a process finds them. */
  readonly env: Readonly<Record<string, string>>
}

/** Its folder is there until it is disposed. */
export function fakeNccl(): FakeNccl {
  const folder = mkdtempSync(join(tmpdir(), 'fake-nccl-'))
  const library = join(folder, 'libnccl.so.2')
  const flags = ['-std=c++17', '-O1', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra']
  const built = spawnSync('g++', [...flags, SOURCE, '-o', library, '-lpthread', '-lrt'], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  symlinkSync('libnccl.so.2', join(folder, 'libcuda.so.1'))
  return {
    env: { LD_LIBRARY_PATH: folder, TRITUNE_NCCL_LIBRARY: library, FAKE_NCCL_FOLDER: folder },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
