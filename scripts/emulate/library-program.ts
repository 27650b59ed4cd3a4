/**
 * native/tests, compiled by zig: the program that tries the library in C++, and what Bun misses under some Wines.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { declaredFunctions } from '../checks/native.ts'
import { writeMacros } from '../native/library.ts'
import { ROOT, run } from '../native/process.ts'
import { nativeSourceHash } from '../native/source-hash.ts'
import { TARGETS } from '../native/targets.ts'
import { zig } from '../native/zig.ts'
import type { Checked } from './checks.ts'
import type { EmulatedPlatform } from './tools.ts'

const FOLDER = 'native/build/tests'

/** Compiles native/tests/library.cpp and returns its path. */
export async function buildLibraryProgram(platform: EmulatedPlatform): Promise<string> {
  const folder = `${FOLDER}/${platform}`
  writeMacros(`${folder}/expected.h`, {
    EXPECTED_NAMES: declaredFunctions().join('\\n'),
    EXPECTED_SOURCES: nativeSourceHash('cpu'),
  })
  const output = join(ROOT, folder, platform === 'win32-x64' ? 'library.exe' : 'library')
  const flags = ['-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', `-I${folder}`]
  const last = platform === 'win32-x64' ? [] : ['-lpthread', '-ldl']
  await run([
    ...(await compiler('c++', platform)),
    ...flags,
    '-o',
    output,
    'native/tests/library.cpp',
    ...last,
  ])
  return output
}

/** How many checks of the program were right, or what was wrong, from what it printed. */
export function readLibraryProgram(code: number | null, text: string): Checked {
  const lines = text.trim().split(/\r?\n/)
  const right = lines.filter((line) => line.startsWith('ok ')).length
  if (code === 0 && lines.at(-1) === 'all right') return { ok: true, detail: `${right} checks of its own` }
  return {
    ok: false,
    detail: [`ended with ${code}`, ...lines.filter((line) => !line.startsWith('ok '))].join('\n'),
  }
}

/** Compiles native/tests/bcryptprimitives.c into a folder. */
export async function buildRandomNumbers(folder: string): Promise<void> {
  const output = join(folder, 'bcryptprimitives.dll')
  const source = 'native/tests/bcryptprimitives.c'
  await run([...(await compiler('cc', 'win32-x64')), '-shared', '-O1', '-o', output, source, '-ladvapi32'])
}

async function compiler(language: 'cc' | 'c++', platform: EmulatedPlatform): Promise<string[]> {
  mkdirSync(join(ROOT, FOLDER), { recursive: true })
  const command = await zig().catch((cause: Error) => {
    throw new TrituneError('E_USAGE', cause.message, { cause })
  })
  return [...command, language, '-target', TARGETS[platform].triple ?? '']
}
