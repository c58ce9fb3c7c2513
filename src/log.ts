import { type Logger, pino } from "pino";

export type { Logger };

/**
 * JSON lines on standard output, or readable ones on a terminal. What is logged is chosen at each call: ids, states,
 * codes and counts, never addresses, bodies or secrets; `redact` is the second net.
 */
export function createLogger(level: string, format: "auto" | "json" | "pretty"): Logger {
  const pretty = format === "pretty" || (format === "auto" && process.stdout.isTTY);
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

/** MongoDB's errors carry the documents they speak of, and SMTP's the addresses: only what is safe is kept. */
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
