/** The part of `mongod/` that the bench uses. It is loaded from the build at run time. */
export interface Mongod {
  uri: string;
  pid: number;
  version: string;
  close(): Promise<void>;
}

export async function startMongod(dataDir: string, say: (line: string) => void): Promise<Mongod> {
  const built = new URL("../mongod/index.js", import.meta.url).href;
  const { startManagedMongod } = await import(built);
  return startManagedMongod({ dataDir, cacheSizeGB: 1, log: say });
}
