/** Forms of values that a program gives. */

/** One of them or a list. */
export type OneOrMore<T> = T | readonly T[]

/** Each of the keys may be left out or null. */
export type Nullable<T> = { readonly [K in keyof T]?: T[K] | null | undefined }
