/**
 * Item memories that were saved.
 */
import type { Device } from '../../../core/mod.ts'
import { vectorAt } from '../vectors/plane-tensor.ts'
import { createItemMemory, type ItemMemory } from './item-memory.ts'
import { readItemMemory } from './item-memory-file.ts'

/**
 * Opens a file that `save()` wrote; everything is read at once.
 *
 * @throws E_FILE for what cannot be read, E_FORMAT, naming the file, for what is no item memory or a damaged one
 * @example
 * ```ts
 * import { createItemMemory, loadItemMemory, packedTrits } from 'tritune/plugins/ternary'
 *
 * using memory = createItemMemory({ dims: 64 })
 * memory.add('one', packedTrits.random({ dims: 64, seed: 1 }))
 * memory.save('items.safetensors')
 * using again = loadItemMemory('items.safetensors')
 * console.log(again.names()) // → [ 'one' ]
 * ```
 */
export function loadItemMemory(path: string, { device }: { readonly device?: Device } = {}): ItemMemory {
  const { dims, names, words } = readItemMemory(path)
  const memory = createItemMemory(device === undefined ? { dims } : { dims, device })
  for (const [row, name] of names.entries()) memory.add(name, vectorAt(words, row, dims))
  return memory
}
