import type { FastifyInstance } from "fastify";
import { ConfigError } from "./config/load.ts";
import type { Config } from "./config/table.ts";

/** Listens at the configured address, and returns the URL. */
export async function listen(server: FastifyInstance, { HOST, PORT }: Config): Promise<string> {
  // Fastify would log the addresses; `main.ts` shows the URL.
  const { level } = server.log;
  server.log.level = "warn";
  try {
    return await server.listen({ host: HOST, port: PORT });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new ConfigError([
        `PORT: another program uses port ${PORT} on ${HOST}; stop it or choose another port`,
      ]);
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
      throw new ConfigError([`HOST: ${HOST} is not an address of this machine`]);
    if (code === "EACCES")
      throw new ConfigError([`PORT: this user may not open port ${PORT}; choose a port from 1024`]);
    throw error;
  } finally {
    server.log.level = level;
  }
}
