/**
 * What a GPU run needs of this repository, and what it does not. Everything that is not named here travels.
 */

/** Tracked files that stay here, and why nobody misses them there. Most of the weight. */
export const STAYS: Readonly<Record<string, string>> = {
  'native/prebuilt/linux-x64/libtritune_cuda12.so': 'a driver of CUDA 13 opens the other library',
  'native/emulator/prebuilt': 'a GPU needs no emulator',
  quickstart: 'the benchmark makes its own model and tokens',
  'tests/golden': 'the benchmark compares with the reference, not with files',
}

/** Within those, what travels all the same. */
export const TRAVELS: readonly string[] = [
  // Of the tiny model that is trained.
  'tests/golden/tokenizer/digits',
]

/** Where the kit keeps what it makes and what it set aside; git ignores it. */
export const STORE = '.cache/gpu-kit'

/** Bun and the packages, packed: the one ignored file that travels. */
export const ARCHIVE: string = `${STORE}/kit.tar.xz`

/** Bun in the archive, from the root of the tree. */
export const BUN: string = `${STORE}/bin/bun`

/** What may travel in all. */
export const LIMIT: number = 60 * 2 ** 20
