/**
 * The text of a run's file with all that holds: what it extends below it, what the command line sets above it.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { applyOverrides, parseYaml, type YamlSource } from '../../../core/files/yaml.ts'
import { extendYaml } from '../../../core/files/yaml-extends.ts'

/** Throws E_YAML, E_CONFIG, E_FILE, E_NAME or E_USAGE for what cannot be read; keys and values are not looked at. */
export function runYaml(text: string, file: string, overrides: readonly string[]): YamlSource {
  const isFirst = (assignment: string): boolean => /^\s*extends\s*=/.test(assignment)
  const own = applyOverrides(parseYaml(text, file), overrides.filter(isFirst))
  const whole = own.document.has('extends') ? extendYaml(own, { named: runPresets() }) : own
  return applyOverrides(
    whole,
    overrides.filter((assignment) => !isFirst(assignment)),
  )
}

/** The bundled files that a run can extend by name, in the order of their names: name → path. */
export function runPresets(): ReadonlyMap<string, string> {
  const folder = fileURLToPath(new URL('../../../templates/presets/', import.meta.url))
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
  return new Map(files.toSorted().map((name) => [name.replace(/\.yaml$/, ''), folder + name]))
}
