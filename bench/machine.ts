import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

const ticksPerSecond = 100;

export const cores = cpus().length;
export const cpuModel = cpus()[0]?.model ?? "unknown";

function stat(pid: number | "self"): number[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold spaces; what follows is numbered from field 3.
  return text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
}

/** The process of this name in a process group. */
export function pidInGroup(group: number, name: string): number | undefined {
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    try {
      if (stat(pid)[2] === group && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name) return pid;
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

/** User and system time in ticks. */
const own = (pid: number | "self") => (stat(pid)[11] ?? 0) + (stat(pid)[12] ?? 0);
/** Of all processes of a group, and of those that have ended in it. */
function ownOfGroup(group: number): number {
  let sum = 0;
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    try {
      const fields = stat(pid);
      if (fields[2] === group) for (const ticks of fields.slice(11, 15)) sum += ticks;
    } catch {
      // It has ended meanwhile.
    }
  }
  return sum;
}
/** Seconds of one core that a process has used. */
export const cpuSeconds = (pid: number): number => own(pid) / ticksPerSecond;
/** Of children that have ended. */
const ended = () => (stat("self")[13] ?? 0) + (stat("self")[14] ?? 0);

function busy(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync(
    "/proc/stat",
    "utf8",
  )
    .split("\n", 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq + steal;
}

/** Per cent of one core over a step. */
export type Cpu = Record<string, number>;

/**
 * Starts to count. The answer, at the end, has a number for each process in `pids` and each group of them in `groups`, `wrk`
 * for children that ended meanwhile, and `others`: what everything else on the machine took, which is noise.
 */
export function watchCpu(pids: Record<string, number>, groups: Record<string, number> = {}): () => Cpu {
  const read = () => ({
    at: performance.now(),
    busy: busy(),
    self: own("self"),
    ended: ended(),
    each: Object.fromEntries([
      ...Object.entries(pids).map(([name, pid]) => [name, own(pid)]),
      ...Object.entries(groups).map(([name, group]) => [name, ownOfGroup(group)]),
    ]) as Record<string, number>,
  });
  const before = read();
  return () => {
    const after = read();
    const ticks = ((after.at - before.at) / 1000) * ticksPerSecond;
    const percent = (count: number) => Math.round((count / ticks) * 100);
    const spent = Object.keys(before.each).map(
      (name) => [name, (after.each[name] ?? 0) - (before.each[name] ?? 0)] as const,
    );
    const wrk = after.ended - before.ended;
    const known = spent.reduce((sum, [, count]) => sum + count, wrk + after.self - before.self);
    return {
      ...Object.fromEntries(spent.map(([name, count]) => [name, percent(count)])),
      ...(wrk > 0 && { wrk: percent(wrk) }),
      others: Math.max(0, percent(after.busy - before.busy - known)),
    };
  };
}

/** Resident memory in MB (10^6 B). */
export function residentMb(pid: number): number {
  const kib = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  return Math.round((kib * 1024) / 1e5) / 10;
}
