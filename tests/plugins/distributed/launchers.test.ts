/**
 * What else can start the processes, or connect them: the quickstart under Deno, and a library with the standard ABI of MPI 5, made of MPICH.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { denoCommand } from '../../../scripts/_deno.ts'
import { ROOT } from '../../../scripts/_setup.ts'
import { leftOut } from '../../_tools.ts'
import { metricsOf, workspace } from '../finetune/_run.ts'
import { distLibrary, INSTALLED, NO_MPI, runJob } from './_mpi.ts'

const MEMBER = fileURLToPath(new URL('./_member.ts', import.meta.url))
const FIXTURE = fileURLToPath(new URL('../../fixtures/dist/mpi-abi.c', import.meta.url))
const MINUTE = 60_000
const mpich = INSTALLED.find(({ name }) => name === 'MPICH')
const NO_MPICC =
  mpich !== undefined && spawnSync('mpicc.mpich', ['--version']).status === 0
    ? null
    : 'mpicc.mpich is not here'

const folder = workspace()
let library = ''
beforeAll(async () => {
  if (INSTALLED.length > 0) library = await distLibrary()
}, MINUTE)
afterAll(() => folder[Symbol.dispose]())

test.skipIf(NO_MPI === null)(leftOut('the quickstart of many processes', NO_MPI), () => {})
test.skipIf(NO_MPICC === null)(leftOut('the ABI of MPI 5', NO_MPICC), () => {})

test.skipIf(INSTALLED.length === 0)(
  'the quickstart on two processes: under Deno the losses of Bun',
  async () => {
    const losses = async (name: string, runtime: readonly string[]): Promise<unknown[]> => {
      const output = join(folder.path, name)
      const settings = [
        `output_dir=${output}`,
        'max_steps=3',
        'save_steps=3',
        'device=cpu',
        'logging_steps=1',
      ]
      const command = [
        ...runtime,
        join(ROOT, 'scripts/finetune.ts'),
        join(ROOT, 'quickstart/distributed.yaml'),
        ...settings.flatMap((set) => ['--set', set]),
      ]
      const { code, output: told } = await runJob(INSTALLED[0], [[2, command]], { library })
      expect([code, told]).toEqual([0, expect.stringContaining('processes  2 (')])
      return metricsOf(output).map((line): unknown => Reflect.get(Object(line), 'loss'))
    }
    const deno = await losses('deno', [...denoCommand(), 'run', '-A', '--no-check'])
    expect(deno).toHaveLength(3)
    expect(deno).toEqual(await losses('bun', [process.execPath]))
  },
  MINUTE,
)

test.skipIf(NO_MPICC !== null)(
  'a library with the ABI of MPI 5 is taken where there is one: all collectives, under Bun and Deno',
  async () => {
    if (mpich === undefined) throw new Error('MPICH is not here')
    const made = join(folder.path, 'libmpi_abi.so.0')
    const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-o', made, FIXTURE]
    expect(spawnSync('mpicc.mpich', flags, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    const env = { LD_LIBRARY_PATH: folder.path }
    for (const runtime of [[process.execPath], [...denoCommand(), 'run', '-A', '--no-check']]) {
      const { code, output } = await runJob(mpich, [[2, [...runtime, MEMBER, 'collectives']]], {
        library,
        env,
      })
      expect([output, code]).toEqual([
        expect.stringMatching(/wrong: nothing\nconnected by libmpi_abi\.so\.0: MPICH Version:/),
        0,
      ])
    }
    const { output } = await runJob(mpich, [[2, [process.execPath, MEMBER, 'late']]], { library, env })
    expect(output).toContain('E_PEER: a gather waited 0.3 s for the other processes: one is late or dead')
  },
  MINUTE,
)

test.skipIf(mpich === undefined)(
  'a process that MPICH’s launcher reaches no more, since another one was started in between, says so',
  async () => {
    if (mpich === undefined) throw new Error('MPICH is not here')
    const command = [process.execPath, 'run', '--cwd', ROOT, 'finetune', 'quickstart/distributed.yaml']
    const { code, output } = await runJob(mpich, [[2, command]], { library })
    expect(output).toContain('the connection to the launcher has been closed on the way to this process')
    expect(output).toContain('start the program itself: `bun scripts/finetune.ts`')
    expect(code).not.toBe(0)
  },
  MINUTE,
)
