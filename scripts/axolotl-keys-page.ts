/**
 * docs/axolotl-keys.md: what becomes of each key of axolotl's, from the facts that the check of a file goes by. `bun scripts/key-docs.ts --write` writes it.
 */
import {
  DATASET_KEY_FACTS,
  IGNORED_PLUGINS,
  KEY_DOCS,
  KEY_GROUPS,
  type KeyFacts,
  RENAMED_KEYS,
} from '../plugins/finetune/mod.ts'

const HEAD = `# axolotl's keys

What becomes of each key of an axolotl file here. Those that work are in [yaml.md](yaml.md), with their defaults. Keys that change nothing are accepted
with a note; keys that would change the result and are not there are refused by name, unless they are empty. Old names: [yaml.md](yaml.md#other-names).
This page is made from the tables that the check of a file goes by, and a test compares them with axolotl's own schema.
`

/** The text of the page. */
export function axolotlKeysPage(): string {
  const works = Object.keys(KEY_DOCS).length
  const sections = Object.entries({ ...KEY_GROUPS, 'An entry of `datasets`': DATASET_KEY_FACTS }).map(
    ([title, facts]) => `## ${title}\n\n${tableOf(facts)}\n`,
  )
  const plugins = Object.entries(IGNORED_PLUGINS).map(([name, { reason }]) => `| \`${name}\` | ${reason} |`)
  return [
    HEAD,
    `${works} keys work, and ${Object.keys(RENAMED_KEYS).length} old names are read as one of them or of these.\n`,
    ...sections,
    `## Plugins of axolotl\n\n| plugin | without effect, because |\n|---|---|\n${plugins.join('\n')}\n\nOther names that begin with \`axolotl.\` are refused: they are Python.\n`,
  ].join('\n')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** A line for all keys that have one reason. */
function tableOf({ ignored, refused }: KeyFacts): string {
  const rows = [
    ...byReason(Object.entries(ignored).map(([key, { reason }]) => [reason, key])).map(
      ([reason, keys]) => `| ${keys} | no effect | ${reason} |`,
    ),
    ...byReason(
      Object.entries(refused).map(([key, { what, instead, shortFor }]) => [
        shortFor === undefined
          ? `${what}${instead === undefined ? '' : `; ${instead}`}`
          : `but for the short form of \`${shortFor}\``,
        key,
      ]),
    ).map(([what, keys]) => `| ${keys} | refused | ${what} |`),
  ]
  return ['| keys | | why, or what it would be |', '|---|---|---|', ...rows].join('\n')
}

function byReason(
  pairs: readonly (readonly [reason: string, key: string])[],
): [reason: string, keys: string][] {
  const found = new Map<string, string[]>()
  for (const [reason, key] of pairs) found.set(reason, [...(found.get(reason) ?? []), `\`${key}\``])
  return [...found].map(([reason, keys]) => [reason, keys.join(' ')])
}
