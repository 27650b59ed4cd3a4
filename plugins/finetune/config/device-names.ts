/** The devices that every run's file can name; a GPU by its number besides, and those of plugins. */
export const DEVICES = ['auto', 'cpu', 'wasm', 'cuda', 'cuda-emulated'] as const
