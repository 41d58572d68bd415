// What storing a page of records came to, as counts. Pure.

export interface StoredCounts {
  readonly inserted: number;
  /** Different from what was there; a row that had been taken for gone and is back counts too. */
  readonly changed: number;
  readonly unchanged: number;
  /** Could not be stored at all. */
  readonly refused: number;
}

export const nothingStored: StoredCounts = { inserted: 0, changed: 0, unchanged: 0, refused: 0 };

export function addCounts(parts: readonly StoredCounts[]): StoredCounts {
  return parts.reduce(
    (sum, part) => ({
      inserted: sum.inserted + part.inserted,
      changed: sum.changed + part.changed,
      unchanged: sum.unchanged + part.unchanged,
      refused: sum.refused + part.refused,
    }),
    nothingStored,
  );
}
