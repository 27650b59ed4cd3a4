/**
 * native/tests for Windows, compiled by zig: the program that tries the library in C++, and what Bun misses under some Wines.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { declaredFunctions } from '../checks/native.ts'
import { writeMacros } from '../native/library.ts'
import { ROOT, run } from '../native/process.ts'
import { nativeSourceHash } from '../native/source-hash.ts'
import { TARGETS } from '../native/targets.ts'
import { zig } from '../native/zig.ts'

const FOLDER = 'native/build/tests'

/** Compiles native/tests/library.cpp and returns its path. */
export async function buildLibraryProgram(): Promise<string> {
  writeMacros(`${FOLDER}/expected.h`, {
    EXPECTED_NAMES: declaredFunctions().join('\\n'),
    EXPECTED_SOURCES: nativeSourceHash('cpu'),
  })
  const output = join(ROOT, FOLDER, 'library.exe')
  const flags = ['-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', `-I${FOLDER}`]
  await run([...(await compiler('c++')), ...flags, '-o', output, 'native/tests/library.cpp'])
  return output
}

/** Compiles native/tests/bcryptprimitives.c into a folder. */
export async function buildRandomNumbers(folder: string): Promise<void> {
  const output = join(folder, 'bcryptprimitives.dll')
  const source = 'native/tests/bcryptprimitives.c'
  await run([...(await compiler('cc')), '-shared', '-O1', '-o', output, source, '-ladvapi32'])
}

async function compiler(language: 'cc' | 'c++'): Promise<string[]> {
  mkdirSync(join(ROOT, FOLDER), { recursive: true })
  return [...(await zig()), language, '-target', TARGETS['win32-x64'].triple ?? '']
}
