/**
 * libtritune_dist under a sanitizer: its sources and a program that makes all collectives, in jobs of two and three processes over an MPI and an NCCL that stand for the real ones, all of it
 * instrumented. Afterwards a planted mistake that must be reported.
 */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { writeMacros } from './library.ts'
import { ROOT, run } from './process.ts'
import { say } from './sanitized-run.ts'
import { type Sanitizer, SANITIZERS } from './sanitizers.ts'
import { nativeSources } from './source-hash.ts'

const FIXTURES = 'tests/fixtures/dist'
const REPORT = /WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer|runtime error/

interface Built {
  readonly program: string
  readonly mpi: string
  readonly nccl: string
  readonly folder: string
}

/** What a job does, and with which libraries; `code` is what its processes end with. */
interface Job {
  readonly what: string
  readonly size: number
  readonly nccl: boolean
  readonly code?: number
}

const JOBS: readonly Job[] = [
  { what: 'mpi', size: 1, nccl: false },
  { what: 'mpi', size: 3, nccl: false },
  { what: 'mpi', size: 2, nccl: true },
  { what: 'alone', size: 1, nccl: true },
  { what: 'alone', size: 3, nccl: true },
  { what: 'late', size: 2, nccl: false, code: 86 },
]

/** Whether nothing was reported, and the planted mistake was. */
export async function sanitizeDist(sanitizer: Sanitizer): Promise<boolean> {
  const built = await build(sanitizer)
  let good = true
  for (const job of JOBS) {
    const { codes, text } = await runJob(built, job)
    const isRight = codes.every((code) => code === (job.code ?? 0)) && !REPORT.test(text)
    const name = `${job.what}${job.nccl ? ' with NCCL' : ''}, ${job.size}`
    good = say(isRight, name, isRight ? `exit code ${codes.join(', ')}` : text.slice(0, 3000)) && good
  }
  // UBSan alone sees neither.
  if (sanitizer === 'ubsan') return good
  const planted = await runJob(built, { what: `planted-${sanitizer}`, size: 1, nccl: false }, 2)
  return say(REPORT.test(planted.text), `${sanitizer}: planted`, 'the mistake is reported') && good
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function build(sanitizer: Sanitizer): Promise<Built> {
  const folder = join(ROOT, `native/build/dist-${sanitizer}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeMacros(`native/build/dist-${sanitizer}/generated.h`, { TT_SOURCE_HASH: '', TT_COMPILER: 'g++' })
  const flags = ['-std=c++17', '-Wall', '-Wextra', '-pthread', `-I${folder}`, ...SANITIZERS[sanitizer]]
  const sources = nativeSources('dist').filter(
    (path) => path.endsWith('.cpp') && basename(path) !== 'windows.cpp',
  )
  const compile = async (output: string, more: readonly string[]): Promise<string> => {
    const path = join(folder, output)
    await run(['g++', ...flags, ...more, '-o', path, '-ldl', '-lrt'])
    return path
  }
  const shared = (name: string): string[] => ['-shared', '-fPIC', join(FIXTURES, name)]
  const [program, mpi, nccl] = await Promise.all([
    // Pieces so short that all collectives have several.
    compile('program', ['-DTT_DIST_LONGEST=1000', join(FIXTURES, 'program.cpp'), ...sources]),
    compile('libmpi_abi.so.0', shared('fake-mpi.cpp')),
    compile('libnccl.so.2', shared('fake-nccl.cpp')),
  ])
  symlinkSync('libnccl.so.2', join(folder, 'libcuda.so.1'))
  return { program, mpi, nccl, folder }
}

async function runJob(
  { program, mpi, nccl, folder }: Built,
  { what, size, nccl: withNccl }: Job,
  processes = size,
): Promise<{ codes: number[]; text: string }> {
  const name = `/dist-${process.pid}-${performance.now().toFixed(0)}`
  const ended = await Promise.all(
    Array.from({ length: processes }, async (_, rank) => {
      const child = Bun.spawn([program, what, mpi, ...(withNccl ? [nccl] : [])], {
        env: {
          ...process.env,
          LD_LIBRARY_PATH: folder,
          FAKE_MPI_NAME: name,
          FAKE_MPI_RANK: String(rank),
          FAKE_MPI_SIZE: String(processes),
          NCCL_COMM_ID: name.slice(1),
          FAKE_NCCL_FOLDER: folder,
        },
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const timer = setTimeout(() => child.kill('SIGKILL'), 120_000)
      const [out, err, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ])
      clearTimeout(timer)
      return { code, text: out + err }
    }),
  )
  return { codes: ended.map(({ code }) => code), text: ended.map(({ text }) => text).join('') }
}
