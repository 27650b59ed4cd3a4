/**
 * Keeps core/native/symbols.ts equal to native/include/tritune.h, the single source of the native ABI.
 *
 *   bun scripts/check-abi.ts           compares, exit code 1 when they differ
 *   bun scripts/check-abi.ts --write   regenerates symbols.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { FfiType } from '../core/native/ffi.ts'

const header: URL = new URL('../native/include/tritune.h', import.meta.url)
const symbols: URL = new URL('../core/native/symbols.ts', import.meta.url)

/** C types whose argument is host memory that JavaScript owns; every other pointer is a device address. */
const HOST_BUFFERS = new Set([
  'const uint32_t* rng',
  'const int64_t* dims',
  'const int64_t* weight',
  'const int64_t* table',
  'double* seconds',
  'double* rate',
  'int64_t* out',
  'void** out',
  'const void* host',
  'void* host',
  'const char* path',
  'const char* name',
  'const char* value',
])

export function symbolTable(source: string): string {
  const version = /#define TT_ABI_VERSION (\d+)/.exec(source)
  if (!version) throw new Error('tritune.h does not define TT_ABI_VERSION')
  const types: string[] = []
  const rows: string[] = []
  for (const [, returns, name, list] of source.matchAll(/^TT_API ([\w\s]+\*?) ?(tt_\w+)\(([^)]*)\);/gm)) {
    const parameters = list.trim() === 'void' ? [] : list.split(',').map((p) => p.trim().replace(/\s+/g, ' '))
    const args = parameters.map((p) => ffiType(p, name))
    const result = returns.trim() === 'const char*' ? 'cstr' : 'i32'
    const names = parameters.map(
      (p, i) => `${parameterName(p)}: ${args[i] === 'buf' ? 'FfiBuffer' : 'number'}`,
    )
    types.push(`  ${name}(${names.join(', ')}): ${result === 'cstr' ? 'string' : 'number'}`)
    rows.push(`  ${name}: { args: [${args.map((a) => `'${a}'`).join(', ')}], returns: '${result}' },`)
  }
  return [
    '/**',
    ' * Generated from native/include/tritune.h by `bun scripts/check-abi.ts --write`. Do not edit.',
    ' */',
    "import type { FfiBuffer, FfiFunction } from './ffi.ts'",
    '',
    `export const ABI_VERSION = ${version[1]}`,
    '',
    '/** The C functions; addresses, sizes and numbers are `number`, host memory is a TypedArray. */',
    'export interface NativeFunctions {',
    ...types,
    '}',
    '',
    'export const SYMBOLS: { readonly [K in keyof NativeFunctions]: FfiFunction } = {',
    ...rows,
    '}',
    '',
  ].join('\n')
}

function parameterName(parameter: string): string {
  const name = /(\w+)$/.exec(parameter)?.[1] ?? 'argument'
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return camel === 'in' ? 'input' : camel
}

function ffiType(parameter: string, name: string): FfiType {
  if (HOST_BUFFERS.has(parameter)) return 'buf'
  if (parameter.includes('*') || parameter.startsWith('tt_stream ')) return 'ptr'
  const type = parameter.split(' ')[0]
  const simple: Record<string, FfiType> = {
    int32_t: 'i32',
    tt_dtype: 'i32',
    size_t: 'size',
    float: 'f32',
    double: 'f64',
  }
  const found = simple[type]
  if (!found) throw new Error(`tritune.h: ${name}: no FFI type for "${parameter}"`)
  return found
}

if (import.meta.main) {
  const expected = symbolTable(readFileSync(header, 'utf8'))
  if (process.argv.includes('--write')) writeFileSync(symbols, expected)
  else if (readFileSync(symbols, 'utf8') !== expected) {
    console.error(
      'core/native/symbols.ts differs from native/include/tritune.h: run `bun scripts/check-abi.ts --write`',
    )
    process.exit(1)
  }
}
