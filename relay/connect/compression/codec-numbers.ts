/** Owns the numbers of the codecs, as the attributes of a record batch hold them. */
export const codecNumbers = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

export const codecNames = ['gzip', 'snappy', 'lz4', 'zstd'] as const satisfies (keyof typeof codecNumbers)[];
