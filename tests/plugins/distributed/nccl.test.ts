/**
 * NCCL by a library that stands for it, in the memory of the host: collectives of an emulated GPU without MPI and with it, what is late or gone, and whole runs. A real one has
 * never been met here.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { leftOut } from '../../_tools.ts'
import { fileBytes, metricsOf, tinyRun, workspace } from '../finetune/_run.ts'
import { type FakeNccl, fakeNccl, NO_COMPILER } from './_fake-nccl.ts'
import { distLibrary, INSTALLED, type Job, runJob } from './_mpi.ts'

const MEMBER = fileURLToPath(new URL('./_gpu-member.ts', import.meta.url))
const FINETUNE = fileURLToPath(new URL('../../../scripts/finetune.ts', import.meta.url))
const MINUTE = 60_000
const folder = workspace()
let fake: FakeNccl | null = null
let library = ''
beforeAll(async () => {
  if (NO_COMPILER !== null) return
  fake = fakeNccl()
  library = await distLibrary()
}, MINUTE)
afterAll(() => {
  fake?.[Symbol.dispose]()
  folder[Symbol.dispose]()
})

interface Ended {
  readonly code: number
  readonly output: string
}

/** As torchrun does: each process with its place in the environment. */
async function byEnvironment(
  size: number,
  command: readonly string[],
  more: (rank: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<Ended[]> {
  const port = String(20_000 + Math.floor(Math.random() * 20_000))
  return await Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const child = Bun.spawn([process.execPath, ...command], {
        env: {
          ...process.env,
          ...fake?.env,
          TRITUNE_DIST_LIBRARY: library,
          RANK: String(rank),
          WORLD_SIZE: String(size),
          LOCAL_RANK: String(rank),
          LOCAL_WORLD_SIZE: String(size),
          MASTER_ADDR: '127.0.0.1',
          MASTER_PORT: port,
          ...more(rank),
        },
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ])
      return { code: await child.exited, output: out + err }
    }),
  )
}

function byMpi(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Job> {
  const [mpi] = INSTALLED
  return runJob(mpi, [[2, [process.execPath, ...command]]], { library, env: { ...fake?.env, ...env } })
}

test.skipIf(NO_COMPILER === null)(leftOut('NCCL', NO_COMPILER), () => {})

const withCompiler = test.skipIf(NO_COMPILER !== null)
const withMpi = test.skipIf(NO_COMPILER !== null || INSTALLED.length === 0)

for (const size of [2, 3])
  withCompiler(
    `${size} processes without MPI: all collectives are right, and all have the same bits`,
    async () => {
      const ended = await byEnvironment(size, [MEMBER, 'collectives'])
      expect(ended.map(({ code }) => code)).toEqual(ended.map(() => 0))
      expect(ended[0].output).toBe('wrong: nothing\n1 kinds of bits by NCCL 2.27.3\n')
    },
    MINUTE,
  )

withMpi(
  'with MPI: NCCL for the GPU, MPI for the rest',
  async () => {
    const { code, output } = await byMpi([MEMBER, 'collectives'])
    expect(output).toContain('wrong: nothing\n1 kinds of bits by NCCL 2.27.3, libmpi')
    expect(code).toBe(0)
  },
  MINUTE,
)

withMpi(
  'where one has it not, or it is not wanted, it is not taken; another version is refused',
  async () => {
    const unwanted = await byMpi([MEMBER, 'collectives'], { TRITUNE_ENGINE: 'mpi' })
    expect(unwanted.output).toContain('wrong: no NCCL')
    const missing = await byMpi([MEMBER, 'collectives'], { TRITUNE_NCCL_LIBRARY: 'libnothing.so.2' })
    expect(missing.output).toContain('wrong: no NCCL')
    const odd = await runJob(
      INSTALLED[0],
      [
        [1, [process.execPath, MEMBER, 'collectives']],
        [1, ['env', 'FAKE_NCCL_VERSION=22805', process.execPath, MEMBER, 'collectives']],
      ],
      { library, env: { ...fake?.env } },
    )
    expect(odd.output).toContain('process 1 of 2 has NCCL 2.28.5 where process 0 has NCCL 2.27.3')
    expect(odd.code).not.toBe(0)
  },
  MINUTE,
)

withCompiler(
  'a process that is late for a sum: the others give up in their time, and it fails when it comes',
  async () => {
    const [first, second] = await byEnvironment(2, [MEMBER, 'late'])
    expect([first.code, first.output]).toEqual([
      86,
      expect.stringContaining('process 0: E_PEER: a sum waited 0.3 s for the other processes'),
    ])
    expect([second.code, second.output]).toEqual([86, expect.stringMatching(/process 1: E_PEER: a sum /)])
  },
  MINUTE,
)

withCompiler(
  'a process that aborts: what another one waits for fails at once, by what NCCL says',
  async () => {
    const started = performance.now()
    const [first, second] = await byEnvironment(2, [MEMBER, 'abort'])
    expect(second.code).toBe(9)
    expect([first.code, first.output]).toEqual([
      86,
      expect.stringContaining(
        'a sum failed (-10): a sum: remote process exited or there was a network error (6)',
      ),
    ])
    expect(performance.now() - started).toBeLessThan(15_000)
  },
  MINUTE,
)

withCompiler(
  'what is wrong with the environment, the library or the GPU is told at the start',
  async () => {
    const [none] = await byEnvironment(1, [MEMBER], () => ({ TRITUNE_ENGINE: 'nccl', MASTER_ADDR: '' }))
    expect(none.output).toContain('MASTER_ADDR is not set')
    const [bad] = await byEnvironment(1, [MEMBER], () => ({ TRITUNE_ENGINE: 'nccl', WORLD_SIZE: 'two' }))
    expect(bad.output).toContain('WORLD_SIZE: expected a whole number, got "two"')
    const [engine] = await byEnvironment(1, [MEMBER], () => ({ TRITUNE_ENGINE: 'gloo' }))
    expect(engine.output).toContain('TRITUNE_ENGINE: expected one of auto, mpi, nccl, got "gloo"')
    const [missing] = await byEnvironment(1, [MEMBER], () => ({
      TRITUNE_ENGINE: 'nccl',
      TRITUNE_NCCL_LIBRARY: 'libnothing.so.2',
    }))
    expect(missing.output).toContain('this is process 0 of 1, and no NCCL library could be opened')
    const [gpu] = await byEnvironment(1, [MEMBER], () => ({ TRITUNE_ENGINE: 'nccl', FAKE_GPUS: '0' }))
    expect(gpu.output).toContain(
      'looking for the GPU: the driver of the GPU says invalid device ordinal (101)',
    )
    const [alone] = await byEnvironment(1, [MEMBER, 'collectives', '300'], () => ({ WORLD_SIZE: '2' }))
    expect(alone.output).toMatch(/process 0 of 2 waited 0.3 s at 127.0.0.1:\d+ for the others/)
  },
  MINUTE,
)

withCompiler(
  'a run of two processes on emulated GPUs without MPI has the losses of one process',
  async () => {
    const yaml = join(folder.path, 'run.yaml')
    const run = { ...tinyRun(folder.path), micro_batch_size: 1, max_steps: 2, device: 'cuda-emulated' }
    writeFileSync(yaml, JSON.stringify({ ...run, lora_dropout: 0, val_set_size: 0 }))
    const settings = (output: string, accumulation: number): string[] => [
      FINETUNE,
      yaml,
      '--set',
      `output_dir=${join(folder.path, output)}`,
      '--set',
      `gradient_accumulation_steps=${accumulation}`,
    ]
    const [one] = await byEnvironment(1, settings('one', 2))
    expect([one.code, one.output]).toEqual([0, expect.not.stringContaining('processes')])
    const [first, second] = await byEnvironment(2, settings('two', 1))
    expect([second.code, second.output]).toEqual([0, ''])
    expect([first.code, first.output]).toEqual([0, expect.stringContaining('processes  2 (NCCL 2.27.3)')])
    const losses = (output: string): number[] =>
      metricsOf(join(folder.path, output)).map((line) => Number(Reflect.get(Object(line), 'loss')))
    for (const [i, loss] of losses('two').entries())
      expect(Math.abs(loss - losses('one')[i])).toBeLessThan(1e-5 * losses('one')[i])
    expect(fileBytes(folder.path, 'two', 'adapter_model.safetensors').length).toBeGreaterThan(0)
  },
  MINUTE,
)
