/**
 * Why a module could not be imported, in one line: the first message of the compiler or what was thrown, with file and line.
 * The runtimes tell this in different ways, and Node does not tell where a syntax error is.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { importedFiles } from './plugin-integrity.ts'

export function describeImportError(error: unknown, target: string): string {
  const fault = firstOf(error)
  const text = fault instanceof Error ? fault.message : String(textField(fault, 'message') ?? fault)
  const [message] = text.split('\n')
  const place = positionOf(fault) ?? placeInStack(fault, target) ?? placeByCheck(fault, target)
  return place === null || message.includes(place) ? message : `${message} (${place})`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Bun throws one error for all messages of its compiler when there are several. */
function firstOf(error: unknown): unknown {
  const errors = field(error, 'errors')
  const list: readonly unknown[] = Array.isArray(errors) ? errors : []
  return list.length > 0 ? list[0] : error
}

/** Of a message of Bun's compiler. */
function positionOf(fault: unknown): string | null {
  const position = field(fault, 'position')
  const file = textField(position, 'file')
  const line = field(position, 'line')
  return file === undefined || file === '' || typeof line !== 'number' ? null : `${file}:${line}`
}

/** The first line of the stack that is of a file of the user: the module, else any file of a path. */
function placeInStack(fault: unknown, target: string): string | null {
  const stack = textField(fault, 'stack')
  if (stack === undefined) return null
  const places = [
    ...stack.matchAll(/(file:\/\/[^\s()]+?|(?:[A-Za-z]:)?[\\/][^\s()]+?):(\d+)(?::\d+)?\)?$/gm),
  ].map(([, file, line]) => ({ file: pathOf(file), line }))
  const module = pathOf(target)
  const found = places.find(({ file }) => file === module) ?? places.find(({ file }) => existsSync(file))
  return found === undefined || found.file === OWN ? null : `${found.file}:${found.line}`
}

/** The first of the module and the files that it imports by a relative path that Node finds a syntax error in. */
function placeByCheck(fault: unknown, target: string): string | null {
  if (!(fault instanceof SyntaxError) || process.versions.bun || process.versions['deno']) return null
  for (const file of importedFiles(pathOf(target))) {
    const { status, stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' })
    const place = status === 0 ? undefined : /^(.+):(\d+)$/m.exec(stderr)
    if (place) return `${pathOf(place[1])}:${place[2]}`
  }
  return null
}

const OWN = fileURLToPath(
  new URL(`load-plugins${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
)

function pathOf(file: string): string {
  return file.startsWith('file:') ? fileURLToPath(file) : file
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function textField(value: unknown, name: string): string | undefined {
  const found = field(value, name)
  return typeof found === 'string' ? found : undefined
}
