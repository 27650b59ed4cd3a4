/**
 * Does on this machine what will be done on the one with the GPU: copies what travels, and only that, into an empty
 * folder, runs the command there on the emulated GPU, and looks at what comes back.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { JOURNAL, type Journal, readJournal } from '../bench/gpu/journal.ts'
import { SECTION_NAMES } from '../bench/gpu/sections.ts'
import { commandLine } from './command.ts'
import { ARCHIVE, LIMIT } from './contents.ts'
import { asideFolder } from './pack.ts'
import { expectWithin, travellers } from './travels.ts'

/** The stand-in for the GPU, which does not travel. */
const EMULATOR = 'native/emulator/prebuilt'

export interface Rehearsal {
  /** Python with torch, or null. */
  readonly python: string | null
  /** More arguments of scripts/bench/gpu.ts. */
  readonly more: readonly string[]
  /** Where the results are copied to; null: nowhere. */
  readonly out: string | null
}

/** Throws E_DATA with all that was not as it has to be. */
export function rehearse(root: string, { python, more, out }: Rehearsal, say: (line: string) => void): void {
  const aside = asideFolder(root)
  const folder = mkdtempSync(join(tmpdir(), 'tritune-rehearsal-'))
  try {
    const [tree, results, home] = ['tree', 'out', 'home'].map((name) => join(folder, name))
    for (const made of [tree, results, home]) mkdirSync(made)
    const files = travellers(root, { carried: [ARCHIVE] })
    expectWithin(files, LIMIT)
    for (const { path } of files) {
      mkdirSync(dirname(join(tree, path)), { recursive: true })
      copyAsIs(join(root, path), join(tree, path))
    }
    cpSync(join(aside, EMULATOR), join(tree, EMULATOR), { recursive: true })
    const line = commandLine({ python, more: [...more, '--emulated', '--quick'] })
    say(`${files.length} files copied, and the emulator in place of a GPU; running:\n${line}\n`)
    // Nothing of this session: neither its Bun nor its packages.
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, OUT: results }
    const { status, signal } = spawnSync('bash', ['-c', line], {
      cwd: tree,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const problems = [
      ...(status === 0 ? [] : [`the command ended with ${status ?? signal}`]),
      ...resultProblems(results, wantedIn(more)),
    ]
    if (out !== null) cpSync(results, out, { recursive: true })
    if (problems.length > 0)
      throw new TrituneError('E_DATA', `the rehearsal failed:\n  ${problems.join('\n  ')}`, {
        remedy: 'see what it printed above; --out keeps the results',
      })
    say('\nthe rehearsal went well: every section came to its end, and its results came back')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What would not come back, or is not in what came back. */
export function resultProblems(folder: string, sections: readonly string[]): string[] {
  const problems: string[] = []
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !lstatSync(join(folder, name)).isDirectory(),
  )
  if (files.length > MOST_FILES) problems.push(`${files.length} files, at most ${MOST_FILES} come back`)
  for (const file of files) {
    const entry = lstatSync(join(folder, file))
    if (!entry.isFile() || !/^(?:[\w.-]+\/){0,2}[\w.-]+$/.test(file))
      problems.push(`${file}: would not come back`)
    else if (entry.size > LARGEST) problems.push(`${file}: ${entry.size} bytes, at most ${LARGEST} come back`)
  }
  return [...problems, ...journalProblems(folder, sections)]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** What one run may bring back from a lent machine. */
const [MOST_FILES, LARGEST] = [8, 16 * 2 ** 20]

function journalProblems(folder: string, sections: readonly string[]): string[] {
  let journal: Journal
  try {
    journal = readJournal(join(folder, JOURNAL))
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
  const missing = sections.filter((section) => !journal.ended.has(section))
  const failed = journal.results.filter(({ ok }) => ok === false)
  return [
    ...(journal.head.emulated ? [] : ['the journal does not say that it was emulated']),
    ...missing.map((section) => `section ${section} did not come to its end`),
    ...failed.map(({ section, name, note }) => `${section}: ${name}: ${note}`),
  ]
}

function wantedIn(more: readonly string[]): readonly string[] {
  const at = more.indexOf('--only')
  return at < 0 ? SECTION_NAMES : more[at + 1].split(',')
}

function copyAsIs(from: string, to: string): void {
  if (lstatSync(from).isSymbolicLink()) cpSync(from, to, { verbatimSymlinks: true })
  else copyFileSync(from, to)
}
