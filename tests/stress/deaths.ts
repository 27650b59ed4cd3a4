/**
 * Ways for a run to be disturbed, each at a moment of the caller's choice. `scripts/stress.ts kills` shows them.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Child, Ended } from './space.ts'

export interface Death {
  readonly name: string
  /** Does it to a run that writes into `out`. */
  strike(child: Child, out: string): void
  /** What the run may end with, besides 0 when it was done before. */
  readonly codes: readonly number[]
  /** The run must come to its end all the same. */
  readonly survives?: boolean
  /** What it must say when it ends with 1. */
  readonly says?: RegExp
  /** Before the run; undone when disposed. `null` where this machine cannot do it. */
  prepare?(out: string): Disposable | null
  /** Makes the world good again, before the next run. */
  mend?(out: string): void
}

function signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGHUP' | 'SIGINT', codes: readonly number[]): Death {
  return { name, codes, strike: (child) => void child.process.kill(name) }
}

const FILLER = 'filler'

/** A real disk that is full: a small file system of its own, which a filler takes up at once. Needs root. */
const fullDisk: Death = {
  name: 'full disk',
  codes: [1],
  says: /error: [^]*no space left on the disk/,
  prepare(out) {
    mkdirSync(out, { recursive: true })
    const options = ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', out]
    if (spawnSync('mount', options, { stdio: 'ignore' }).status !== 0) {
      rmSync(out, { recursive: true })
      return null
    }
    return { [Symbol.dispose]: () => void spawnSync('umount', [out], { stdio: 'ignore' }) }
  },
  strike(_, out) {
    const fd = openSync(join(out, FILLER), 'w')
    const block = new Uint8Array(4096)
    try {
      for (;;) writeSync(fd, block)
    } catch {
      // Full.
    } finally {
      closeSync(fd)
    }
  },
  mend(out) {
    if (existsSync(join(out, FILLER))) rmSync(join(out, FILLER))
  },
}

export const DEATHS: readonly Death[] = [
  signal('SIGKILL', [137]),
  // Before the first step nobody listens: then the signal ends the process as it ends any.
  signal('SIGTERM', [143]),
  signal('SIGHUP', [129]),
  signal('SIGINT', [130]),
  {
    name: 'closed pipe',
    codes: [],
    survives: true,
    strike({ process: child }) {
      child.stdout.destroy()
      child.stderr.destroy()
    },
  },
  fullDisk,
]

/** What is wrong with how a disturbed run ended. */
export function judgeEnd(death: Death, { code, output }: Ended): string[] {
  const problems: string[] = []
  if (code !== 0 && !death.codes.includes(code)) problems.push(`exit code ${code}: ${output.slice(-400)}`)
  if (code === 1 && death.says && !death.says.test(output)) problems.push(`it says ${output.slice(-400)}`)
  if (/^ +at /m.test(output)) problems.push(`a stack trace: ${output.slice(-600)}`)
  return problems
}
