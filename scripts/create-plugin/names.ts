/**
 * The names of a new plugin: that of its package, by npm's rules, and those that stand in its code and in the files of runs.
 */
import { builtinModules } from 'node:module'
import { TrituneError } from '../../core/errors.ts'

export interface PluginNames {
  /** As given: `@me/tritune-plugin-gentle-scale`. */
  readonly package: string
  /** The last part of it: the folder. */
  readonly folder: string
  /** `gentle-scale`: what files call what it provides. */
  readonly name: string
  /** `gentleScale` */
  readonly camel: string
  /** `GentleScale` */
  readonly pascal: string
}

/** Throws E_USAGE, by the first rule that is broken. */
export function pluginNames(package_: string): PluginNames {
  const wrong = whatIsWrong(package_)
  if (wrong !== null)
    throw new TrituneError('E_USAGE', `"${package_}" cannot be the name of a package: ${wrong}`, {
      remedy: 'for example tritune-plugin-gentle-scale, or @me/gentle-scale',
    })
  const folder = package_.split('/').at(-1) ?? package_
  const name = folder.replace(/^tritune-(plugin-)?/, '').replaceAll(/[._~]+/g, '-')
  const pascal = name
    .split('-')
    .filter((word) => word !== '')
    .map((word) => word[0].toUpperCase() + word.slice(1))
    .join('')
  if (!/^[A-Z]/.test(pascal))
    throw new TrituneError('E_USAGE', `"${package_}" gives no name for what the plugin provides: "${name}"`, {
      remedy: 'take one that begins with a letter after "tritune-plugin-"',
    })
  return { package: package_, folder, name, pascal, camel: pascal[0].toLowerCase() + pascal.slice(1) }
}

/** https://docs.npmjs.com/cli/configuring-npm/package-json#name */
function whatIsWrong(name: string): string | null {
  if (name.length > 214) return 'it is longer than 214 characters'
  if (name !== name.toLowerCase()) return 'it has capital letters'
  const parts = /^(?:@([^/]+)\/)?([^/]+)$/.exec(name)
  if (!parts) return 'it is not of the form name or @scope/name'
  for (const part of [parts[1], parts[2]]) {
    if (part === undefined) continue
    if (/^[._-]/.test(part)) return 'a part of it begins with a dot, a dash or an underscore'
    if (!/^[a-z0-9._~-]+$/.test(part)) return 'only a to z, digits and . _ ~ - may stand in it'
  }
  if (['node_modules', 'favicon.ico', 'tritune', 'test'].includes(parts[2]) || builtinModules.includes(name))
    return 'the name is taken'
  return null
}
