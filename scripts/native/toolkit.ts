/**
 * Finds CUDA toolkits (nvcc, headers, libcudart_static.a) and says for which GPUs they can compile.
 *
 * Looked for in CUDA<major>_HOME, CUDA_HOME, CUDA_PATH, /usr/local/cuda and /usr/local/cuda-*, /usr. Nothing is installed.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from './process.ts'

export interface Toolkit {
  readonly home: string
  readonly nvcc: string
  /** `13.0.88` */
  readonly version: string
  readonly staticRuntime: string
  /** GPUs it makes machine code for: `sm_80`, `sm_90a`, … */
  readonly gpus: readonly string[]
}

/** The toolkit of a major version, or null with the places looked at. */
export async function findToolkit(
  major: number,
): Promise<{ toolkit: Toolkit | null; looked: readonly string[] }> {
  const looked = toolkitHomes(major)
  for (const home of looked) {
    const toolkit = await readToolkit(home)
    if (toolkit && Number.parseInt(toolkit.version, 10) === major) return { toolkit, looked }
  }
  return { toolkit: null, looked }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function toolkitHomes(major: number): string[] {
  const named = [`CUDA${major}_HOME`, 'CUDA_HOME', 'CUDA_PATH'].map((name) => process.env[name] ?? '')
  const local = readdirSync('/usr/local')
    .filter((name) => name.startsWith(`cuda-${major}`))
    .toSorted()
    .toReversed()
  const homes = [...named, '/usr/local/cuda', ...local.map((name) => `/usr/local/${name}`), '/usr']
  return [...new Set(homes)].filter((home) => home !== '')
}

async function readToolkit(home: string): Promise<Toolkit | null> {
  const nvcc = join(home, 'bin/nvcc')
  if (!existsSync(nvcc)) return null
  const version = /\bV([\d.]+)/.exec((await run([nvcc, '--version'])).out)?.[1]
  const folders = ['lib64', 'targets/x86_64-linux/lib', 'lib', 'lib/x86_64-linux-gnu']
  const staticRuntime = folders
    .map((folder) => join(home, folder, 'libcudart_static.a'))
    .find((path) => existsSync(path))
  if (!version) throw new Error(`${nvcc} does not say its version`)
  if (!staticRuntime) {
    throw new Error(`${dirname(dirname(nvcc))} has nvcc ${version} but no libcudart_static.a`)
  }
  const gpus = (await run([nvcc, '--list-gpu-code'])).out.trim().split(/\s+/)
  return { home, nvcc, version, staticRuntime, gpus }
}
