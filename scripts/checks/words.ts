/**
 * Nothing of the machine it was made on may be in the repository: folders of people and of build machines, hosts of
 * package registries. Binary files are searched too, because compilers leave paths in them.
 */
import { homedir } from 'node:os'
import { ROOT } from '../_setup.ts'
import { placeOf, readBytes, repositoryFiles, type Verdict, verdict } from './_files.ts'

// Written so that this file does not contain what it looks for.
const ANYWHERE: readonly RegExp[] = [
  /\/(?:home|Users)\/(?!runner\b)\w[\w.-]*\//,
  /(?<![\w.)\]}-])\/(?:root|work|workspace|mnt|opt\/pypi[\w-]*|opt\/wheels)\/[\w.-]+/,
  /\/tmp\/(?:bash|tmp\.)\w*/,
  /https?:\/\/(?:10|127|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.[\d.]+(?::\d+)?\/(?:npm|pypi|simple|registry)/,
  /https?:\/\/(?![\w.-]*\.(?:example|test|invalid)\b)[\w.-]*(?:artifactory|verdaccio|nexus|mirror|proxy)[\w-]*(?:\.[\w.-]+|:\d+)/i,
  /https?:\/\/registry\.(?![\w.-]*\b(?:example|test|invalid)\b)[\w.-]+/i,
]

export function checkWords(): Verdict {
  const files = repositoryFiles()
  return verdict(
    `${files.length} files name no machine`,
    files.flatMap((file) => wordProblems(file, readBytes(file))),
  )
}

/** Places in `content` that name a machine; at most one for each pattern. */
export function wordProblems(file: string, content: string): string[] {
  const problems: string[] = []
  for (const pattern of ANYWHERE) {
    const found = pattern.exec(content)
    if (found) problems.push(`${placeOf(file, content, found.index)}: ${found[0]}`)
  }
  for (const folder of [ROOT.replace(/\/$/, ''), homedir()]) {
    // `/` and `/root` alone are too short to tell.
    const index = folder.length > 5 ? content.indexOf(folder) : -1
    if (index >= 0) problems.push(`${placeOf(file, content, index)}: a folder of this machine`)
  }
  if (file === 'bun.lock' && /https?:\/\//.test(content))
    problems.push('bun.lock: names the host of a registry')
  return problems
}
