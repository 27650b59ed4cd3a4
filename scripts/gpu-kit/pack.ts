/**
 * Makes the working tree light enough to travel to a machine with a GPU, and heavy again.
 */
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { makeArchive } from './archive.ts'
import { chooseFiles, type Chosen, isAside, type Kit, listAside, putBack, setAside } from './aside.ts'
import { commandLine } from './command.ts'
import { ARCHIVE, LIMIT, STAYS, STORE, TRAVELS } from './contents.ts'
import { expectWithin, mebibytes, travellers, weightTable } from './travels.ts'

const CHOSEN: Chosen = { paths: Object.keys(STAYS), except: TRAVELS }

/** Nothing is moved when it would be too much, or when something is wrong. */
export function pack(root: string, say: (line: string) => void): void {
  const kit = kitOf(root)
  if (isAside(kit))
    throw new TrituneError('E_USAGE', 'the tree is packed already, or packing was interrupted', {
      place: root,
      remedy: '`bun scripts/gpu-kit.ts unpack` puts everything back',
    })
  const without = chooseFiles(root, CHOSEN)
  say(makeArchive(root) ? `made ${ARCHIVE}` : `${ARCHIVE} is there`)
  expectWithin(travellers(root, { carried: [ARCHIVE], without }), LIMIT)
  const aside = setAside(kit, CHOSEN)
  const bytes = aside.reduce((sum, file) => sum + file.bytes, 0)
  say(`set aside ${aside.length} files, ${mebibytes(bytes)} MiB:`)
  for (const [path, why] of Object.entries(STAYS)) say(`  ${path}: ${why}`)
  describe(root, say)
}

/** What travels, what has to be carried although git ignores it, and the command to run there. */
export function describe(root: string, say: (line: string) => void): void {
  const files = travellers(root, { carried: [ARCHIVE] })
  say('\nWhat travels:')
  for (const line of weightTable(files)) say(line)
  expectWithin(files, LIMIT)
  say(`\nIgnored by git, to be carried:\n${ARCHIVE}`)
  say(
    `\nTo run there, in the root of the copy, with OUT set:\n${commandLine({ python: 'python3', more: [] })}`,
  )
  say(
    '\nAfterwards: bun scripts/gpu-kit.ts unpack, then bun scripts/bench/gpu-report.ts <folder of the results>',
  )
}

/** Everything as it was. What was made stays for the next time. */
export function unpack(root: string, say: (line: string) => void): void {
  const files = putBack(kitOf(root))
  say(`${files.length} files are back, each with its hash; ${ARCHIVE} stays for the next time`)
}

/** Where a file that is set aside lies now. Throws E_USAGE when nothing is. */
export function asideFolder(root: string): string {
  const kit = kitOf(root)
  if (!isAside(kit) || listAside(kit).length === 0)
    throw new TrituneError('E_USAGE', 'the tree is not packed', {
      place: root,
      remedy: 'run `bun scripts/gpu-kit.ts pack` first',
    })
  return join(kit.store, 'aside')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function kitOf(root: string): Kit {
  return { root, store: join(root, STORE) }
}
