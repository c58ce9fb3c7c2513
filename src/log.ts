import { type Logger, pino } from "pino";

export type { Logger };

type Format = "auto" | "json" | "pretty";

/** Whether a person reads the output as it comes. */
export const isForPeople = (format: Format): boolean =>
  format === "pretty" || (format === "auto" && process.stdout.isTTY === true);

/**
 * JSON lines on standard output, or readable ones on a terminal. Each call chooses what it logs: ids, states, codes
 * and counts, never addresses, bodies or secrets. `redact` catches what slips through.
 */
export function createLogger(level: string, format: Format): Logger {
  const pretty = isForPeople(format);
  return pino({
    level,
    base: null,
    redact: ["req.headers", "headers", "*.authorization", "*.password"],
    serializers: { err: errorForLog },
    ...(pretty && {
      transport: { target: "pino-pretty", options: { ignore: "pid,hostname", translateTime: "HH:MM:ss" } },
    }),
  });
}

/** MongoDB's errors contain documents and SMTP's contain addresses, so only what is safe is logged. */
function errorForLog(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, code, codeName, stack, cause } = error as Error & { code?: unknown; codeName?: unknown };
  const place = stack
    ?.split("\n")
    .filter((line) => line.trimStart().startsWith("at "))
    .slice(0, 6);
  const kept = name === "MongoServerError" || name === "MongoBulkWriteError" ? undefined : error.message;
  return {
    type: name,
    code,
    codeName,
    message: kept,
    place,
    ...(cause !== undefined && { cause: errorForLog(cause) }),
  };
}
