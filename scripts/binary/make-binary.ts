/**
 * Makes one file that runs without anything else: the Bun that runs this, and what `binaryContents()` lists.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { PLATFORM } from '../../core/native/platforms.ts'
import { ROOT } from '../_setup.ts'
import { binaryContents } from './contents.ts'
import { packFiles } from './payload.ts'

export interface MadeBinary {
  readonly path: string
  readonly bytes: number
  /** Of what it carries, compressed. */
  readonly payloadBytes: number
  readonly files: number
}

export interface MakeBinaryOptions {
  /** Where it goes. */
  readonly output: string
  /** What `bun run build` made; ends with a slash. */
  readonly dist: string
}

/** E_FILE when the package is not built; E_FORMAT with what Bun said when it cannot compile. */
export function makeBinary({ output, dist }: MakeBinaryOptions): MadeBinary {
  const files = binaryContents({ dist, root: ROOT, platform: PLATFORM })
  const payload = packFiles(files)
  const name = createHash('sha256').update(payload).digest('hex').slice(0, 16)
  const folder = mkdtempSync(join(tmpdir(), 'tritune-binary-'))
  try {
    writeFileSync(join(folder, 'payload.bin'), payload)
    writeFileSync(join(folder, 'main.ts'), entry(name))
    const path = resolve(output)
    mkdirSync(dirname(path), { recursive: true })
    compile(join(folder, 'main.ts'), path)
    return { path, bytes: statSync(path).size, payloadBytes: payload.length, files: files.length }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function entry(name: string): string {
  return [
    "import payload from './payload.bin' with { type: 'file' }",
    `import { start } from ${JSON.stringify(join(ROOT, 'scripts/binary/start.ts'))}`,
    `await start(payload, ${JSON.stringify(name)})`,
    '',
  ].join('\n')
}

/** What lies in the folder of who runs it must not change it: no bunfig.toml is read. The manifests of the unpacked packages are. */
const FLAGS = ['--compile', '--minify', '--no-compile-autoload-bunfig', '--compile-autoload-package-json']

function compile(main: string, output: string): void {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['build', ...FLAGS, main, '--outfile', output],
    { encoding: 'utf8' },
  )
  if (status === 0) return
  throw new TrituneError('E_FORMAT', `the binary cannot be compiled:\n${(stderr || stdout).trim()}`)
}
