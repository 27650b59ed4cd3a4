/**
 * `bun run binary`: one file with everything in it, for the platform that makes it. Prints its size, and how long it takes to start.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../core/errors.ts'
import { PLATFORM } from '../core/native/platforms.ts'
import { runCommand } from './_cli.ts'
import { ensureInstalled, ROOT } from './_setup.ts'

const HELP = `Make one file that needs neither Bun nor Node: the runtime, tritune, its libraries, the bundled model.

  bun run binary [options]

  --output <file>   default: outputs/tritune-${PLATFORM}
  --rehearse        tries it in a folder with nothing but Debian's C library and shell: needs root, apt-get and dpkg
  --no-build        takes dist/ as it is, instead of building it anew
  --help            this text

It is for the platform that makes it. What it carries is unpacked once into the cache folder (TRITUNE_CACHE, else ~/.cache/tritune).
`

await runCommand({
  help: HELP,
  positionals: { min: 0, max: 0 },
  options: { output: { type: 'string' }, rehearse: { type: 'boolean' }, 'no-build': { type: 'boolean' } },
  async run({ values }) {
    await ensureInstalled()
    const { DIST } = await import('./build/paths.ts')
    if (!values['no-build']) (await import('./build.ts')).build(DIST)
    const { makeBinary } = await import('./binary/make-binary.ts')
    const output =
      values.output ?? join(ROOT, `outputs/tritune-${PLATFORM}${process.platform === 'win32' ? '.exe' : ''}`)
    const made = makeBinary({ output, dist: DIST })
    console.log(`${made.path}`)
    console.log(
      `size       ${megabytes(made.bytes)}, ${megabytes(made.payloadBytes)} of it are ${made.files} files`,
    )
    const [first, ...later] = startSeconds(made.path)
    const best = Math.min(...later)
    console.log(
      `start      ${milliseconds(first)} the first time, ${milliseconds(best)} after that (best of ${later.length})`,
    )
    if (!values.rehearse) return
    const { rehearseBinary } = await import('./binary/rehearse.ts')
    if (!rehearseBinary(made.path)) process.exitCode = 1
  },
})

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Seconds of `--version`; the first time unpacks. */
function startSeconds(path: string): number[] {
  const cache = mkdtempSync(join(tmpdir(), 'tritune-start-'))
  try {
    return Array.from({ length: 6 }, () => {
      const began = performance.now()
      const { status, stderr } = spawnSync(path, ['--version'], {
        env: { ...process.env, TRITUNE_CACHE: cache },
        encoding: 'utf8',
      })
      if (status !== 0)
        throw new TrituneError('E_FILE', `the binary does not start: ${stderr}`, { place: path })
      return (performance.now() - began) / 1000
    })
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function milliseconds(seconds: number): string {
  return `${(1000 * seconds).toFixed(0)} ms`
}
