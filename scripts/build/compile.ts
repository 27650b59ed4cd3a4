/**
 * TypeScript → ES modules, types and source maps, in the same tree of folders. Nothing is bundled.
 *
 * The target is what Node 22 runs: `using` is written out. Only what the entry points import, directly or not, comes along,
 * so scripts for the development of tritune stay out.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { decode, encode } from '@jridgewell/sourcemap-codec'
import { ROOT } from '../_setup.ts'
import { entryPoints, STARTED } from './entry-points.ts'

/** `errors` is what tsc said; empty when all went well. */
export function compile(folder: string): { readonly errors: string } {
  mkdirSync(folder, { recursive: true })
  const settings = `${folder}tsconfig.json`
  writeFileSync(settings, JSON.stringify(compilerSettings(folder), null, 2))
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [`${ROOT}node_modules/typescript/bin/tsc`, '-p', settings],
    { cwd: ROOT, encoding: 'utf8' },
  )
  rmSync(settings)
  if (error || status !== 0) return { errors: error?.message ?? `${stdout}${stderr}`.trim() }
  // Nobody imports from a command, or steps through one or through a contract suite.
  const unmapped = '{scripts,testing,bench,tests}/**/*.js'
  for (const file of globSync(['scripts/**/*.d.ts', `${unmapped}.map`], { cwd: folder }))
    rmSync(folder + file)
  for (const file of globSync(unmapped, { cwd: folder })) withoutMap(folder + file)
  for (const file of globSync('**/*.js.map', { cwd: folder })) byLines(folder + file)
  chmodSync(`${folder}scripts/tritune.js`, 0o755)
  for (const file of globSync('**/*.d.ts', { cwd: folder })) withLibraries(folder + file)
  return { errors: '' }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function compilerSettings(folder: string): object {
  return {
    extends: `${ROOT}tsconfig.json`,
    compilerOptions: {
      noEmit: false,
      rewriteRelativeImportExtensions: true,
      outDir: folder,
      rootDir: ROOT,
      target: 'ES2024',
      module: 'ESNext',
      lib: ['ESNext'],
      typeRoots: [`${ROOT}node_modules/@types`],
      declaration: true,
      sourceMap: true,
    },
    include: [],
    files: [...Object.values(entryPoints()), ...STARTED].map((file) => ROOT + file),
  }
}

function withoutMap(file: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n'))
}

/** Lines are told, columns are not: a stack trace needs no more, and a map of all columns is as large as its file. */
function byLines(file: string): void {
  const map: { readonly mappings: string } = JSON.parse(readFileSync(file, 'utf8'))
  const mappings = encode(decode(map.mappings).map((segments) => segments.slice(0, 1)))
  writeFileSync(file, JSON.stringify({ ...map, mappings }))
}

/** A project may have a `lib` without `Disposable`; the types bring it along. */
function withLibraries(file: string): void {
  const text = readFileSync(file, 'utf8')
  if (!/\bDisposable\b|\bSymbol\.dispose\b/.test(text)) return
  writeFileSync(file, `/// <reference lib="esnext.disposable" />\n${text}`)
}
