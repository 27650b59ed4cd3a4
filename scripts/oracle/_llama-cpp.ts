/**
 * llama.cpp, as npm's node-llama-cpp brings it: installed once into a cache outside of the repository, run by Node.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../core/mod.ts'
import { ROOT } from '../_setup.ts'

const VERSION = '3.22.1'

/** What llama.cpp is asked of one file. */
export interface LlamaCppJob {
  readonly model: string
  /** A LoRA as a GGUF file. */
  readonly lora?: string
  /** Ids whose logits are asked for. */
  readonly ids?: readonly number[]
  /** Texts whose ids are asked for; special tokens in them are tokens. */
  readonly texts?: readonly string[]
}

export interface LlamaCppAnswer {
  readonly logits: Float32Array | null
  readonly ids: readonly (readonly number[])[] | null
  readonly error: string | null
}

/** The folder that has it; installs it (about 40 MB) when it is not there. */
export function findLlamaCpp(cache: string = join(homedir(), '.cache/tritune-oracle')): string {
  const home = join(cache, 'node-llama-cpp')
  if (existsSync(join(home, 'node_modules/node-llama-cpp/package.json'))) return home
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
  const names = [
    `node-llama-cpp@${VERSION}`,
    `@node-llama-cpp/${process.platform}-${process.arch}@${VERSION}`,
  ]
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--omit=optional', ...names]
  const { status, stderr, error } = spawnSync('npm', args, { cwd: home, encoding: 'utf8' })
  if (status === 0) return home
  throw new TrituneError(
    'E_HUB',
    `node-llama-cpp could not be installed: ${error?.message ?? stderr.slice(-400)}`,
    {
      place: home,
      remedy: `in that folder: npm ${args.join(' ')}`,
    },
  )
}

/** Answers in the order of the jobs. What ends the program ends all jobs behind it. */
export function askLlamaCpp(home: string, jobs: readonly LlamaCppJob[], folder: string): LlamaCppAnswer[] {
  const file = join(folder, 'jobs.json')
  const logitsFile = (i: number): string => join(folder, `logits-${i}.bin`)
  writeFileSync(file, JSON.stringify(jobs.map((job, i) => ({ ...job, logits: logitsFile(i) }))))
  rmSync(`${file}.answers`, { force: true })
  const { stderr, error } = spawnSync('node', [join(ROOT, 'tests/oracle/llama_cpp.mjs'), home, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const lines = existsSync(`${file}.answers`)
    ? readFileSync(`${file}.answers`, 'utf8').trim().split('\n')
    : []
  return jobs.map((job, i): LlamaCppAnswer => {
    if (lines[i] === undefined)
      return { logits: null, ids: null, error: error?.message ?? `it ended: ${stderr.trim().slice(-600)}` }
    const answer: { ids?: number[][]; error?: string } = JSON.parse(lines[i])
    return {
      logits:
        job.ids === undefined || answer.error !== undefined
          ? null
          : new Float32Array(new Uint8Array(readFileSync(logitsFile(i))).buffer),
      ids: answer.ids ?? null,
      error: answer.error ?? null,
    }
  })
}
