/** Whether the person has gone to another screen since the page was loaded. */
export const visit = { hasMoved: false };
