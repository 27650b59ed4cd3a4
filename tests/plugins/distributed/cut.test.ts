/**
 * A job over two machines whose cable is taken out: two network namespaces. Nobody waits for what never comes, and the run goes on from what
 * was saved.
 */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { noMachines, twoMachines } from '../../../scripts/bench/links/namespaces.ts'
import { leftOut } from '../../_tools.ts'
import { tinyRun, workspace } from '../finetune/_run.ts'
import { distLibrary, INSTALLED, runJob } from './_mpi.ts'

const FINETUNE = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))
const reason = INSTALLED.some(({ name }) => name === 'Open MPI') ? noMachines() : 'mpirun.openmpi is not here'

test.skipIf(reason !== null)(
  leftOut('a cut cable ends the job in the time that was given', reason),
  async () => {
    const library = await distLibrary()
    using folder = workspace()
    using machines = twoMachines('1gbit')
    const yaml = join(folder.path, 'run.yaml')
    const settings = { save_strategy: 'steps', save_steps: 2, max_steps: 5000, ddp_timeout: 2, device: 'cpu' }
    writeFileSync(yaml, JSON.stringify({ ...tinyRun(folder.path), ...settings }))
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
        if (cut > 0 || !told.includes('checkpoint-2\n')) return
        cut = performance.now()
        machines.cut()
      },
    })
    expect(cut).toBeGreaterThan(0)
    expect(output).toContain('waited 2 s for the other processes: one is late or dead')
    expect(code).not.toBe(0)
    expect(performance.now() - cut).toBeLessThan(40_000)
  },
  90_000,
)
