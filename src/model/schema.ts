import { Type } from "typebox";

// Parts of schemas that several responses share.

export const Time = (description?: string) =>
  Type.String({ format: "date-time", ...(description && { description }) });
export const Count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description && { description }) });

/** Unix milliseconds as ISO 8601. */
export const iso = (ms: number): string => new Date(ms).toISOString();
