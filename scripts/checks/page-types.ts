/**
 * Scripts of pages have their types in comments, where no linter looks: `any` and `*` are found here.
 */
import { globSync } from 'node:fs'
import { ROOT } from '../_setup.ts'
import { readText, type Verdict, verdict } from './_files.ts'

export function checkPageTypes(): Verdict {
  const files = globSync('plugins/*/page/*.js', { cwd: ROOT }).toSorted()
  return verdict(
    'nor of the scripts of pages',
    files.flatMap((file) => untypedComments(file, readText(file))),
  )
}

/** Places of comments with a type that is `any` or `*`. */
export function untypedComments(file: string, text: string): string[] {
  const problems: string[] = []
  for (const { 0: comment, index } of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const before = text.slice(0, index).split('\n').length
    for (const [i, line] of comment.split('\n').entries()) {
      const type = /\{.*\}/.exec(line)?.[0] ?? ''
      if (/\bany\b|\{\s*\*\s*\}|<\*>/.test(type))
        problems.push(`${file}:${before + i}: a type of any: ${line.trim()}`)
    }
  }
  return problems
}
