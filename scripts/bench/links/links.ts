/**
 * Sums of two processes: over shared memory, and over a cable of 0.1, 1 and 10 Gb/s between two network namespaces. The constants of the
 * cost model come from here.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../../core/errors.ts'
import { type Link, LINKS, sumSeconds } from '../../../plugins/distributed/mod.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'
import { noMachines, twoMachines } from './namespaces.ts'
import { slowRuns } from './slow-runs.ts'

const MEMBER = fileURLToPath(new URL('./member.ts', import.meta.url))
const RATES = { '100 Mb/s': '100mbit', '1 Gb/s': '1gbit', '10 Gb/s': '10gbit' } as const
/** Bytes of the largest sum: 1.4 s at 100 Mb/s. */
const LARGEST = 2 ** 24

export const links: Topic = {
  name: 'links',
  async run(context) {
    const asks = (name: string): boolean => context.only === null || `a sum, ${name}`.includes(context.only)
    const shared = asks('shared memory') ? sharedRows(context) : []
    const why = noMachines()
    if (why !== null) {
      context.progress(`no cables: ${why}`)
      return await Promise.resolve(shared)
    }
    const cables = Object.entries(RATES).flatMap(([name, rate]) => {
      if (!asks(name)) return []
      context.progress(`sums over ${name}`)
      using machines = twoMachines(rate)
      const [first] = machines.names
      const command = [...machines.on(first), 'mpirun.openmpi']
      return rowsOf(name, LINKS[name as keyof typeof LINKS], measure(command, machines.options, context))
    })
    return [...shared, ...cables, ...slowRuns(context)]
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function sharedRows(context: BenchContext): Row[] {
  context.progress('sums over shared memory')
  return rowsOf('shared memory', null, measure(['mpirun.openmpi'], [], context))
}

interface Times {
  readonly times: readonly { readonly bytes: number; readonly seconds: number }[]
}

function measure(mpirun: readonly string[], options: readonly string[], { quick }: BenchContext): Times {
  const [command, ...args] = mpirun
  const all = [...args, '-n', '2', '--bind-to', 'none', ...options]
  const child = spawnSync(command, [...all, process.execPath, MEMBER, String(LARGEST), quick ? '0.2' : '1'], {
    encoding: 'utf8',
    env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
    timeout: 120_000,
  })
  const line = (child.stdout ?? '').split('\n').find((text) => text.startsWith('{'))
  if (line !== undefined) return JSON.parse(line)
  throw new TrituneError(
    'E_NATIVE',
    `mpirun of Open MPI gave nothing: ${child.error?.message ?? child.stderr}`,
    {
      remedy: 'install it (Debian: openmpi-bin), and build the library: bun run native --library=dist',
    },
  )
}

/** Beside what the cost model says, where it says something. */
function rowsOf(name: string, model: Link | null, { times }: Times): Row[] {
  return times.map(({ bytes, seconds }) => {
    const modelled = model === null ? null : 1000 * sumSeconds(2, bytes, model)
    return {
      name: `a sum of ${bytes / 1024} KiB, ${name}`,
      unit: 'ms',
      ours: 1000 * seconds,
      peer: modelled,
      ratio: modelled === null ? null : (1000 * seconds) / modelled,
      better: 'lower',
      floor: null,
      goal: null,
      note: `${(bytes / seconds / 1e9).toFixed(3)} GB/s`,
    }
  })
}
