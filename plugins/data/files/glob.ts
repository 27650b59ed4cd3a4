/** Patterns of file names as Hugging Face's datasets has them: `*`, `?`, `[a-z]` inside of a folder, `**` over folders, `{a,b}`. */

/** Whether a name is one, rather than that of a file. */
export function isGlob(name: string): boolean {
  return /[*?[\]{}]/.test(name)
}

/** The paths that a pattern means, in their order. */
export function globbed(pattern: string, paths: readonly string[]): string[] {
  const expression = globExpression(pattern.replace(/^\.\//, ''))
  return paths.filter((path) => expression.test(path))
}

function globExpression(pattern: string): RegExp {
  let source = ''
  let depth = 0
  for (const [token] of pattern.matchAll(/\*\*\/|\*\*|\[[^\]]+\]|[^]/g)) {
    if (token === '**/') source += '(?:.*/)?'
    else if (token === '**') source += '.*'
    else if (token === '*') source += '[^/]*'
    else if (token === '?') source += '[^/]'
    else if (token.length > 2 && token.startsWith('['))
      source += token.replace(/^\[!/, '[^').replaceAll('\\', '\\\\')
    else if (token === '{') {
      source += '(?:'
      depth++
    } else if (token === '}' && depth > 0) {
      source += ')'
      depth--
    } else if (token === ',' && depth > 0) source += '|'
    else source += token.replace(/[.+^$()|\\/[\]{}-]/g, '\\$&')
  }
  return new RegExp(`^${source}${')'.repeat(depth)}$`)
}
