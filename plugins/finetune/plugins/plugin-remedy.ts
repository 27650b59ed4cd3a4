/**
 * The remedy for a name that nobody provides: what there is, and that plugins bring more.
 */

const NONE = 'there are none'

export function orOfPlugin(remedy: string | undefined): string {
  if (remedy === undefined || remedy === NONE)
    return 'there are none yet: a module under plugins: brings them'
  return `${remedy}; one of your own comes from a module under plugins:`
}
