/**
 * Which launcher started a process, by its environment; and the table of functions against the header.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { detectLauncher, environmentPlace } from '../../../plugins/distributed/mod.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'
import { DIST_ABI_VERSION, DIST_SYMBOLS, STATUS } from '../../../plugins/distributed/native/symbols.ts'

test('launchers are known by what they set', () => {
  const name = (env: Record<string, string>): string | undefined => detectLauncher(env)?.name
  expect(name({ OMPI_COMM_WORLD_SIZE: '2', PMIX_RANK: '0' })).toBe('mpirun of Open MPI')
  expect(name({ PMI_RANK: '0', PMI_SIZE: '2' })).toBe('mpiexec of MPICH')
  expect(name({ SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '2', PMIX_RANK: '0' })).toBe('srun with PMIx')
  expect(name({ SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '2', PMI_RANK: '0', PMI_SIZE: '2' })).toBe(
    'srun with PMI',
  )
  expect(detectLauncher({ SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '8' })).toEqual({ name: 'srun', size: 8 })
})

test('a script of a batch job, and what torchrun sets, are no job of MPI', () => {
  expect(detectLauncher({ SLURM_PROCID: '0', SLURM_NTASKS: '8' })).toBeNull()
  expect(detectLauncher({ SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '1' })).toBeNull()
  expect(detectLauncher({ RANK: '0', WORLD_SIZE: '2' })).toBeNull()
  expect(detectLauncher({ PMI_RANK: '0' })).toBeNull()
})

test('without MPI a process is what the environment says, torchrun’s names first', () => {
  const torchrun = { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '2', MASTER_ADDR: 'a' }
  expect(environmentPlace({ ...torchrun, MASTER_PORT: '1234', SLURM_PROCID: '9' })).toEqual({
    rank: 3,
    size: 4,
    localRank: 1,
    localSize: 2,
    meeting: 'a:1235',
  })
  const slurm = { SLURM_PROCID: '1', SLURM_NTASKS: '2', SLURM_LOCALID: '1', NCCL_COMM_ID: 'b:7' }
  expect(environmentPlace(slurm)).toEqual({ rank: 1, size: 2, localRank: 1, localSize: 2, meeting: 'b:7' })
  expect(thrownBy(() => environmentPlace({ ...torchrun, RANK: '4' }))[1]).toContain(
    'there is no process 4 of 4',
  )
  expect(thrownBy(() => environmentPlace({ ...torchrun, LOCAL_RANK: '-1' }))[1]).toContain('LOCAL_RANK')
  expect(thrownBy(() => environmentPlace({ RANK: '0' }))).toEqual(['E_CONFIG', 'WORLD_SIZE is not set'])
  expect(thrownBy(() => environmentPlace({ RANK: '0', WORLD_SIZE: '2' }))[1]).toContain(
    'MASTER_ADDR is not set',
  )
})

const HEADER = readFileSync(new URL('../../../native/include/tritune_dist.h', import.meta.url), 'utf8')

test('the table of functions is that of the header', () => {
  const types: Readonly<Record<string, string>> = { int32_t: 'i32', uint64_t: 'size' }
  const declared = Object.fromEntries(
    [...HEADER.matchAll(/^TT_DIST_API ([\w\s]+\*?) ?(tt_dist_\w+)\(([^)]*)\);/gm)].map(
      ([, returns, name, list]) => [
        name,
        {
          args:
            list === 'void'
              ? []
              : list.split(', ').map((p) => (p.includes('*') ? 'buf' : types[p.split(' ')[0]])),
          returns: returns.includes('*') ? 'cstr' : 'i32',
        },
      ],
    ),
  )
  expect(Object.keys(declared).length).toBeGreaterThan(15)
  expect<unknown>(DIST_SYMBOLS).toEqual(declared)
  expect(HEADER).toContain(`#define TT_DIST_ABI_VERSION ${DIST_ABI_VERSION}\n`)
})

test('so are the statuses', () => {
  const declared = [...HEADER.matchAll(/TT_DIST_(\w+) = (-?\d+)/g)]
    .map(([, name, value]): [string, number] => [name, Number(value)])
    .filter(([, value]) => value < 0)
  const camel = (name: string): string =>
    name.toLowerCase().replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())
  const expected = Object.fromEntries(declared.map(([name, value]) => [camel(name), value]))
  expect<unknown>({ ...expected, ok: 0 }).toEqual(STATUS)
})
