/**
 * A job over two machines whose cable is taken out: two network namespaces. Nobody waits for what never comes, and the run goes on from what
 * was saved.
 */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { noMachines, twoMachines } from '../../../scripts/bench/links/namespaces.ts'
import { leftOut } from '../../_tools.ts'
import { metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { distLibrary, INSTALLED, runJob } from './_mpi.ts'

const FINETUNE = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))
const reason = INSTALLED.some(({ name }) => name === 'Open MPI') ? noMachines() : 'mpirun.openmpi is not here'

interface Cut {
  readonly code: number | null
  readonly output: string
  /** From when the cable was taken out. */
  readonly milliseconds: number
  readonly folder: string
}

/** A job of two processes whose cable is taken out when the first checkpoint is there. */
async function cutJob(path: string, changes: Readonly<Record<string, unknown>>): Promise<Cut> {
  const library = await distLibrary()
  using machines = twoMachines('1gbit')
  const yaml = join(path, 'run.yaml')
  const settings = { save_strategy: 'steps', save_steps: 2, ddp_timeout: 2, device: 'cpu', ...changes }
  writeFileSync(yaml, JSON.stringify({ ...tinyRun(path), ...settings }))
  const mpi = {
    name: 'Open MPI',
    command: [
      ...machines.on(machines.names[0]),
      'mpirun.openmpi',
      '--bind-to',
      'none',
      '-x',
      'TRITUNE_DIST_LIBRARY',
      ...machines.options,
    ],
  } as const
  let cut = 0
  const { code, output } = await runJob(mpi, [[2, [process.execPath, FINETUNE, yaml]]], {
    library,
    onOutput(told) {
      if (cut > 0 || !/checkpoint-\d+\n/.test(told)) return
      cut = performance.now()
      machines.cut()
    },
  })
  expect(cut).toBeGreaterThan(0)
  return { code, output, milliseconds: performance.now() - cut, folder: join(path, 'out') }
}

const NO_ANSWER = 'waited 2 s for the other processes: one is late or dead'

test.skipIf(reason !== null)(
  leftOut('a cut cable ends the job in the time that was given', reason),
  async () => {
    using folder = workspace()
    const { code, output, milliseconds } = await cutJob(folder.path, { max_steps: 5000 })
    expect(output).toContain(NO_ANSWER)
    expect(code).not.toBe(0)
    expect(milliseconds).toBeLessThan(40_000)
  },
  90_000,
)

test.skipIf(reason !== null)(
  leftOut('so it does where processes make steps of their own', reason),
  async () => {
    using folder = workspace()
    const { code, output, milliseconds } = await cutJob(folder.path, {
      max_steps: 5000,
      diloco: { every: 2 },
    })
    expect(output).toContain(NO_ANSWER)
    expect(output).not.toContain('going on alone')
    expect(code).not.toBe(0)
    expect(milliseconds).toBeLessThan(40_000)
  },
  90_000,
)

test.skipIf(reason !== null)(
  leftOut('the first process goes on alone where it is told to, to the end of the run', reason),
  async () => {
    using folder = workspace()
    const {
      output,
      milliseconds,
      folder: out,
    } = await cutJob(folder.path, {
      max_steps: 300,
      save_steps: 20,
      eval_steps: 150,
      val_set_size: 3,
      diloco: { every: 2, when_cut: 'go_on' },
    })
    expect(output).toContain(`${NO_ANSWER}; going on alone`)
    expect(metricsOf(out).at(-1)).toMatchObject({ step: 300 })
    expect(existsSync(join(out, 'adapter_model.safetensors'))).toBe(true)
    expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({ status: 'completed' })
    expect(milliseconds).toBeLessThan(60_000)
  },
  90_000,
)
