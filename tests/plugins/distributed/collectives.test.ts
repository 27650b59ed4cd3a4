/**
 * Collectives between processes: every MPI library that is here, under Bun and Deno; and what becomes of a job when one process does
 * not do its part.
 */
import { describe, expect, test } from 'bun:test'
import { fileURLToPath } from 'node:url'
import { denoCommand } from '../../../scripts/_deno.ts'
import { leftOut } from '../../_tools.ts'
import { distLibrary, INSTALLED, type Job, type Mpi, NO_MPI, runJob } from './_mpi.ts'

const MEMBER = fileURLToPath(new URL('./_member.ts', import.meta.url))
const BUN = [process.execPath, MEMBER]
const DENO = [...denoCommand(), 'run', '-A', '--no-check', MEMBER]

async function job(mpi: Mpi, processes: number, command: readonly string[]): Promise<Job> {
  return await runJob(mpi, [[processes, command]], { library: await distLibrary() })
}

test.skipIf(NO_MPI === null)(leftOut('jobs of several processes', NO_MPI), () => {})

for (const mpi of INSTALLED) {
  describe(mpi.name, () => {
    test('sums, parts of sums, bytes and texts are right on one, two and three processes', async () => {
      for (const processes of [1, 2, 3]) {
        const { code, output } = await job(mpi, processes, [...BUN, 'collectives'])
        expect([processes, output, code]).toEqual([
          processes,
          expect.stringMatching(/^wrong: nothing\nconnected by libmpi/),
          0,
        ])
      }
    }, 60_000)

    test('under Deno, too', async () => {
      const { code, output } = await job(mpi, 2, [...DENO, 'collectives'])
      expect(output).toContain('wrong: nothing')
      expect(code).toBe(0)
    }, 60_000)

    test('a process that does not come is an error in the time that was given, and ends the job', async () => {
      const started = performance.now()
      const { code, output } = await job(mpi, 2, [...BUN, 'late'])
      expect(output).toContain('E_PEER: a gather waited 0.3 s for the other processes: one is late or dead')
      expect(code).not.toBe(0)
      expect(performance.now() - started).toBeLessThan(15_000)
    }, 60_000)

    test('a process that ends without leaving ends the job, which has failed', async () => {
      const { code } = await job(mpi, 2, [...BUN, 'leave'])
      expect(code).not.toBe(0)
    }, 60_000)
  })
}

test.skipIf(INSTALLED.length < 2)(
  'a launcher and a library of different families are told apart',
  async () => {
    const [openMpi] = INSTALLED
    const { code, output } = await runJob(openMpi, [[2, [...BUN, 'collectives']]], {
      library: await distLibrary(),
      env: { TRITUNE_MPI_LIBRARY: 'libmpich.so.12' },
    })
    expect(output).toContain('the launcher started 2 processes, and libmpich.so.12')
    expect(output).toContain('sees 1: they are of different families')
    expect(code).not.toBe(0)
  },
  60_000,
)

test.skipIf(INSTALLED.length === 0)(
  'a library that is not there is told with what was tried',
  async () => {
    const { output } = await runJob(INSTALLED[0], [[1, [...BUN, 'collectives']]], {
      library: await distLibrary(),
      env: { TRITUNE_MPI_LIBRARY: 'libnothing.so.1' },
    })
    expect(output).toContain('no MPI library could be opened')
    expect(output).toContain('libnothing.so.1')
  },
  60_000,
)
