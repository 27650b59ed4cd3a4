/**
 * A project that has tritune installed, made without a registry: the packages as they are built, and what they need linked from here.
 */
import { spawnSync } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { platformPackage } from '../../core/native/platform-packages.ts'
import { denoCommand } from '../../scripts/_deno.ts'
import { ROOT } from '../../scripts/_setup.ts'
import { build } from '../../scripts/build.ts'
import { rootManifest } from '../../scripts/build/manifests.ts'
import { temporaryFolder } from '../_golden.ts'

export interface Answer {
  readonly exitCode: number | null
  /** Both streams. */
  readonly text: string
}

export interface Project extends Disposable {
  readonly path: string
  tritune(runtime: readonly string[], args: readonly string[], options?: CallOptions): Answer
}

export interface CallOptions {
  /** As this user, where the tests run as root. */
  readonly uid?: number
}

export const BUN: readonly string[] = [process.execPath]
export const DENO: readonly string[] = [...denoCommand(), 'run', '-A']

const RUN = `base_model: ./model
output_dir: ./adapter
adapter: lora
lora_target_linear: true
datasets:
  - { path: text.jsonl, type: completion }
sequence_len: 64
max_steps: 2
learning_rate: 1e-3
threads: 1
logging_steps: 1
device: cpu
`

/** `platforms`: which packages with libraries are installed. */
export function createProject(platforms: readonly string[] = [platformPackage('cpu')]): Project {
  const folder = temporaryFolder()
  const modules = join(folder.path, 'node_modules')
  const dist = join(folder.path, 'dist/')
  build(dist)
  cpSync(join(dist, 'tritune'), join(modules, 'tritune'), { recursive: true })
  for (const name of platforms) cpSync(join(dist, name), join(modules, name), { recursive: true })
  rmSync(dist, { recursive: true })
  for (const name of Object.keys(rootManifest().dependencies)) {
    mkdirSync(join(modules, name, '..'), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  writeFileSync(join(folder.path, 'package.json'), '{ "name": "stranger", "type": "module" }')
  writeFileSync(join(folder.path, 'my.yaml'), RUN)
  writeFileSync(
    join(folder.path, 'text.jsonl'),
    `${JSON.stringify({ text: 'The captain stood. '.repeat(9) })}\n`.repeat(8),
  )
  symlinkSync(join(modules, 'tritune/quickstart/model'), join(folder.path, 'model'))
  return {
    path: folder.path,
    tritune([program, ...before], args, { uid } = {}) {
      const command = join(modules, 'tritune/scripts/tritune.js')
      if (uid !== undefined) chownSync(folder.path, uid, uid)
      const { status, stdout, stderr } = spawnSync(program, [...before, command, ...args], {
        cwd: folder.path,
        encoding: 'utf8',
        ...(uid !== undefined && { uid }),
        // Nobody answers there.
        env: {
          PATH: process.env['PATH'],
          HOME: folder.path,
          NO_COLOR: '1',
          NPM_CONFIG_REGISTRY: 'http://127.0.0.1:9/',
          BUN_CONFIG_REGISTRY: 'http://127.0.0.1:9/',
        },
      })
      return { exitCode: status, text: `${stdout}${stderr}` }
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}
