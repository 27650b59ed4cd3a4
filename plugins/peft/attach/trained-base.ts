/**
 * What an adapter says of the model that it was trained on, for errors of one that is put on another. Says nothing of whether it fits.
 */

/** `it was trained on "org/base" (base_model_name_or_path)`; null where its configuration does not tell. */
export function trainedOn(fields: Readonly<Record<string, unknown>>): string | null {
  const named = fields['base_model_name_or_path']
  return typeof named === 'string' && named !== ''
    ? `it was trained on "${named}" (base_model_name_or_path)`
    : null
}

/** What to do where an adapter does not fit the model. */
export function otherBaseRemedy(fields: Readonly<Record<string, unknown>>): string {
  const base = trainedOn(fields)
  return base === null
    ? 'name the base model that the adapter was trained on'
    : `${base}, and this is another base: name the one that it was trained on`
}

/**
 * How many blocks of layers paths have: one more than the highest number in them (`model.layers.3.mlp` → 4); 0 where there are none.
 */
export function blocksOf(paths: Iterable<string>): number {
  let blocks = 0
  for (const path of paths) {
    const [, number] = /\.(\d+)\./.exec(path) ?? []
    if (number !== undefined) blocks = Math.max(blocks, Number(number) + 1)
  }
  return blocks
}
