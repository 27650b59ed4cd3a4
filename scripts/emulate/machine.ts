/**
 * Machines that do the tasks of inside.ts: this one, an ARM64 CPU that qemu emulates, Windows as Wine does it.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { ROOT } from '../_setup.ts'
import type { Wine } from '../rehearse/wine.ts'
import { TARGETS } from '../native/targets.ts'
import type { Task, TaskOptions } from './tasks.ts'
import { ARM64_ROOT, QEMU } from './tools.ts'

export interface Machine {
  readonly name: string
  /** Does a task in `folder`, a new one for each; returns the answer. Throws E_DATA with what was printed when there is none. */
  ask<Answer>(task: Task, options: TaskOptions, folder: string): Promise<Answer>
}

const INSIDE = join(ROOT, 'scripts/emulate/inside.ts')

export const thisMachine: Machine = machineOf('this machine', {
  start: (args) => spawned([process.execPath, ...args]),
})

/** `cpu`: a name of qemu, `cortex-a53`, `neoverse-n1`, `max`. */
export function arm64Machine(cpu: string, bun: string): Machine {
  return machineOf(cpu, {
    start: (args, env) => spawned([QEMU, '-cpu', cpu, bun, ...args], env),
    env: {
      QEMU_LD_PREFIX: ARM64_ROOT,
      TRITUNE_CPU_LIBRARY: join(ROOT, TARGETS['linux-arm64'].output),
    },
  })
}

/** Starts a program on the emulated CPU and waits; both streams together. */
export async function runOnArm64(cpu: string, command: readonly string[]): Promise<Ended> {
  return await spawned([QEMU, '-cpu', cpu, ...command], { QEMU_LD_PREFIX: ARM64_ROOT })
}

export function wineMachine(wine: Wine, bun: string): Machine {
  return machineOf('Wine', {
    start: (args, env) => wine.run([bun, ...args], { cwd: ROOT, env }),
    env: { TRITUNE_CPU_LIBRARY: wine.path(join(ROOT, TARGETS['win32-x64'].output)) },
    path: (path) => wine.path(path),
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Env = Readonly<Record<string, string>>
export type Ended = { readonly code: number | null; readonly text: string }

interface Kind {
  start(args: readonly string[], env: Env): Promise<Ended>
  readonly env?: Env
  /** A path as programs there see it. */
  readonly path?: (path: string) => string
}

function machineOf(name: string, { start, env = {}, path = (same) => same }: Kind): Machine {
  return {
    name,
    async ask(task, options, folder) {
      mkdirSync(folder, { recursive: true })
      const file = join(folder, `${task}.json`)
      const inside = {
        ...options,
        folder: path(folder),
        ...(options.models ? { models: options.models.map((model) => path(join(ROOT, model))) } : {}),
      }
      // A cache of its own: the check of a first use is done each time.
      const { code, text } = await start([path(INSIDE), task, path(file), JSON.stringify(inside)], {
        ...env,
        TRITUNE_CACHE: path(join(folder, 'cache')),
      })
      if (code === 0) return JSON.parse(readFileSync(file, 'utf8'))
      throw new TrituneError('E_DATA', `${task} on ${name} ended with ${code}:\n${text.trim()}`)
    },
  }
}

async function spawned([program, ...args]: readonly string[], env: Env = {}): Promise<Ended> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new TrituneError('E_DATA', `${program} does not start: ${cause.message}`, { cause })),
    )
    child.once('close', resolve)
  })
  return { code, text }
}
