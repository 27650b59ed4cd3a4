/**
 * A file of a push. Apart from what sends and checks it, so that the declarations that users compile reach neither the
 * hub's client, which they may not have, nor the types of a runtime.
 */

/** On the disk, or made for the push. */
export interface PushContent {
  readonly path: string
  readonly bytes: number
  readonly source: { readonly file: string } | { readonly text: string }
}
