import { percentile } from "../figures.ts";
import { connectAll, type Device, newDevice, type Target, textOf } from "./device.ts";
import { atRate, create, until } from "./writer.ts";

/** Milliseconds. */
export type LatencyFigures = {
  /** From the 201, which says that it is stored, to the socket of the instance that stored it; of the bare server: there and back. */
  near50: number;
  near99: number;
  /** … to a socket of another instance. */
  far50?: number;
  far99?: number;
  /** From the request to the 201. */
  stored50?: number;
  stored99?: number;
};

const warmSeconds = 1;

/** Changes of many users at a fixed rate; each user listens at both instances. */
export async function latency(task: {
  target: Target;
  rate: number;
  seconds: number;
  users: number;
}): Promise<{ figures: LatencyFigures }> {
  const { target, rate, users } = task;
  const near: number[] = [];
  const far: number[] = [];
  const noted = (times: number[]) => (numbers: number[]) => {
    const now = performance.now();
    for (const n of numbers) times[n] = now;
  };
  const devicesOf = (far: boolean, times: number[]): Device[] =>
    Array.from({ length: users }, (_, user) => newDevice({ target, user, far }, noted(times)));
  const nearest = devicesOf(false, near);
  await connectAll(target.kind === "belfry" ? [...nearest, ...devicesOf(true, far)] : nearest);

  const begun: number[] = [];
  const stored: number[] = [];
  const warm = Math.round(rate * warmSeconds);
  const total = warm + Math.round(rate * task.seconds);
  await atRate(rate, total, async (n) => {
    begun[n] = performance.now();
    if (target.kind === "bare") return void nearest[n % users]?.socket.send(textOf(n));
    await create(target.near, n % users, { n });
    stored[n] = performance.now();
  });
  const sides = target.kind === "belfry" ? [near, far] : [near];
  const missing = () =>
    sides.reduce((sum, times) => sum + begun.filter((_, n) => times[n] === undefined).length, 0);
  await until(
    () => missing() === 0,
    () => `${missing()} of ${total} changes at their sockets`,
  );
  const took = (from: number[], to: number[], share: number) =>
    percentile(
      begun.flatMap((_, n) => (n < warm ? [] : [(to[n] as number) - (from[n] as number)])),
      share,
    );
  if (target.kind === "bare")
    return { figures: { near50: took(begun, near, 0.5), near99: took(begun, near, 0.99) } };
  const figures = {
    near50: took(stored, near, 0.5),
    near99: took(stored, near, 0.99),
    far50: took(stored, far, 0.5),
    far99: took(stored, far, 0.99),
    stored50: took(begun, stored, 0.5),
    stored99: took(begun, stored, 0.99),
  };
  return { figures };
}
