import { setTimeout as pause } from "node:timers/promises";

/**
 * An argument of Node, or NODE_OPTIONS: makes a process collect its garbage when it gets SIGUSR2. An idle process' memory
 * goes up and down by a quarter, as V8 lets its young generation grow and takes it back; what is in use shows right after a
 * collection.
 */
export const collectOnSignal = `--import=data:text/javascript,${encodeURIComponent(`
  import { setFlagsFromString } from "node:v8";
  import { runInNewContext } from "node:vm";
  setFlagsFromString("--expose-gc");
  process.on("SIGUSR2", runInNewContext("() => gc()"));
`)}`;

/** MB (10^6 B). */
export interface Memory {
  resident: number;
  /** Of V8's heap, in use. */
  heap: number;
  /** Buffers, which are beside it. */
  external: number;
}

const names = {
  resident: "process_resident_memory_bytes",
  heap: "nodejs_heap_size_used_bytes",
  external: "nodejs_external_memory_bytes",
};

/** Of a service, after a collection, which `collect` causes: the least of three looks, since one may fall into work. */
export async function memoryOf(url: string, collect: () => void): Promise<Memory> {
  const least: Memory = { resident: Infinity, heap: Infinity, external: Infinity };
  for (let look = 0; look < 3; look++) {
    collect();
    await pause(300);
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const which of ["resident", "heap", "external"] as const) {
      const bytes = new RegExp(`^belfry_${names[which]} (\\S+)$`, "m").exec(text)?.[1];
      least[which] = Math.min(least[which], Number(bytes) / 1e6);
    }
  }
  return least;
}
