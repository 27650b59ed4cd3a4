/**
 * The files that the checks look at: what git tracks, and what it would track (so that a check works before `git add`).
 */
import { readFileSync, statSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { TrituneError } from '../../core/errors.ts'
import { ROOT } from '../_setup.ts'

/** What a check found. `details` are lines for people, worst first; a check without problems has none. */
export interface Verdict {
  readonly ok: boolean
  readonly summary: string
  readonly details: readonly string[]
}

/** A check passes when it found no problem. */
export function verdict(summary: string, problems: readonly string[]): Verdict {
  const ok = problems.length === 0
  return { ok, summary: ok ? summary : `${problems.length} of: ${summary}`, details: problems }
}

/** Repository-relative paths, sorted. Links and folders are left out. Throws E_USAGE outside of a git checkout. */
export function repositoryFiles(): string[] {
  const args = ['ls-files', '-z', '--cached']
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' })
  if (error || status !== 0) {
    throw new TrituneError('E_USAGE', `git cannot list the files: ${error?.message ?? stderr.trim()}`, {
      place: ROOT,
      remedy: 'run the checks in a git checkout',
    })
  }
  const names = new Set(stdout.split('\0').filter((name) => name !== ''))
  return [...names].filter((name) => statSync(ROOT + name, { throwIfNoEntry: false })?.isFile()).toSorted()
}

export function readText(path: string): string {
  return readFileSync(ROOT + path, 'utf8')
}

/** Bytes as characters, one to one: finds ASCII words in binary files too. */
export function readBytes(path: string): string {
  return readFileSync(ROOT + path, 'latin1')
}

/** `file.ts:12` of a character position. */
export function placeOf(path: string, text: string, index: number): string {
  return `${path}:${text.slice(0, index).split('\n').length}`
}

/** The code without comments and the insides of strings. Line breaks stay, so places stay right. */
export function codeOnly(source: string): string {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return source.replace(pattern, (part) => part.replace(/[^\n]/g, ' '))
}
