/**
 * `extends:` of a YAML file: other files whose values hold where the file has none. They can extend others themselves.
 *
 * A path starts at the folder of the file that names it; a name without an ending is one of those that are known. What the values mean is decided elsewhere.
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { didYouMean, TrituneError } from '../errors.ts'
import { readTextFile } from './text-file.ts'
import { parseYaml, positionOf, type YamlSource, yamlValue } from './yaml.ts'

const KEY = 'extends'
const DEEPEST = 10

/** Files that can be extended by name. */
export interface ExtendOptions {
  readonly named: ReadonlyMap<string, string>
}

/**
 * The source with what it extends. Throws E_CONFIG for what is no path or name and for files that extend each other, E_NAME for an unknown name, E_FILE for
 * a file that cannot be read, E_YAML for one that is none.
 */
export function extendYaml(source: YamlSource, options: ExtendOptions): YamlSource {
  return extended(source, options, [pathOf(source.file)])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** `trail`: the files on the way here, this one last. */
function extended(source: YamlSource, { named }: ExtendOptions, trail: readonly string[]): YamlSource {
  if (!source.document.has(KEY)) return source
  const place = placeOf(source)
  const bases = namesIn(source, place).map((name) => {
    const file = fileOf(name, source.file, { named, place })
    const path = pathOf(file)
    if (trail.includes(path))
      throw new TrituneError(
        'E_CONFIG',
        `${name} extends itself${trail.at(-1) === path ? '' : ', by way of others'}`,
        {
          place,
        },
      )
    if (trail.length > DEEPEST)
      throw new TrituneError('E_CONFIG', `more than ${DEEPEST} files extend each other`, { place })
    const text = readTextFile(file, {
      what: `what ${place} names`,
      remedy: 'paths start at the folder of the file that has them',
    })
    return extended(parseYaml(text, file), { named }, [...trail, path])
  })
  const document = source.document.clone()
  document.delete(KEY)
  return { ...source, document, bases }
}

function namesIn(source: YamlSource, place: string): readonly string[] {
  const whole = yamlValue(source)
  const value: unknown = typeof whole === 'object' && whole !== null ? Reflect.get(whole, KEY) : null
  if (value === null) return []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const wrong = list.find((name) => typeof name !== 'string' || name.trim() === '')
  if (wrong === undefined) return list.map(String)
  throw new TrituneError('E_CONFIG', `expected the path of a YAML file or a name, or a list of them`, {
    place,
    remedy: `for example ${KEY}: ./base.yaml, beside ${source.file}`,
  })
}

function fileOf(
  name: string,
  from: string,
  { named, place }: ExtendOptions & { readonly place: string },
): string {
  const known = named.get(name)
  if (known !== undefined) return known
  if (/\.ya?ml$/i.test(name) || /[\\/]/.test(name)) return resolve(dirname(from), name)
  throw new TrituneError('E_NAME', `there is nothing to extend by the name of "${name}"`, {
    place,
    remedy: `${didYouMean(name, [...named.keys()])}; a path ends in .yaml`,
  })
}

function placeOf(source: YamlSource): string {
  const position = source.overrides.has(KEY) ? undefined : positionOf(source, [KEY])
  return position === undefined ? `--set ${KEY}` : `${source.file}:${position} ${KEY}`
}

/** One name for a file, whatever links lead to it. */
function pathOf(file: string): string {
  return existsSync(file) ? realpathSync(file) : resolve(file)
}
