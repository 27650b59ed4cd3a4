/**
 * The command that installs a package for the runtime in use, as a person would type it. For remedies; nothing is installed here.
 */

export interface InstallFacts {
  readonly versions: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** `package_` with or without a range: `tritune-plugin-foo@^1.2`. */
export function installCommand(package_: string, { versions, env }: InstallFacts = process): string {
  const wanted = /^[\w@%+=:,./^~-]+$/.test(package_) ? package_ : `'${package_}'`
  if (versions['bun'] !== undefined) return `bun add ${wanted}`
  if (versions['deno'] !== undefined) return `deno add ${wanted.replace(/^('?)/, '$1npm:')}`
  const [manager] = (env['npm_config_user_agent'] ?? '').split('/')
  if (manager === 'pnpm' || manager === 'yarn' || manager === 'bun') return `${manager} add ${wanted}`
  return `npm install ${wanted}`
}
