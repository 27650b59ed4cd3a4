/**
 * The tokenizer that goes along with trained weights: the base model's files, with the chat template and the special tokens of the run.
 *
 * Whoever loads the folder then renders a conversation as it was trained, with the tokens that were added. Ids are never changed here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyFileAtomic, writeFileAtomic } from '../../../core/files/atomic.ts'
import { ggufTokenizer, openGguf } from '../../gguf/mod.ts'
import { changeVocabulary, readTokenizerFiles, type VocabularyChanges } from '../../tokenizer/mod.ts'
import type { SpecialTokens } from '../config/finetune-options.ts'

/** What a run sets that the base model's files do not say. */
export interface TokenizerChanges {
  /** Jinja text that was trained with instead of the tokenizer's own; null: its own. */
  readonly chatTemplate?: string | null
  readonly specialTokens?: Partial<SpecialTokens>
  /** Tokens that the base model's tokenizer has not got. */
  readonly vocabulary?: VocabularyChanges
}

const ADDED = 'added_tokens.json'
/** Copied as they are. */
const COPIED = ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer.model', ADDED]
const CONFIG = 'tokenizer_config.json'
const TOKENS = 'special_tokens_map.json'
const TEMPLATE = 'chat_template.jinja'
const MORE_TEMPLATES = 'additional_chat_templates'

/** Writes the files into an existing folder. A base model without a tokenizer leaves none. */
export function saveTokenizer(
  folder: string,
  modelPath: string,
  { chatTemplate = null, specialTokens = {}, vocabulary = {} }: TokenizerChanges = {},
): void {
  const before = hasChanges(vocabulary) ? readTokenizerFiles(modelPath) : null
  const changed = before && changeVocabulary(before, vocabulary)
  const tokens = Object.fromEntries(Object.entries(specialTokens).filter(([, token]) => token !== null))
  const write = (name: string, content: object): void =>
    writeFileAtomic(join(folder, name), `${JSON.stringify(content, null, 2)}\n`)
  const settings = (own: object): object => changed?.settings({ ...own }) ?? own
  const config = (own: object): object => ({
    ...settings(own),
    ...tokens,
    ...(chatTemplate !== null && { chat_template: chatTemplate }),
  })
  if (!existsSync(join(modelPath, 'tokenizer.json')) && existsSync(join(modelPath, 'tekken.json'))) {
    const read = changed?.files ?? readTokenizerFiles(modelPath)
    write('tokenizer.json', read.tokenizer)
    write(CONFIG, config(read.config))
    if (chatTemplate === null) copyIfThere(modelPath, folder, TEMPLATE)
  } else if (modelPath.endsWith('.gguf')) {
    const { tokenizer, tokenizerConfig } = ggufTokenizer(openGguf(modelPath))
    writeFileAtomic(
      join(folder, 'tokenizer.json'),
      `${JSON.stringify(changed?.files.tokenizer ?? tokenizer)}\n`,
    )
    write(CONFIG, config(tokenizerConfig))
  } else {
    for (const name of COPIED) copyIfThere(modelPath, folder, name)
    if (changed && changed.files.tokenizer !== before.tokenizer) {
      write('tokenizer.json', changed.files.tokenizer)
      const ids = Object.fromEntries(changed.added.map(({ id, token }) => [token, id]))
      if (existsSync(join(modelPath, ADDED))) write(ADDED, { ...readObject(join(modelPath, ADDED)), ...ids })
    }
    const has = (name: string): boolean => existsSync(join(modelPath, name))
    if (has(CONFIG)) write(CONFIG, config(readObject(join(modelPath, CONFIG))))
    if (has(TOKENS)) write(TOKENS, { ...settings(readObject(join(modelPath, TOKENS))), ...tokens })
    if (chatTemplate === null) {
      copyIfThere(modelPath, folder, TEMPLATE)
      if (has(MORE_TEMPLATES))
        for (const name of readdirSync(join(modelPath, MORE_TEMPLATES)))
          copyIfThere(join(modelPath, MORE_TEMPLATES), join(folder, MORE_TEMPLATES), name)
    }
  }
  // transformers prefers this file to the field of the config.
  if (chatTemplate !== null) writeFileAtomic(join(folder, TEMPLATE), chatTemplate)
}

/** Whether a run asks for tokens that its tokenizer may not have. */
export function hasChanges({
  tokens,
  moreSpecialTokens,
  specialTokens,
  overrides,
}: VocabularyChanges): boolean {
  const named = Object.values(specialTokens ?? {}).some((token) => token !== null)
  return (
    named || Boolean(tokens?.length || moreSpecialTokens?.length) || Object.keys(overrides ?? {}).length > 0
  )
}

/** True when a folder can be loaded as a tokenizer. */
export function hasTokenizer(folder: string): boolean {
  return existsSync(join(folder, 'tokenizer.json'))
}

export function copyIfThere(from: string, to: string, name: string): void {
  if (existsSync(join(from, name))) copyFileAtomic(join(from, name), join(to, name))
}

// The tokenizer was read from these files before, so they are objects.
function readObject(path: string): object {
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  return typeof value === 'object' && value !== null ? value : {}
}
