/**
 * What the command-line scripts share: arguments, help, and errors as one message and exit code 1 (2 for wrong usage).
 */
import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { counted } from '../core/counted.ts'
import { didYouMean, TrituneError } from '../core/errors.ts'
import type { DeviceName } from '../plugins/cuda/mod.ts'
import { errorLine, exitCodeOf } from './terminal/error-line.ts'
import { closeJson, writeJson } from './terminal/json-lines.ts'
import { err, type Output, out, survive } from './terminal/streams.ts'

export interface Command<O extends ParseArgsOptionsConfig> {
  /** The whole help text. An option of it is a line `  --name <value>   what it does`; completions are made from these. */
  readonly help: string | (() => string)
  readonly options: O
  /** How many positional arguments there must be. */
  readonly positionals: Positionals
  /** What its output is, also by its arguments; default `result`. */
  readonly output?: Output | ((argv: readonly string[]) => Output)
  /** For completions: the values of options by name, those of positional arguments by ''. Others are completed as files. */
  readonly choices?: Readonly<Record<string, readonly string[]>>
  run(arguments_: ParsedArguments<O>): Promise<void> | void
}

export interface Positionals {
  readonly min: number
  readonly max: number
  /** What to say when there are too few; default: how many are expected. */
  readonly missing?: string
}

export type ParsedArguments<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true }>
>

/** A command whatever its options are. */
export type AnyCommand = Command<ParseArgsOptionsConfig>

/** Runs a command; returns when it is done. Sets the exit code instead of exiting, so that output is flushed. */
export async function runCommand<const O extends ParseArgsOptionsConfig>(
  command: Command<O>,
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  const { output = 'result' } = command
  survive(typeof output === 'function' ? output(argv) : output)
  if (argv.includes('--help') || argv.includes('-h')) {
    out.write(showHelp(command))
    return
  }
  const folder = callersFolder(process.env, process.cwd())
  if (folder !== process.cwd()) process.chdir(folder)
  try {
    await command.run(parse(command, argv))
  } catch (error) {
    if (argv.includes('--json') && 'json' in command.options) writeJson(errorLine(error))
    reportError(error)
  } finally {
    await closeJson()
  }
}

export function showHelp({ help }: Pick<AnyCommand, 'help'>): string {
  return typeof help === 'function' ? help() : help
}

/** Tells a `TrituneError` and sets the exit code; any other error is a bug and thrown. */
export function reportError(error: unknown): void {
  const first = firstOf(error)
  if (!(first instanceof TrituneError)) throw first
  err.write(`error: ${first.message}\n`)
  process.exitCode = exitCodeOf(first)
}

/** Of errors while something was cleaned up after an error: that one. */
function firstOf(error: unknown): unknown {
  return error instanceof Error && 'suppressed' in error ? firstOf(error.suppressed) : error
}

/**
 * Where the person stands. `bun run` and `npm run` start a script in the folder of package.json; Bun leaves the folder
 * before in npm_config_local_prefix, npm in INIT_CWD. Values from outside of this repository are not believed: they
 * come from a script around that changed the folder itself.
 */
export function callersFolder(env: Readonly<Record<string, string | undefined>>, cwd: string): string {
  const root = fileURLToPath(new URL('..', import.meta.url))
  if (resolve(cwd) !== resolve(root) || resolve(env['npm_package_json'] ?? '/', '..') !== resolve(root))
    return cwd
  const inside = (folder: string | undefined): folder is string =>
    folder !== undefined &&
    resolve(folder) !== resolve(root) &&
    !/^\.\.(\/|\\|$)/.test(relative(root, folder))
  const folder = [env['npm_config_local_prefix'], env['INIT_CWD']].find(inside)
  return folder !== undefined && existsSync(folder) ? folder : cwd
}

/** What a numeric option may be, and how that is said. */
export interface NumberRange {
  readonly what: string
  fits(value: number): boolean
}

export const ABOVE_0: NumberRange = { what: 'a number above 0', fits: (value) => value > 0 }
export const FROM_0: NumberRange = { what: 'a number from 0', fits: (value) => value >= 0 }
export const INTEGER_FROM_0: NumberRange = {
  what: 'an integer from 0',
  fits: (value) => Number.isSafeInteger(value) && value >= 0,
}
export const INTEGER_FROM_1: NumberRange = {
  what: 'an integer from 1',
  fits: (value) => Number.isSafeInteger(value) && value >= 1,
}
export const INTEGER_FROM_2: NumberRange = {
  what: 'an integer from 2',
  fits: (value) => Number.isSafeInteger(value) && value >= 2,
}
export const PORT: NumberRange = {
  what: 'a port from 0 to 65535',
  fits: (value) => Number.isInteger(value) && value >= 0 && value <= 65_535,
}
export const PROBABILITY: NumberRange = {
  what: 'a number above 0 and at most 1',
  fits: (value) => value > 0 && value <= 1,
}
const ANY_NUMBER: NumberRange = { what: 'a number', fits: () => true }

/** The value of a numeric option; E_USAGE when it is not one, or out of its range. */
export function numberOption(
  name: string,
  value: string | undefined,
  fallback: number,
  { what, fits }: NumberRange = ANY_NUMBER,
): number {
  if (value === undefined) return fallback
  const number = Number(value)
  if (value.trim() === '' || !Number.isFinite(number) || !fits(number))
    throw new TrituneError('E_USAGE', `--${name}: expected ${what}, got "${value}"`)
  return number
}

/** The value of `--dtype`, if it is given. */
export function dtypeOption(value: string | undefined): 'f32' | 'bf16' | undefined {
  if (value === undefined || value === 'f32' || value === 'bf16') return value
  throw new TrituneError('E_USAGE', `--dtype: expected f32 or bf16, got "${value}"`)
}

/** E_USAGE for a chat template where nothing is put into one. */
export function expectChat(values: { readonly chat?: boolean; readonly 'chat-template'?: string }): void {
  if (values['chat-template'] === undefined || values.chat) return
  throw new TrituneError('E_USAGE', '--chat-template needs --chat', {
    remedy: 'add --chat, or leave --chat-template out',
  })
}

/** E_FILE when a folder, or what else is written, is there already. */
export function expectNew(output: string, what: 'folder' | 'file or folder' = 'folder'): void {
  if (!existsSync(output)) return
  throw new TrituneError('E_FILE', `the output${what === 'folder' ? ' folder' : ''} exists already`, {
    place: output,
    remedy: `name a new ${what}`,
  })
}

/** The value of --device; E_USAGE when it cannot be one. The names are those of plugins/cuda, which needs packages. */
export function deviceOption(value: string | undefined, fallback: 'auto' | 'cpu'): DeviceName {
  if (value === undefined) return fallback
  if (isName(value)) return value
  throw new TrituneError(
    'E_USAGE',
    `--device: expected auto, cpu, wasm, cuda or cuda:<number>, got "${value}"`,
  )
}

function isName(value: string): value is DeviceName {
  return /^(auto|cpu|cuda(:\d{1,3})?|cuda-emulated)$/.test(value)
}

function parse<O extends ParseArgsOptionsConfig>(
  command: Command<O>,
  argv: readonly string[],
): ParsedArguments<O> {
  const usage = { remedy: 'run it with --help' }
  let parsed: ParsedArguments<O>
  try {
    parsed = parseArgs({
      args: withNegatives(argv, command.options),
      options: command.options,
      allowPositionals: true,
      strict: true,
    })
  } catch (cause) {
    const unknown = argv.find(
      (a) => a.startsWith('--') && !Object.hasOwn(command.options, a.slice(2).split('=')[0]),
    )
    if (unknown)
      throw new TrituneError('E_USAGE', `unknown option ${unknown}`, {
        remedy: didYouMean(unknown.slice(2), Object.keys(command.options)),
      })
    throw new TrituneError('E_USAGE', cause instanceof Error ? cause.message : String(cause), usage)
  }
  const { min, max, missing } = command.positionals
  const count = parsed.positionals.length
  if (count < min && missing !== undefined) throw new TrituneError('E_USAGE', missing, usage)
  if (count < min || count > max)
    throw new TrituneError(
      'E_USAGE',
      `expected ${min === max ? counted(min, 'argument') : `${min} to ${max} arguments`}, got ${count}`,
      usage,
    )
  return parsed
}

/** `--top-k -1` as `--top-k=-1`, which alone is not taken for two options, so that the range of the option can be told. */
function withNegatives(argv: readonly string[], options: ParseArgsOptionsConfig): string[] {
  const given: string[] = []
  for (const argument of argv) {
    const before = given.at(-1) ?? ''
    const takesValue = before.startsWith('--') && options[before.slice(2)]?.type === 'string'
    if (takesValue && /^-(\d|\.\d)/.test(argument)) given[given.length - 1] = `${before}=${argument}`
    else given.push(argument)
  }
  return given
}
