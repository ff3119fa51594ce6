/** The most characters in the name of a slot: NAMEDATALEN of Postgres, less the byte that ends a name. */
export const slotNameMax = 63;
