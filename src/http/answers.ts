import fastJsonStringify from "fast-json-stringify";
import type { FastifyInstance } from "fastify";

/** Writes answers by their schemas. A schema is compiled with its first use, as those of requests are. */
export function writeAnswers(app: FastifyInstance): void {
  app.setSerializerCompiler(({ schema }) => {
    let write: ((value: unknown) => string) | undefined;
    return (value) => {
      write ??= fastJsonStringify(schema as object);
      return write(value);
    };
  });
}
