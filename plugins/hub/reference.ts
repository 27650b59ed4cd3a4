/**
 * What a user writes for a model: a path, `org/name`, `org/name@revision`, or one GGUF file of a repository,
 * `org/name/file.gguf`. Parses only; whether it exists is found out elsewhere.
 */

import { TrituneError } from '../../core/errors.ts'

export interface HubReference {
  /** `org/name`, or the name alone for the few models without an owner. */
  readonly repo: string
  /** Branch, tag or commit. */
  readonly revision: string
  /** The one file that is wanted, instead of a whole model. */
  readonly file: string | undefined
  /** Default: a model. */
  readonly kind?: 'model' | 'dataset'
}

/** True for what can only be a path: absolute, relative with a dot, or with a home or a drive. */
export function looksLikePath(reference: string): boolean {
  return /^(\.{0,2}[/\\]|\.{1,2}$|~|[A-Za-z]:[/\\])/.test(reference)
}

/** A whole commit id. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/** @throws E_HUB when it is no valid name of a model */
export function parseReference(reference: string, revision?: string, what = 'model'): HubReference {
  const match = /^(?<path>[^@]+)(@(?<tag>.+))?$/.exec(reference)
  const parts = (match?.groups?.['path'] ?? '').split('/')
  const tag = match?.groups?.['tag']
  const isFile = parts.length > 2 && parts.at(-1)?.endsWith('.gguf') === true
  const names = isFile ? parts.slice(0, 2) : parts
  const valid = parts.every((part) => /^[\w.-]+$/.test(part) && !/^\.+$/.test(part)) && names.length <= 2
  if (!valid || names.some((name) => name.includes('..'))) {
    throw new TrituneError('E_HUB', `"${reference}" is neither a local path nor the name of a ${what}`, {
      remedy: 'write org/name, org/name@revision, org/name/file.gguf, or an existing folder',
    })
  }
  if (tag !== undefined && revision !== undefined && tag !== revision) {
    throw new TrituneError('E_HUB', `"${reference}" names revision ${tag}, the options name ${revision}`)
  }
  return {
    repo: names.join('/'),
    revision: checkedRevision(tag ?? revision ?? 'main'),
    file: isFile ? parts.slice(2).join('/') : undefined,
  }
}

/** The revision becomes a path in the cache. */
function checkedRevision(revision: string): string {
  if (/^[\w][\w./-]*$/.test(revision) && !revision.includes('..') && !revision.endsWith('/')) return revision
  throw new TrituneError('E_HUB', `"${revision}" is no valid revision`, {
    remedy: 'name a branch, a tag or a commit',
  })
}
